"""Energy: what the rail took, and which part of it each inference gets."""

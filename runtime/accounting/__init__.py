"""Energy accounting: what the board drew, and which part of it each inference gets."""

"""When frames arrive."""

"""Comparisons: every policy on the same frames and arrivals, on one board's cost table."""

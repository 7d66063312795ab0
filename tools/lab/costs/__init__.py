"""What stages cost at each operating point: measured on a board, or modelled from its profile."""

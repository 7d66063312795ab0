"""`edge-infer doctor`: findings on host, software and board, each with what mends it."""

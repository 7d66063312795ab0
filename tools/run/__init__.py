"""`edge-infer run`: a bundle over frames, on this board, a simulated one or one at a line's end."""

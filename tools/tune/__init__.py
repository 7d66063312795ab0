"""`edge-infer tune`: thresholds that keep a promise, for the least energy on a board."""

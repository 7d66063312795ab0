"""`edge-infer compare`: every policy on the same frames and arrivals."""

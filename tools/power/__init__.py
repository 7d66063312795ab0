"""`edge-infer power`: meters watched, recorded, summed up, calibrated and read over a line."""

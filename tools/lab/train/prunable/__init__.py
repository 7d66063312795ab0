"""One weight set for several pruning ratios: mask, sandwich training, export, bundle."""

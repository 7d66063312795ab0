"""`edge-infer reproduce all-in-one`: one weight set, a pruning ratio for each clock (ICCAD 22)."""

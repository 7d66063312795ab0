"""Governors: what decides the operating point of each stage, and the pruning ratio of each frame.

`governor` is the contract and the fixed clock; `planned` and `joint` follow plans of
`edge_infer.runtime.planning`, `feedback` corrects them; `stable_latency` moves the ratio alone. The
kernel's governors by their rules are baselines of the laboratory.
"""

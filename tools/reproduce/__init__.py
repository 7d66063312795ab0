"""`edge-infer reproduce`: the figures of published papers beside ours, met or not."""

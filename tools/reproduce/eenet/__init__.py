"""`edge-infer reproduce eenet`: early exits, prediction and clocks (DAC 2023)."""

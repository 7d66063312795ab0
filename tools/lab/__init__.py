"""The laboratory: what decides ahead of time, off the board.

Replay and baselines, compare, tune, costs, train and the papers' figures, as a library: functions
return data, nothing here prints or reads a command line. `edge-infer run` imports none of it.
"""

"""Replay: frames whose scores are known, run through a governor on a board that is a cost table."""

"""Governors that decide more than one fixed clock.

The kernel's (`ondemand`, `conservative`, `schedutil`), the planner's and its limits, and the
zero-padding predictor with the lowest clock that meets the deadline.
"""

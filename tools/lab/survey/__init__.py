"""The first hour on a board: what is untested is measured, and written as a profile.

Steps (a file each) measure on a rig, a unit at a time; the state keeps what each unit found;
figures and profile are computed from the state alone.
"""

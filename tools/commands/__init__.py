"""What people type: one file a command, one file a text report that a command prints.

A command parses its options, calls the library and prints; it decides nothing.
"""

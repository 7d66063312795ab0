"""Policies: governors by name, with what they may know."""

"""Checks that run in the guest: every one through a kernel interface."""

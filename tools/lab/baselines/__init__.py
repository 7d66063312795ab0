"""Governors to compare with: others' ideas, the kernel's rules, and limits that know the future."""

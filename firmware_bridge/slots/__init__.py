"""Two slots for bundle files on a device: upload, self-test, test, confirm, revert."""

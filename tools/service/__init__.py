"""`edge-infer install-service`: the files of a systemd service, planned, put in place, removed."""

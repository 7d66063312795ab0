"""What runs in the guest that systemd has booted."""

#!/bin/sh
# Runs every check in the guest.
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin HOME=/root PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
exec .venv/bin/python -m tests.beds.vm.guest

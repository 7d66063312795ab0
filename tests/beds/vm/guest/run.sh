#!/bin/sh
# Runs the checks of a package in the guest, says how they ended, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
cd "$(dirname "$0")/../../../.." || exit 1
.venv/bin/python -m "$@"
echo "bed: exit code $?"
echo "bed: power-off at $(cut -d' ' -f1 /proc/uptime) s"
busybox poweroff -f

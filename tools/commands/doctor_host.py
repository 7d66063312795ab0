"""What doctor looks at around the board: serial ports and who holds them, memory, disk."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_infer.commands.doctor_finding import Finding
from edge_infer.firmware_bridge.host.find_port import PortInfo

LEAST_MEMORY_KIB = 128 * 1024
"""A stage of a MobileNet with its interpreter and NumPy takes about 100 MiB."""
LEAST_DISK_BYTES = 100 * 1024 * 1024
PROC = Path("/proc")
MODEM_MANAGER = "ModemManager"


def serial_findings(ports: Sequence[PortInfo], proc: Path = PROC) -> Iterator[Finding]:
    """Look at serial ports: the right to open them, and who else has them open."""
    if not ports:
        yield Finding("serial", "note", "no serial port", "none is needed unless you flash a board")
    for port in ports:
        holders = _holders(port.name, proc)
        if holders:
            mend = "end it, or choose another port with --port"
            yield Finding("serial", "problem", f"{port.name} is held by {holders[0]}", mend)
        elif not os.access(port.name, os.R_OK | os.W_OK):
            mend = "sudo usermod -aG dialout $USER and log in again"
            yield Finding("serial", "problem", f"{port.name}: no permission", mend)
        else:
            yield Finding("serial", "ok", f"{port.name}: {port.description}")
    if ports and any(_name(entry) == MODEM_MANAGER for entry in _processes(proc)):
        yield Finding(
            "serial",
            "note",
            "ModemManager probes new serial ports and disturbs what is on them",
            'a udev rule with ENV{ID_MM_DEVICE_IGNORE}="1" for the board, or: '
            "sudo systemctl disable --now ModemManager",
        )


def memory_findings(proc: Path = PROC) -> Iterator[Finding]:
    """Look at free memory."""
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            free_kib = int(line.split()[1])
            text = f"{free_kib // 1024} MiB available"
            if free_kib < LEAST_MEMORY_KIB:
                mend = "end other programs, or add swap: sudo systemctl start dphys-swapfile"
                yield Finding("memory", "problem", text, mend)
            else:
                yield Finding("memory", "ok", text)


def disk_findings(folder: Path) -> Iterator[Finding]:
    """Look at free disk space where results and slots are written."""
    free = shutil.disk_usage(folder).free
    text = f"{free // 2**20} MiB free at {folder}"
    if free < LEAST_DISK_BYTES:
        yield Finding("disk", "problem", text, "make room, or write elsewhere with -o")
    else:
        yield Finding("disk", "ok", text)


def _holders(port: str, proc: Path) -> list[str]:
    """Return the processes that have a device file open, of those we may look into."""
    target = os.path.realpath(port)
    found = []
    for entry in _processes(proc):
        try:
            links = [str(link.readlink()) for link in (entry / "fd").iterdir()]
        except OSError:
            continue
        if target in links and entry.name != str(os.getpid()):
            found.append(f"{_name(entry)} (process {entry.name})")
    return found


def _processes(proc: Path) -> list[Path]:
    return [entry for entry in proc.iterdir() if entry.name.isdigit()]


def _name(entry: Path) -> str:
    try:
        return (entry / "comm").read_text().strip()
    except OSError:
        return ""

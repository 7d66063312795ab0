"""What doctor looks at in this computer, the board aside, and what a finding is.

Python, interpreter packages and their kernels, package names; serial ports and who holds them,
memory, disk.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from edge_infer.firmware_bridge.host.ports import PortInfo
from edge_infer.models_tflite.backend import BACKEND_NAMES, default_backend_name, open_backend
from edge_infer.models_tflite.errors import BundleError

OLDEST = (3, 11)
NEWEST_OF_TFLITE_RUNTIME = (3, 11)
PACKAGE, DISTRIBUTION = "edge_infer", "edge-infer"
PROBE = "bundles/digits-early-exit/exit1.tflite"
"""A small int8 model with the operators that XNNPACK takes."""
LEAST_MEMORY_KIB = 128 * 1024
"""A stage of a MobileNet with its interpreter and NumPy takes about 100 MiB."""
LEAST_DISK_BYTES = 100 * 1024 * 1024
PROC = Path("/proc")
MODEM_MANAGER = "ModemManager"

Status = Literal["ok", "note", "problem"]
"""note: works, or is not needed everywhere; problem: something will fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    status: Status
    text: str
    mend: str = ""
    """The command that mends it, or what to do."""


def python_findings() -> Iterator[Finding]:
    """Look at Python."""
    version = sys.version_info[:2]
    text = f"Python {platform.python_version()} on {platform.machine()}"
    if version < OLDEST:
        yield Finding("python", "problem", text, "install Python 3.11 or newer")
    elif platform.machine() == "armv7l" and version > NEWEST_OF_TFLITE_RUNTIME:
        mend = "use Python 3.11: tflite-runtime has no newer wheel, LiteRT none for armv7l"
        yield Finding("python", "problem", text, mend)
    else:
        yield Finding("python", "ok", text)


def backend_findings() -> Iterator[Finding]:
    """Load a small int8 model with every backend, and say which kernels ran it."""
    model = (resources.files("edge_infer.models_tflite") / PROBE).read_bytes()
    for name in BACKEND_NAMES:
        try:
            backend = open_backend(name)
            operators = operators_of(backend.load(model))
        except BundleError as error:
            needed = name == default_backend_name()
            reason, _, mend = str(error).rpartition(": ")
            yield Finding(f"backend {name}", "problem" if needed else "note", reason, mend)
            continue
        delegated = "DELEGATE" in operators
        kernels = "int8 runs on XNNPACK" if delegated else "int8 runs on built-in kernels"
        yield Finding(f"backend {name}", "ok", f"{backend.version}, {kernels}")


def operators_of(interpreter: object) -> Sequence[str]:
    """Return the operators that an interpreter runs; a delegate is one more. Empty if unknown."""
    details = getattr(interpreter, "_get_ops_details", None)
    return [operator["op_name"] for operator in details()] if details else []


def name_findings(owners: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Check that nobody else installed a package of our name.

    Args:
        owners: distributions by package name (`importlib.metadata.packages_distributions`).
    """
    others = sorted(set(owners.get(PACKAGE, ())) - {DISTRIBUTION})
    if not others:
        yield Finding("package names", "ok", f"{PACKAGE} is ours alone")
        return
    yield Finding(
        "package names",
        "problem",
        f"the package {PACKAGE} also comes from {', '.join(others)}",
        f"pip uninstall {' '.join(others)}, or install edge-infer in an environment of its own",
    )


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

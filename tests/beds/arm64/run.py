"""Installs this project into an aarch64 Python 3.11 root and runs it there, under qemu-user.

    python -m tests.beds.arm64.run

Checked: pip resolves aarch64 wheels for pyproject.toml; both backends load; `edge-infer run` gives
the same answers and exits here and there with the reference kernels, sample by sample. Emulated
times say nothing about a board.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.beds.arm64.root import RELEASE, unpacked_root
from tests.beds.missing import need, skip

CHECKOUT = Path(__file__).parents[3]
CACHE = CHECKOUT / "build" / "beds"
PLATFORMS = tuple(f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 34, 36))
"""Debian 12 has glibc 2.36."""
PROGRAMS = {
    "qemu-aarch64-static": "qemu-user-static",
    "chroot": "coreutils",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "tar": "tar",
}
EMULATOR = "qemu-aarch64-static"
SITE = "opt/site"
BUNDLES = ("digits-early-exit", "digits-little-big")
BACKENDS = ("litert", "tflite-runtime")
START = "import sys; from edge_infer.commands.root import main; main(sys.argv[1:])"


class Machine:
    """A Python, and how to start it."""

    def __init__(
        self, name: str, command: Sequence[str], root: Path, environment: dict[str, str]
    ) -> None:
        self.name = name
        self.root = root
        self._command = command
        self._environment = {**os.environ, **environment}

    def run(self, *words: str) -> str:
        """Run edge-infer and return what it prints; fail with what it says."""
        command = [*self._command, "-c", START, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._environment, cwd="/"
        )
        if done.returncode != 0:
            sys.exit(f"FAILED on {self.name}: {' '.join(words)}: {done.returncode}: {done.stderr}")
        return done.stdout


def main() -> int:
    """Install, run, compare; return 0 when everything is equal."""
    need(PROGRAMS)
    root = unpacked_root(CACHE)
    install(root / SITE)
    there = Machine("aarch64", _entered(root), root, {"PYTHONPATH": f"/{SITE}"})
    here = Machine("this computer", [sys.executable], Path("/"), {})
    print(f"Debian {RELEASE} arm64: {there.run('--version').strip()}")
    checks = 0
    for bundle in BUNDLES:
        for backend in BACKENDS:
            checks += _compare(here, there, bundle, backend)
    print(f"bed: {checks} comparisons equal")
    return 0


def _entered(root: Path) -> list[str]:
    """Return the command that runs the root's Python; skip where a chroot is not allowed.

    It must be a chroot: LiteRT's cpuinfo crashes on an x86 host's /sys and /proc.
    """
    shutil.copy(shutil.which(EMULATOR) or EMULATOR, root / "usr/bin" / EMULATOR)
    for name in ("dev", "tmp"):
        (root / name).mkdir(exist_ok=True)
    (root / "dev/null").touch()
    enter = ["chroot", str(root)]
    if os.geteuid() != 0:
        enter = ["unshare", "--user", "--map-root-user", *enter]
    command = [*enter, f"/usr/bin/{EMULATOR}", "/usr/bin/python3.11"]
    done = subprocess.run([*command, "-c", ""], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip(f"the aarch64 root cannot be entered: {done.stderr.strip()}")
    return command


def install(site: Path) -> None:
    """Install this project and its aarch64 wheels, as pyproject.toml asks for them."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    target = ["--target", str(site), "--upgrade", "--implementation", "cp"]
    target += ["--python-version", "3.11", "--only-binary=:all:"]
    for platform in PLATFORMS:
        target += ["--platform", platform]
    with TemporaryDirectory(prefix="edge-infer-wheel-") as folder:
        build = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "-w", folder]
        _or_skip([*build, str(CHECKOUT)])
        wheel = next(Path(folder).glob("*.whl"))
        _or_skip([*pip, *target, f"{wheel}[tflite-runtime]"])


def _or_skip(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip(f"pip cannot install: {' '.join(done.stderr.split())[-300:]}")


def _compare(here: Machine, there: Machine, bundle: str, backend: str) -> int:
    """Compare answers, exits and accuracy of a run on both machines."""
    began_s = time.monotonic()
    outcomes = []
    for machine in (here, there):
        log = Path(f"/tmp/edge-infer-bed-{os.getpid()}.jsonl")
        words = ["run", bundle, "--board", "sim:raspberry-pi-5", "--backend", backend]
        words += ["--resolver", "reference", "--frames", "450", "--json", "-o", str(log)]
        document = json.loads(machine.run(*words))
        written = machine.root / log.relative_to("/")
        outcomes.append((document, _decisions(written)))
        written.unlink()
    (ours, our_decisions), (theirs, their_decisions) = outcomes
    if theirs["backend"]["arch"] != "aarch64":
        sys.exit(f"FAILED: it ran on {theirs['backend']['arch']}, not on aarch64")
    differing = [a for a, b in zip(our_decisions, their_decisions, strict=True) if a != b]
    if differing or ours["accuracy"] != theirs["accuracy"]:
        sys.exit(f"FAILED: {bundle}, {backend}: {len(differing)} answers differ: {differing[:3]}")
    print(
        f"ok {bundle}, {backend} {theirs['backend']['version']}: {len(our_decisions)} answers and "
        f"exits equal, accuracy {theirs['accuracy']:.4f} ({time.monotonic() - began_s:.0f} s)",
        flush=True,
    )
    return 1


def _decisions(log: Path) -> list[tuple[Any, ...]]:
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [(record["number"], record["answer"], record["exit"]) for record in records]


if __name__ == "__main__":
    sys.exit(main())

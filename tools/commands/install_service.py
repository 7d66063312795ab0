"""`edge-infer install-service`: the systemd unit, the rights it needs, and their removal.

What is done is a list of steps first: to print it, to do it, to undo it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click

from edge_infer.boards.cpufreq_policy import GOVERNOR, MAX_KHZ, MIN_KHZ, POLICIES, SETSPEED
from edge_infer.boards.errors import BoardError
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit
from edge_infer.files import write_whole

FILES = {
    "edge-infer.sysusers": "usr/lib/sysusers.d/edge-infer.conf",
    "edge-infer.tmpfiles": "usr/lib/tmpfiles.d/edge-infer.conf",
    "edge-infer.rules": "usr/lib/udev/rules.d/60-edge-infer.rules",
    "edge-infer.service": "etc/systemd/system/edge-infer.service",
}
"""Of this package -> where it goes. /usr/lib is read by every systemd, /etc is the administrator's:
the service file names this very installation of Python."""
FOLDERS = ("run/edge-infer", "var/lib/edge-infer", "var/cache/edge-infer")
"""What the service keeps."""
CLOCK_FILES = (GOVERNOR, SETSPEED, MIN_KHZ, MAX_KHZ)
"""Whose rights edge-infer.tmpfiles changes."""
UNIT = "edge-infer.service"
USER = "edge-infer"
TMPFILES = "/usr/bin/systemd-tmpfiles"


@click.command("install-service", short_help="Install edge-infer serve as a systemd service.")
@option("--dry-run", is_flag=True, help="Print exactly what would be done, and do nothing.")
@option("--uninstall", is_flag=True, help="Remove all of it, slots and user included.")
@option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Put the files below this folder (an image being built); runs no commands there.",
)
@json_option
def install_service_command(dry_run: bool, uninstall: bool, root: Path, as_json: bool) -> None:
    """Install `edge-infer serve` as a service that is not root.

    Writes a systemd unit with watchdog and clock restore, udev rules for I2C and the Edge TPU, and
    the group edge-infer, whose members may set the clock.
    """
    steps = removal(root) if uninstall else installation(root)
    if not dry_run:
        perform(steps)
    texts = [str(step) for step in steps]
    end = "nothing was done" if dry_run else "done"
    emit(as_json, {"done": not dry_run, "steps": texts}, "\n".join([*texts, end]))


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a text file, and its folder."""

    path: Path
    text: str

    def __str__(self) -> str:
        body = "".join(f"    {line}\n" for line in self.text.splitlines())
        return f"write {self.path}:\n{body}".rstrip("\n")

    def do(self) -> None:
        """Write it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, self.text)


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file or a folder with all that is in it."""

    path: Path

    def __str__(self) -> str:
        return f"remove {self.path}"

    def do(self) -> None:
        """Remove it, if it is there."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command; one that may fail says so."""

    words: tuple[str, ...]
    may_fail: bool = False

    def __str__(self) -> str:
        return f"run {' '.join(self.words)}" + (" (may fail)" if self.may_fail else "")

    def do(self) -> None:
        """Run it. Raises BoardError when it fails and must not."""
        try:
            done = subprocess.run(self.words, capture_output=True, text=True, check=False)
            failure = (done.stderr or done.stdout).strip() if done.returncode else ""
            failed = done.returncode != 0
        except OSError as error:
            failed, failure = True, str(error)
        if failed and not self.may_fail:
            raise BoardError(f"{' '.join(self.words)} failed: {failure}")


@dataclass(frozen=True, slots=True)
class ResetRights:
    """Give files back to root alone, as the kernel made them."""

    root: Path
    pattern: str

    def __str__(self) -> str:
        return f"give {self.root / self.pattern} back to root, mode 0644"

    def do(self) -> None:
        """Do so for every file there is."""
        for path in self.root.glob(self.pattern):
            os.chown(path, 0, 0)
            path.chmod(0o644)


@dataclass(frozen=True, slots=True)
class CheckReachable:
    """Check that others than its owner can come to a program: it may lie below /root."""

    program: Path

    def __str__(self) -> str:
        return f"check that the user {USER} can run {self.program}"

    def do(self) -> None:
        """Check it. Raises BoardError."""
        for path in (self.program, self.program.resolve()):
            parents = path.absolute().parents
            closed = next((p for p in parents if not p.stat().st_mode & 0o001), None)
            if closed is not None:
                raise BoardError(
                    f"the user {USER} cannot run {self.program}: {closed} is closed to others; "
                    "install edge-infer where all may read it, for example in /opt/edge-infer"
                )


Step = WriteFile | Remove | Run | ResetRights | CheckReachable


def installation(root: Path = Path("/")) -> Sequence[Step]:
    """Return the steps that install the service.

    Args:
        root: below which the files go; commands run only for "/".
    """
    steps: list[Step] = [WriteFile(root / path, _text(name)) for name, path in FILES.items()]
    if root != Path("/"):
        return steps
    return [
        CheckReachable(Path(sys.executable)),
        *steps,
        Run(("systemd-sysusers", "edge-infer.conf")),
        Run(("systemd-tmpfiles", "--create", "edge-infer.conf")),
        Run(("udevadm", "control", "--reload"), may_fail=True),
        Run(("udevadm", "trigger", "--action=change"), may_fail=True),
        Run(("systemctl", "daemon-reload")),
        Run(("systemctl", "enable", UNIT)),
    ]


def removal(root: Path = Path("/")) -> Sequence[Step]:
    """Return the steps that leave nothing of it: files, rights, state, slots, user and group.

    The groups of the system that the user was in (i2c, dialout, gpio, video, plugdev) stay.
    """
    files: list[Step] = [Remove(root / path) for path in FILES.values()]
    folders: list[Step] = [Remove(root / path) for path in FOLDERS]
    if root != Path("/"):
        return [*files, *folders]
    command = (sys.executable, "-m", "edge_infer", "boards", "restore")
    return [
        Run(("systemctl", "disable", "--now", UNIT), may_fail=True),
        Run(command, may_fail=True),
        *files,
        *folders,
        Run(("systemctl", "daemon-reload"), may_fail=True),
        Run(("udevadm", "control", "--reload"), may_fail=True),
        *(ResetRights(Path("/sys"), f"{POLICIES}/policy*/{name}") for name in CLOCK_FILES),
        Run(("userdel", USER), may_fail=True),
        Run(("groupdel", USER), may_fail=True),
    ]


def perform(steps: Sequence[Step]) -> None:
    """Do the steps in order. Raises BoardError at the first that fails."""
    if os.geteuid() != 0:
        raise BoardError(
            "installing a service needs root: sudo "
            f"{sys.executable} -m edge_infer install-service; --dry-run shows what it does"
        )
    for step in steps:
        try:
            step.do()
        except OSError as error:
            raise BoardError(f"{step}: {error.strerror}".splitlines()[0]) from error


def _text(name: str) -> str:
    text = (resources.files("edge_infer.boards") / "system" / name).read_text(encoding="utf-8")
    command = f"{sys.executable} -m edge_infer"
    return text.replace("@COMMAND@", command).replace("@TMPFILES@", TMPFILES)

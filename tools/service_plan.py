"""What installing the service does, as a list of steps: to print it, to do it, to undo it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from boards.errors import BoardError

FILES = {
    "edge-infer.sysusers": "usr/lib/sysusers.d/edge-infer.conf",
    "edge-infer.tmpfiles": "usr/lib/tmpfiles.d/edge-infer.conf",
    "edge-infer.rules": "usr/lib/udev/rules.d/60-edge-infer.rules",
    "edge-infer.service": "etc/systemd/system/edge-infer.service",
}
"""Of this package -> where it goes. /usr/lib is read by every systemd, /etc is the administrator's:
the service file names this very installation of Python."""
UNIT = "edge-infer.service"
USER = "edge-infer"
TMPFILES = "/usr/bin/systemd-tmpfiles"


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
        self.path.write_text(self.text)


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


Step = WriteFile | Remove | Run


def installation(root: Path = Path("/")) -> Sequence[Step]:
    """Return the steps that install the service.

    Args:
        root: below which the files go; commands run only for "/".
    """
    steps: list[Step] = [WriteFile(root / path, _text(name)) for name, path in FILES.items()]
    if root != Path("/"):
        return steps
    return [
        *steps,
        Run(("systemd-sysusers", "edge-infer.conf")),
        Run(("systemd-tmpfiles", "--create", "edge-infer.conf")),
        Run(("udevadm", "control", "--reload"), may_fail=True),
        Run(("udevadm", "trigger", "--action=change"), may_fail=True),
        Run(("systemctl", "daemon-reload")),
        Run(("systemctl", "enable", UNIT)),
    ]


def removal(root: Path = Path("/")) -> Sequence[Step]:
    """Return the steps that leave nothing of it: files, state, slots, user and group."""
    files: list[Step] = [Remove(root / path) for path in FILES.values()]
    folders: list[Step] = [Remove(root / path) for path in ("run/edge-infer", "var/lib/edge-infer")]
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
    text = (resources.files("boards") / "system" / name).read_text(encoding="utf-8")
    command = f"{sys.executable} -m edge_infer"
    return text.replace("@COMMAND@", command).replace("@TMPFILES@", TMPFILES)

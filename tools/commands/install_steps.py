"""What installing and removing a service comes to: steps to print, to do, and to take back."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.boards.errors import BoardError
from edge_infer.files import write_whole

SYSTEM = Path("/")
"""Where a service is started too; below another folder files alone are written."""
USER = "edge-infer"
Undo = Callable[[], None]


class Step:
    """One of them; its text says what it does."""

    def do(self) -> None:
        """Do it. Raises OSError, BoardError."""
        raise NotImplementedError

    def undo(self) -> Undo:
        """Return what takes it back; asked for before it is done."""
        return lambda: None


@dataclass(frozen=True, slots=True)
class WriteFile(Step):
    """Write a text file, and its folder."""

    path: Path
    text: str
    mode: int = 0o666

    def __str__(self) -> str:
        body = "".join(f"    {line}\n" for line in self.text.splitlines())
        return f"write {self.path}:\n{body}".rstrip("\n")

    def do(self) -> None:
        """Write it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, self.text, mode=self.mode)

    def undo(self) -> Undo:
        """Return what brings back the file that was there, or the folders that were not."""
        before = self.path.read_bytes() if self.path.is_file() else None
        new = [folder for folder in self.path.parents if not folder.exists()]

        def back() -> None:
            if before is not None:
                write_whole(self.path, before)
                return
            self.path.unlink(missing_ok=True)
            for folder in new:
                folder.rmdir()

        return back


@dataclass(frozen=True, slots=True)
class Remove(Step):
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
class Run(Step):
    """Run a command; one that may fail says so."""

    words: tuple[str, ...]
    may_fail: bool = False
    takes_back: tuple[str, ...] = ()
    """The command that takes it back."""

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
            said = "; ".join(failure.splitlines()) or "it says nothing of why"
            raise BoardError(f"{' '.join(self.words)} failed: {said}")

    def undo(self) -> Undo:
        """Return what runs the command that takes it back."""
        return Run(self.takes_back, may_fail=True).do if self.takes_back else lambda: None


@dataclass(frozen=True, slots=True)
class ResetRights(Step):
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
class CheckReachable(Step):
    """Check that others than its owner can come to a program: it may lie below /root."""

    program: Path

    def __str__(self) -> str:
        return f"check that the user {USER} can run {self.program}"

    def do(self) -> None:
        """Check it. Raises BoardError."""
        for path in (self.program, self.program.resolve()):
            closed = _closed_folder(path)
            if closed is not None:
                raise BoardError(
                    f"the user {USER} cannot run {self.program}: {closed} is closed to others; "
                    "install edge-infer where all may read it, for example in /opt/edge-infer"
                )


@dataclass(frozen=True, slots=True)
class CheckReadable(Step):
    """Check that others than its owner can read a file, or a folder and all that is in it."""

    path: Path

    def __str__(self) -> str:
        return f"check that the user {USER} can read {self.path}"

    def do(self) -> None:
        """Check it. Raises BoardError."""
        closed = _closed_folder(self.path.resolve()) or next(_unreadable(self.path), None)
        if closed is not None:
            raise BoardError(
                f"the user {USER} cannot read {self.path}: {closed} is closed to others; put it "
                "where all may read it, for example in /opt/edge-infer"
            )


@dataclass(frozen=True, slots=True)
class CheckSystemd(Step):
    """Check that systemd runs this computer."""

    def __str__(self) -> str:
        return "check that systemd runs this computer"

    def do(self) -> None:
        """Check it. Raises BoardError."""
        try:
            state = subprocess.run(
                ["systemctl", "is-system-running"], capture_output=True, text=True, check=False
            ).stdout.strip()
        except OSError:
            state = "offline"
        if state in ("", "offline", "unknown"):
            raise BoardError(
                "this computer does not run systemd, which starts and watches services; start "
                "edge-infer by what it has in its place"
            )

    def undo(self) -> Undo:
        """Return what lets systemd read its files anew, once they are taken back."""
        return Run(("systemctl", "daemon-reload"), may_fail=True).do


def perform(steps: Sequence[Step]) -> None:
    """Do the steps in order; after the first that fails, take back those that were done.

    Raises:
        BoardError: it is not root that asks, or a step fails.
    """
    if os.geteuid() != 0:
        raise BoardError(
            "a service is installed and removed by root: sudo "
            f"{sys.executable} -m edge_infer and the same words; --dry-run shows what it does"
        )
    with contextlib.ExitStack() as done:
        for step in steps:
            try:
                done.callback(_quietly, step.undo())
                step.do()
            except OSError as error:
                named = str(step).splitlines()[0].rstrip(":")
                raise BoardError(f"{named}: {error.strerror}") from error
        done.pop_all()


def _quietly(undo: Undo) -> None:
    with contextlib.suppress(OSError, BoardError):
        undo()


def _closed_folder(path: Path) -> Path | None:
    return next((p for p in path.absolute().parents if not p.stat().st_mode & 0o001), None)


def _unreadable(path: Path) -> Iterator[Path]:
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        needed = 0o005 if each.is_dir() else 0o004
        if each.stat().st_mode & needed != needed:
            yield each

"""Processes of the guest: forked, so that what is imported need not be imported again."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Self

GUEST_UID = 1000


class Child:
    """A forked process that runs `work` and ends with what it returns.

    Args:
        work: gets a function that prints one line to the parent.
        uid: user and group to become.
        groups: further groups.
    """

    def __init__(
        self,
        work: Callable[[Callable[[str], None]], int | None],
        uid: int = 0,
        groups: tuple[int, ...] = (),
    ) -> None:
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(read_end)
                _become(uid, groups)
                code = work(lambda line: _say(write_end, line)) or 0
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        os.close(write_end)
        self._lines = os.fdopen(read_end)

    def line(self) -> str:
        """Return the next line it prints, empty once it is gone."""
        return self._lines.readline().rstrip("\n")

    def signal_kill(self) -> None:
        """Send SIGKILL and do not wait: what it holds may keep it for a while."""
        os.kill(self.pid, signal.SIGKILL)

    def kill(self, number: signal.Signals) -> int:
        """Send a signal and return how it ended, as `wait` does."""
        os.kill(self.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Return its exit code, or minus the signal that killed it."""
        _, status = os.waitpid(self.pid, 0)
        self._lines.close()
        return os.waitstatus_to_exitcode(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.kill(signal.SIGKILL)
        except (ProcessLookupError, ChildProcessError):
            self._lines.close()


def as_guest(work: Callable[[], str], groups: tuple[int, ...] = ()) -> str:
    """Return what `work` returns when the ordinary user runs it."""
    with Child(lambda say: say(work()), GUEST_UID, groups) as child:
        return child.line()


def _become(uid: int, groups: tuple[int, ...]) -> None:
    if uid:
        os.setgroups(groups)
        os.setgid(uid)
        os.setuid(uid)


def _say(descriptor: int, line: str) -> None:
    os.write(descriptor, (line.replace("\n", " ") + "\n").encode())

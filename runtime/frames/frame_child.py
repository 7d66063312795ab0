"""A child process that writes raw frames to its standard output: a camera's program, or ffmpeg."""

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge_infer.boards.closing import Closing
from edge_infer.runtime.errors import InputError, SourceError

_TAIL_BYTES = 4096
_GRACE_S = 2.0
_NOISE = re.compile(r"\b(INFO|DEBUG)\b|^\s*$|^Mode selection|^Stream configuration|^ +SR?[GB]")
"""Lines of libcamera's log that name no error."""

_GIVEN_SIZE = re.compile(r"configuring streams: \(0\) (\d+)x(\d+)-")
"""In libcamera's log."""


@dataclass(frozen=True)
class FrameProgram:
    """What to start, and how what it writes becomes frames."""

    name: str
    """Of the program, for messages."""
    arguments: tuple[str, ...]
    frame_bytes: int
    to_frame: Callable[[bytes], NDArray[Any]]
    """Makes a frame of the bundle's shape of so many bytes."""
    done: dict[str, int | None]
    """In words what is done to the frames; see `Source.document`."""
    causes: tuple[tuple[str, str], ...] = ()
    """Patterns in what the program says, and what to try then."""
    stride: int | None = None
    size: tuple[int, int] | None = None
    """Width and height that were asked for, of a program that says what it gives."""

    def check(self, said: str) -> None:
        """Look at what size the program says it gives.

        Raises:
            InputError: it is another one: what was read would be no picture.
        """
        found = _GIVEN_SIZE.findall(said)
        if self.size is not None and found and (given := tuple(map(int, found[-1]))) != self.size:
            raise InputError(
                f"{self.name} gives pictures of {given[0]}x{given[1]} where {self.size[0]}x"
                f"{self.size[1]} was asked for: give --frame-size {given[0]}x{given[1]}"
            )

    def advice(self, said: str) -> str:
        """Return what to try after what the program said."""
        for pattern, advice in self.causes:
            if re.search(pattern, said, re.IGNORECASE):
                return advice
        return f"to see more, run: {shlex.join(self.arguments)} > /dev/null"

    def telling(self, lines: list[str]) -> str:
        """Return the line that says most of why it ended: of a known cause, else the last."""
        for pattern, _ in self.causes:
            for line in lines:
                if re.search(pattern, line, re.IGNORECASE):
                    return line
        return lines[-1]


class ChildSilentError(SourceError):
    """The program runs and writes nothing."""


Select = Callable[[selectors.BaseSelector, float], list[selectors.SelectorKey]]


def select_ready(selector: selectors.BaseSelector, timeout_s: float) -> list[selectors.SelectorKey]:
    """Return what can be read, nothing after the time."""
    return [key for key, _ in selector.select(timeout_s)]


class FrameChild(Closing):
    """The running program. What it says on standard error is kept, the last of it.

    Args:
        program: is started, in a session of its own: Ctrl-C is for us, we end it.
        select: waits for the child's pipes.

    Raises:
        SourceError: it cannot be started.
    """

    def __init__(self, program: FrameProgram, select: Select = select_ready) -> None:
        self._program, self._select, self._said = program, select, b""
        try:
            self._process = subprocess.Popen(
                program.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            raise SourceError(
                f"{program.name} cannot be started: {error.strerror}: {program.advice(str(error))}"
            ) from None
        out, err = self._process.stdout, self._process.stderr
        assert out is not None and err is not None
        self._out, self._err = out, err
        os.set_blocking(err.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(out, selectors.EVENT_READ)
        self._selector.register(err, selectors.EVENT_READ)
        self.cut_bytes = 0
        """Of a last frame that is not whole."""

    @property
    def ended(self) -> bool:
        """Whether the program has ended."""
        return self._process.poll() is not None

    def read(self, patience_s: float) -> bytes | None:
        """Return the next frame, None at the end.

        Raises:
            ChildSilentError: nothing came for so long.
        """
        frame, filled = bytearray(self._program.frame_bytes), 0
        with memoryview(frame) as view:
            while filled < len(frame):
                ready = self._select(self._selector, patience_s)
                if not ready:
                    raise ChildSilentError(
                        f"{self._program.name} wrote nothing for {patience_s:g} s"
                    )
                for key in ready:
                    if key.fileobj is self._err:
                        self._hear()
                    else:
                        count = self._out.readinto(view[filled:])  # type: ignore[attr-defined]
                        filled += count
                        if not count:
                            self.cut_bytes = filled
                            return None
        return bytes(frame)

    def end(self) -> int:
        """Return the exit code of a program that has closed its output, negative for a signal."""
        try:
            code = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.close()
            code = self._process.wait()
        if not self._err.closed:
            self._hear()
        return code

    def stop(self) -> None:
        """Ask the program to end; from any thread."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it for sure; from any thread."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """End the program, and whatever it started, and let go of it."""
        self.stop()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        if not self._err.closed:
            self._hear()
        self._selector.close()
        self._out.close()
        self._err.close()

    @property
    def said(self) -> list[str]:
        """The last lines on standard error that tell something."""
        lines = self._said.decode("utf-8", "replace").splitlines()
        told = [line.strip() for line in lines if not _NOISE.search(line)]
        return told or [line.strip() for line in lines if line.strip()]

    @property
    def everything_said(self) -> str:
        """The last of standard error, as it was."""
        return self._said.decode("utf-8", "replace")

    def _hear(self) -> None:
        """Take what waits on standard error."""
        while True:
            try:
                part = os.read(self._err.fileno(), _TAIL_BYTES)
            except BlockingIOError:
                return
            if not part:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(self._err)
                return
            self._said = (self._said + part)[-_TAIL_BYTES:]

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def ending(program: FrameProgram, child: FrameChild, code: int) -> str:
    """Return how a program ended, what it said and what to try."""
    how = f"ended with code {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"
    cut = f" {child.cut_bytes} bytes into a frame" if child.cut_bytes else ""
    said = f": {program.telling(child.said)}" if child.said else ""
    return f"{program.name} {how}{cut}{said}; {program.advice(child.everything_said)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

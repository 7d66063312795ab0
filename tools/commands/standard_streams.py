"""Standard input, output and error, also where somebody closed them or stopped reading."""

import errno
import os
import sys
from typing import TextIO

from edge_infer.runtime.errors import RunError


def open_standard_streams() -> None:
    """Let a closed descriptor 0, 1 or 2 be taken, so that no file of ours gets its number.

    Reading a closed input and writing a closed output fail as they did; what is said to a closed
    standard error goes nowhere.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        if _is_closed(number):
            os.dup2(taken := os.open(os.devnull, flags), number)
            if taken != number:
                os.close(taken)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def standard_input() -> TextIO:
    """Return standard input. Raises RunError when it is closed."""
    if sys.stdin is None:
        raise RunError("standard input is closed; connect it to a file, a pipe or a terminal")
    return sys.stdin


def drop_output() -> None:
    """Let what standard output still holds go nowhere: it cannot be written, and is told."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError):  # no descriptor behind it
            return

"""`--marker` of run, serve and measure: the GPIO line that shows an outside meter the windows."""

from contextlib import ExitStack

from edge_infer.boards.errors import GpioError
from edge_infer.boards.gpio import FORMS, GpioLine, open_line
from edge_infer.boards.registry import SIMULATED
from edge_infer.commands.options import option

REMOTE = "serial:"
"""What the name of a board at the end of a line begins with."""

marker_option = option(
    "--marker",
    help=f"GPIO line that is high while an inference runs, for an external meter: {FORMS}.",
)


def open_marker(stack: ExitStack, marker: str | None, board: str) -> GpioLine | None:
    """Open the line for a board's name; `stack` lowers and frees it. None without a marker.

    Raises GpioError: it cannot be driven, or the board has no lines here.
    """
    if marker is None:
        return None
    if board.startswith((REMOTE, SIMULATED)):
        raise GpioError(f"--marker drives a GPIO line of this computer; {board} has none here")
    return stack.enter_context(open_line(marker))


def check_marker(marker: str | None, board: str) -> None:
    """Raise GpioError now for a line that a process started later could not drive."""
    with ExitStack() as stack:
        open_marker(stack, marker, board)

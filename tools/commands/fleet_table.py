"""The boards of a fleet on a terminal while they are at work, a row each; and in the end."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_infer.commands.exit_codes import OK, exit_code_of
from edge_infer.commands.progress import can_draw
from edge_infer.commands.render import printable
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.side_by_side import Outcome

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_REFRESH_HZ = 4
_BAR_CELLS = 20
_FRAME_ROWS = 6
"""Of a terminal, what stands around the boards' rows."""
_AT_WORK, _ENDED, _WAITS = range(3)


@dataclass(slots=True)
class _Row:
    board: FleetBoard
    kind: int = _WAITS
    step: str = "waits"
    share: float | None = None


class FleetTable:
    """Fulfils Watch: shows where the boards are, those at work first.

    Args:
        boards: of the fleet.
        console: where to draw; standard error if None, where that is a terminal.
    """

    def __init__(self, boards: Sequence[FleetBoard], console: "Console | None" = None) -> None:
        self._rows = {board.name: _Row(board) for board in boards}
        self._lock = threading.Lock()
        self._console = console

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw while the boards are at work; nothing where standard error is no terminal."""
        if self._console is None and not can_draw():
            yield
            return
        from rich.console import Console
        from rich.live import Live

        console = self._console or Console(stderr=True)
        with Live(
            console=console, get_renderable=lambda: self.picture(console.height),
            refresh_per_second=_REFRESH_HZ, transient=True, redirect_stdout=sys.stdout.isatty(),
        ):  # fmt: skip
            yield

    def told(self, board: FleetBoard, step: str, share: float | None) -> None:
        """See Watch."""
        with self._lock:
            row = self._rows[board.name]
            row.kind, row.step, row.share = _AT_WORK, step, share

    def ended(self, outcome: Outcome) -> None:
        """See Watch."""
        with self._lock:
            row = self._rows[outcome.board.name]
            row.kind, row.share = _ENDED, None
            row.step = "done" if outcome.error is None else f"{outcome.error}"

    def picture(self, height: int) -> "RenderableType":
        """Return what is shown: as many rows as a terminal of some height has room for."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            rows = sorted(self._rows.values(), key=lambda row: row.kind)
            counts = Counter(row.kind for row in rows)
            cells = [(row.board.name, row.board.group, *_step(row)) for row in rows]
        drawn = Table("board", "group", "step", "", box=None, pad_edge=False)
        for cell in cells[: max(3, height - _FRAME_ROWS)]:
            drawn.add_row(*(Text(printable(part), overflow="ellipsis", no_wrap=True)
                            for part in cell))  # fmt: skip
        foot = (
            f"{counts[_AT_WORK]} at work, {counts[_ENDED]} done, {counts[_WAITS]} wait, "
            f"{len(rows)} boards"
        )
        return Group(drawn, Text(), Text(foot))


def _step(row: _Row) -> tuple[str, str]:
    if row.share is None:
        return row.step, ""
    cells = round(row.share * _BAR_CELLS)
    return row.step, f"{'#' * cells}{'.' * (_BAR_CELLS - cells)} {row.share:4.0%}"


def board_row(board: FleetBoard, state: str, outcome: Outcome | None) -> dict[str, Any]:
    """Return what every document of a fleet says of a board."""
    error = outcome.error if outcome else None
    return {
        "name": board.name,
        "group": board.group,
        "profile": board.profile,
        "port": board.port,
        "state": state,
        "code": OK if error is None else exit_code_of(error),
        "error": None if error is None else str(error),
        "attempts": outcome.attempts if outcome else 0,
    }


def worst_code(rows: Sequence[dict[str, Any]]) -> int:
    """Return the highest exit code of the boards."""
    return max((row["code"] for row in rows), default=OK)


def counts_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return how many boards are in which state, in words."""
    counts = Counter(row["state"] for row in rows)
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())

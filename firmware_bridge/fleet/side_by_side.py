"""One job on many boards at once; a board that is gone is tried again after the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edge_infer.firmware_bridge.errors import ImageError, LinkError, SlotError, WrongBoardError
from edge_infer.firmware_bridge.fleet.board_flash import (
    GONE,
    LostOnTrialError,
    PowerCutError,
    Tell,
)
from edge_infer.firmware_bridge.fleet.board_line import BoardLines, StoppedError
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.host.link import Link

Job = Callable[[Link, FleetBoard, Tell], Any]
ANOTHER_TRY = (*GONE, PowerCutError)
"""What another try may mend."""
_EXPECTED = (LinkError, ImageError, SlotError, StoppedError, OSError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to on a board."""

    board: FleetBoard
    result: Any = None
    error: Exception | None = None
    attempts: int = 1

    @property
    def reached(self) -> bool:
        """Whether the board stated was there: one that was lost on trial was."""
        lost = isinstance(self.error, LostOnTrialError)
        return lost or not isinstance(self.error, (*GONE, StoppedError, WrongBoardError))


class Watch(Protocol):
    """Sees how far the boards are; called from several threads."""

    def told(self, board: FleetBoard, step: str, share: float | None) -> None:
        """A board is at a step, and so much of it is done, 0 to 1, if known."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """A try of a board has ended."""
        ...


class SideBySide:
    """Runs jobs on boards.

    Args:
        lines: to the boards.
        parallel: boards at once, at most.
        retries: further tries of a board that was gone.
        watch: sees it.
        pause_s: real time before boards that were gone are tried again.
    """

    def __init__(
        self, lines: BoardLines, parallel: int, retries: int, watch: Watch, pause_s: float = 2.0
    ) -> None:
        self.lines, self._parallel, self._retries = lines, parallel, retries
        self._watch, self._pause_s = watch, pause_s

    def run(self, boards: Sequence[FleetBoard], job: Job) -> list[Outcome]:
        """Run a job on boards; return what it came to on each, in their order."""
        outcomes = self._each([Outcome(board, attempts=0) for board in boards], job)
        for _ in range(self._retries):
            gone = [o for o in outcomes if isinstance(o.error, ANOTHER_TRY)]
            if not gone or self.lines.wait(self._pause_s):
                break
            again = {o.board.name: o for o in self._each(gone, job)}
            outcomes = [again.get(o.board.name, o) for o in outcomes]
        return outcomes

    def _each(self, before: Sequence[Outcome], job: Job) -> list[Outcome]:
        if not before:
            return []
        with ThreadPoolExecutor(min(self._parallel, len(before))) as pool:
            try:
                return list(pool.map(lambda outcome: self._one(outcome, job), before))
            except BaseException:  # the rest does not begin, and what waits for a line ends
                self.lines.stop()
                raise

    def _one(self, before: Outcome, job: Job) -> Outcome:
        board = before.board
        outcome = replace(before, attempts=before.attempts + 1, error=None)
        try:
            with self.lines.link(board) as link:
                result = job(link, board, lambda step, share: self._watch.told(board, step, share))
            outcome = replace(outcome, result=result)
        except _EXPECTED as error:
            lost = isinstance(before.error, LostOnTrialError) and isinstance(error, GONE)
            outcome = replace(outcome, error=before.error if lost else error)
        self._watch.ended(outcome)
        return outcome

"""A bundle onto a fleet, wave by wave: a wave begins when the one before has confirmed.

A wave counts boards that are there: in the place of one that is gone the next one is taken. A
board that does not run the bundle, or is lost while it does, ends the rollout with its wave.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_infer.firmware_bridge.errors import WrongBoardError
from edge_infer.firmware_bridge.fleet.board_flash import BoardFlash, LostOnTrialError, Tell
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.rollout_state import RolloutState
from edge_infer.firmware_bridge.fleet.side_by_side import Outcome, SideBySide
from edge_infer.firmware_bridge.fleet.trial import take_back
from edge_infer.firmware_bridge.host.link import Link

REVERTED = "the fleet's rollout was stopped"
"""Reason that is kept on a board which confirmed, and is taken back."""
State = Literal["confirmed", "failed", "lost", "unreachable", "wrong board", "reverted",
                "not reverted", "not begun"]  # fmt: skip


@dataclass(slots=True)
class BoardState:
    """Where a board stands in the end."""

    board: FleetBoard
    state: State
    wave: int | None = None
    outcome: Outcome | None = None


@dataclass(slots=True)
class Rollout:
    """What a rollout came to."""

    boards: dict[str, BoardState]
    waves: list[list[str]] = field(default_factory=list)
    """Names of the boards that were tried, by wave."""
    stopped: str | None = None
    """Why no further wave began."""


def roll_out(
    boards: Sequence[FleetBoard],
    sizes: Sequence[int],
    flash: BoardFlash,
    crew: SideBySide,
    state: RolloutState,
    *,
    revert: bool = False,
) -> Rollout:
    """Flash a fleet in waves. A board of another profile than stated counts as one that is gone.

    Args:
        boards: in the order in which their turn comes.
        sizes: how many of them have the bundle after each wave, rising.
        flash: flashes one.
        crew: runs it on several at once.
        state: kept in a file.
        revert: where it stops, take back what was confirmed.
    """
    rollout = Rollout({board.name: BoardState(board, "not begun") for board in boards})
    waiting = deque(boards)
    reached = 0
    for number, size in enumerate(sizes, 1):
        rollout.waves.append([])
        while reached < size and waiting and rollout.stopped is None:
            turn = [waiting.popleft() for _ in range(min(size - reached, len(waiting)))]
            outcomes = crew.run(turn, flash)
            reached += sum(outcome.reached for outcome in outcomes)
            _note(rollout, number, outcomes, state)
        if rollout.stopped is not None:
            break
    if rollout.stopped is not None and revert:
        _take_back(rollout, flash.digest, crew, state)
    return rollout


def _note(rollout: Rollout, number: int, outcomes: Sequence[Outcome], state: RolloutState) -> None:
    for outcome in outcomes:
        name, found = outcome.board.name, _state_of(outcome)
        rollout.waves[-1].append(name)
        rollout.boards[name] = BoardState(outcome.board, found, number, outcome)
        state.ended(name, found)
    failed = [o for o in outcomes if _state_of(o) in ("failed", "lost")]
    if failed:
        first = failed[0]
        rollout.stopped = f"wave {number}: {first.board.name}: {first.error}"


def _state_of(outcome: Outcome) -> State:
    if outcome.error is None:
        return "confirmed"
    if isinstance(outcome.error, WrongBoardError):
        return "wrong board"
    if not outcome.reached:
        return "unreachable"
    return "lost" if isinstance(outcome.error, LostOnTrialError) else "failed"


def _take_back(rollout: Rollout, digest: bytes, crew: SideBySide, state: RolloutState) -> None:
    """Take the bundle back from every board that this rollout changed, now or before."""
    changed = [
        each for name, each in rollout.boards.items()
        if name in state.boards and each.state in ("confirmed", "lost", "not begun", "unreachable")
    ]  # fmt: skip

    def job(link: Link, board: FleetBoard, tell: Tell) -> Any:
        tell("take back", None)
        take_back(link, digest, REVERTED)

    outcomes = crew.run([each.board for each in changed], job)
    for each, outcome in zip(changed, outcomes, strict=True):
        each.state = "reverted" if outcome.error is None else "not reverted"
        before = each.outcome or outcome
        error = outcome.error or before.error
        each.outcome = Outcome(each.board, before.result, error, outcome.attempts)
        state.ended(each.board.name, each.state)

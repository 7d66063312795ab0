"""Walks through the plan: a unit at a time, its result on the disk before the next begins."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge_infer.boards.errors import BoardError
from edge_infer.lab.survey.errors import HotError
from edge_infer.lab.survey.plan import STEPS, Todo, seconds_left, todo
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Step
from edge_infer.lab.survey.survey_state import SurveyState

ASKED_FOR = "left out by --skip"


class Progress(NamedTuple):
    """How far a survey is."""

    done: int
    total: int
    step: str
    unit: str
    seconds_left: float


Told = Callable[[Progress], None]


def untold(progress: Progress) -> None:
    """Progress that nobody reads."""


def survey(
    rig: Rig,
    state: SurveyState,
    folder: Path | None,
    steps: Sequence[Step] = STEPS,
    skip: Sequence[str] = (),
    told: Told = untold,
) -> None:
    """Measure every unit that is not measured yet; `state` holds what was found.

    What fails is noted and gone past; it is tried again with the next call.

    Args:
        rig: what to measure on; its board is open.
        state: what was found so far.
        folder: where the state is kept; None keeps it in memory alone.
        steps: in order.
        skip: names of steps to leave out.
        told: called before each unit.

    Raises:
        HotError: the board stays too hot; the survey may go on later.
        OSError: the state cannot be written.
    """
    mark_skipped(rig, state, steps, skip)
    state.failed = {}
    pace, begin_ns, expected_s = 1.0, rig.now_ns(), 0.0
    for step in steps:
        if step.name not in state.skipped and (reason := step.lacks(rig, state)):
            state.skipped[step.name] = reason
        while left := todo(rig, state, steps):
            if left[0].step is not step:
                break
            done = sum(len(units) for units in (*state.found.values(), *state.failed.values()))
            told(Progress(done, done + len(left), step.title, left[0].unit,
                          seconds_left(rig, left, pace)))  # fmt: skip
            _measure(rig, state, left[0])
            expected_s += step.seconds(rig, left[0].unit)
            pace = max(0.2, (rig.now_ns() - begin_ns) / 1e9 / expected_s)
            if folder is not None:
                state.save(folder)
    if folder is not None:
        state.save(folder)


def mark_skipped(
    rig: Rig, state: SurveyState, steps: Sequence[Step] = STEPS, skip: Sequence[str] = ()
) -> None:
    """Note which steps are left out, and why, as far as that is known before the first."""
    reasons = {step.name: step.lacks(rig, state) for step in steps}
    state.skipped = {name: reason for name, reason in reasons.items() if reason}
    state.skipped |= dict.fromkeys(skip, ASKED_FOR)


def _measure(rig: Rig, state: SurveyState, next_: Todo) -> None:
    step, unit = next_
    rig.raw.begin(f"{step.name} {unit}")
    try:
        found = step.run(rig, state, unit)
    except HotError:
        raise
    except BoardError as error:
        state.failed.setdefault(step.name, {})[unit] = str(error)
    else:
        state.found.setdefault(step.name, {})[unit] = found
    finally:
        rig.raw.end()
        if rig.meter is not None:
            with suppress(BoardError):
                rig.meter.stop()

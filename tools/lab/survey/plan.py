"""The order of a survey: the cheap and telling first, so that it can stop anywhere."""

from collections.abc import Sequence
from typing import NamedTuple

from edge_infer.lab.survey.bundle_costs import BUNDLE_COSTS
from edge_infer.lab.survey.busy_power import BUSY_POWER
from edge_infer.lab.survey.clocks import CLOCKS
from edge_infer.lab.survey.identity import IDENTITY
from edge_infer.lab.survey.idle import IDLE
from edge_infer.lab.survey.memory import MEMORY
from edge_infer.lab.survey.meter_check import METER_CHECK
from edge_infer.lab.survey.meter_rate import METER_RATE
from edge_infer.lab.survey.overhead import OVERHEAD
from edge_infer.lab.survey.rates import RATES
from edge_infer.lab.survey.restore import RESTORE
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.serial_line import SERIAL_LINE
from edge_infer.lab.survey.step import Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.switches import SWITCHES
from edge_infer.lab.survey.thermal import THERMAL

STEPS: tuple[Step, ...] = (
    IDENTITY, IDLE, CLOCKS, SWITCHES, METER_CHECK, RATES, MEMORY, BUSY_POWER, OVERHEAD,
    METER_RATE, SERIAL_LINE, RESTORE, BUNDLE_COSTS, THERMAL,
)  # fmt: skip
"""Idle power comes before anything that warms the board, or loads an interpreter."""
STEP_NAMES = tuple(step.name for step in STEPS)


class Todo(NamedTuple):
    """A unit that is not measured yet."""

    step: Step
    unit: str


def todo(rig: Rig, state: SurveyState, steps: Sequence[Step] = STEPS) -> list[Todo]:
    """Return what is left, in order; a step that is lacking something is none of it."""
    return [
        Todo(step, unit)
        for step in steps
        if step.name not in state.skipped
        for unit in step.units(rig, state)
        if not state.done(step.name, unit)
    ]


def seconds_left(rig: Rig, left: Sequence[Todo], pace: float = 1.0) -> float:
    """Return about how long it takes, at the pace of what was done."""
    return pace * sum(step.seconds(rig, unit) for step, unit in left)

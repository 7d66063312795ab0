"""Step: a serial line, by a loopback plug or a second board: echo, flash, stream."""

from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    return rig.lines[unit]()


SERIAL_LINE = Step(
    name="serial",
    title="serial line: echo, flash, stream",
    units=lambda rig, state: list(rig.lines),
    run=_run,
    seconds=lambda rig, unit: 10,
    lacks=lambda rig, state: "" if rig.lines else rig.no_line,
    changes="flashes a small bundle onto the board behind --port, on trial: its next reset "
    "takes it back",
)

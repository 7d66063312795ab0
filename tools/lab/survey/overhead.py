"""Step: what this project's code takes around inferences, stages and decisions, in this Python."""

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState

UNIT = "runtime"


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    khz = usable_clocks(rig, state)[-1]
    rig.set_khz(khz)
    found = {kind: list(times) for kind, times in rig.runner.overheads_ns().items()}
    return {"khz": khz, "times_ns": found}


OVERHEAD = Step(
    name="overhead",
    title="runtime, stage and decision overhead of this Python",
    units=lambda rig, state: (UNIT,),
    run=_run,
    seconds=lambda rig, unit: 15,
    changes="sets the processor's clock",
)

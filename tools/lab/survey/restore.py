"""Step: a process that holds the clock is killed outright; what it found must come back."""

from edge_infer.lab.survey.errors import SurveyError
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState

UNIT = "SIGKILL"


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    rig.board.clock.reset()  # the lease is the other process's meanwhile
    found = rig.runner.killed()
    assert found is not None  # see _lacks
    if found["after"] != found["before"]:
        raise SurveyError(
            f"after SIGKILL the clock's files read {found['after']}, not {found['before']} as "
            "before: put them back by hand"
        )
    return found


def _lacks(rig: Rig, state: SurveyState) -> str:
    if len(rig.clocks_khz) < 2:
        return rig.no_clock or "the clock cannot be chosen here"
    return "a simulated board has no process to be killed" if rig.board.simulated else ""


RESTORE = Step(
    name="restore",
    title="the clock put back after SIGKILL",
    units=lambda rig, state: (UNIT,),
    run=_run,
    seconds=lambda rig, unit: 3,
    lacks=_lacks,
    changes="sets the processor's clock in a process that is killed",
)

"""Step: what the computer is, what the clock was found at, and who else is at work on it."""

from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState

UNIT = "computer"


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    board, meter = rig.board, rig.meter
    flags, at = board.thermometer.flags(), board.thermometer.millicelsius()
    return {
        **rig.runner.identity(),
        "cores": rig.cores,
        "clocks_khz": list(rig.clocks_khz),
        "found_khz": board.clock.current_khz(),
        "throttle_flags": None if flags is None else f"0x{flags:x}",
        "millicelsius": at,
        "meter_gain_uncertainty_ppm": None if meter is None else meter.gain_uncertainty_ppm,
        "meter_offset_uncertainty_uw": None if meter is None else meter.offset_uncertainty_uw,
    }


IDENTITY = Step(
    name="identity",
    title="board, kernel, firmware, governors",
    units=lambda rig, state: (UNIT,),
    run=_run,
    seconds=lambda rig, unit: 0.1,
)

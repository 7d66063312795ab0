"""Step: idle power at each clock, before any interpreter is loaded and after."""

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import metered

BARE, LOADED = "bare", "loaded"
BLOCKS = 40


def _units(rig: Rig, state: SurveyState) -> list[str]:
    clocks = usable_clocks(rig, state)
    return [f"{kind} {khz}" for kind in (BARE, LOADED) for khz in clocks]


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    kind, khz = unit.split()
    if kind == LOADED:
        rig.runner.load()
    assert rig.meter is not None  # see lacks_meter
    rig.set_khz(int(khz))
    rig.meter.start()
    found = metered(rig, None, "", BLOCKS)
    rig.meter.stop()
    return {
        "power_uw": found.power_uw,
        "spread_uw": found.spread_uw,
        "bus_mv": found.bus_mv,
        "millicelsius": rig.board.thermometer.millicelsius(),
    }


def lacks_meter(rig: Rig, state: SurveyState) -> str:
    """Return that there is no meter, and what helps."""
    return "" if rig.meter is not None else rig.no_meter


IDLE = Step(
    name="idle",
    title="idle power at each clock, with the interpreter loaded and without",
    units=_units,
    run=_run,
    seconds=lambda rig, unit: 1.0,
    lacks=lacks_meter,
    changes="sets the processor's clock",
)

"""Step: a measured cost table of each bundle that ships."""

from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.lab.survey.clocks import CLOCKS, lying_clocks
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    assert rig.measure_bundle is not None  # see lacks
    clock = rig.board.clock
    if isinstance(clock, CpufreqClock):
        clock.drop(lying_clocks(state.units(CLOCKS.name)))
    return {"table": rig.measure_bundle(unit)}


BUNDLE_COSTS = Step(
    name="costs",
    title="cost tables of the bundles that ship",
    units=lambda rig, state: list(rig.bundles),
    run=_run,
    seconds=lambda rig, unit: 90,
    lacks=lambda rig, state: (
        "" if rig.bundles and rig.measure_bundle else "no bundle was asked for"
    ),
    changes="sets the processor's clock",
)

"""Step: a measured cost table of each bundle that ships."""

from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    assert rig.measure_bundle is not None  # see lacks
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

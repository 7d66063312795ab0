"""Step: memory bandwidth, by copies that fit into the caches and copies that do not."""

from statistics import median

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import timed_ns

SIZES = (16 << 10, 256 << 10, 4 << 20, 32 << 20)
"""Bytes: first level, second level, third or none, memory."""


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    khz = usable_clocks(rig, state)[-1]
    rig.set_khz(khz)
    size = int(unit)
    time_ns = median(timed_ns(rig, rig.runner.copy(size), unit))
    return {"khz": khz, "time_ns": time_ns, "mb_per_s": 1e3 * size / time_ns}


MEMORY = Step(
    name="memory",
    title="memory bandwidth",
    units=lambda rig, state: [str(size) for size in SIZES],
    run=_run,
    seconds=lambda rig, unit: 0.5,
    changes="sets the processor's clock",
)

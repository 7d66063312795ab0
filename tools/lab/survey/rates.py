"""Step: how fast each kind of operator runs, by generated models, at each number of threads."""

from statistics import median

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.operator_models import DTYPES, operator_models
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import timed_ns

LOWEST = "lowest clock"


def _units(rig: Rig, state: SurveyState) -> list[str]:
    units = [f"{dtype} x {n}" for dtype in DTYPES for n in rig.thread_counts]
    if len(usable_clocks(rig, state)) > 1:
        units.append(f"int8 x 1, {LOWEST}")
    return units


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    dtype, threads = unit.split(",")[0].split(" x ")
    clocks = usable_clocks(rig, state)
    khz = clocks[0] if unit.endswith(LOWEST) else clocks[-1]
    rig.set_khz(khz)
    times = {
        model.name: median(timed_ns(rig, rig.runner.invoke(model, int(threads)), model.name))
        for model in operator_models()
        if model.work.dtype == dtype
    }
    return {"khz": khz, "threads": int(threads), "dtype": dtype, "times_ns": times}


RATES = Step(
    name="rates",
    title="operators by kind, shape, arithmetic and threads",
    units=_units,
    run=_run,
    seconds=lambda rig, unit: 6,
    changes="sets the processor's clock",
)

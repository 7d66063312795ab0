"""Step: what kinds of work add to the idle power, at each clock and number of threads.

Every few visits the board idles at its lowest clock, so that a drift (heat) falls out: what work
adds is what it draws above that, as net energy is defined.
"""

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.idle import lacks_meter
from edge_infer.lab.survey.operator_models import OperatorModel, operator_models
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import metered

BETWEEN = 3
"""Visits between two looks at the idle power."""
SMALL_KINDS, SHORT_KINDS = ("conv", "pointwise", "depthwise"), ("depthwise",)


def _units(rig: Rig, state: SurveyState) -> list[str]:
    return [f"{khz} x {n}" for n in rig.thread_counts for khz in usable_clocks(rig, state)[::-1]]


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    khz, threads = (int(word) for word in unit.split(" x "))
    clocks, meter = usable_clocks(rig, state), rig.meter
    assert meter is not None  # see lacks_meter
    models = _models(threads, top=khz == clocks[-1])
    above: dict[str, list[float]] = {}
    meter.start()
    idle_uw = _idle_uw(rig, clocks[0])
    for begin in range(0, len(models), BETWEEN):
        rig.set_khz(khz)
        busy = {}
        for model in models[begin : begin + BETWEEN]:
            busy[model.name] = metered(rig, rig.runner.invoke(model, threads), model.name)
        next_uw = _idle_uw(rig, clocks[0])
        for name, visit in busy.items():
            above[name] = [visit.power_uw - (idle_uw + next_uw) / 2, visit.time_ns]
        idle_uw = next_uw
    meter.stop()
    return {"khz": khz, "threads": threads, "above_uw_and_ns": above}


def _models(threads: int, top: bool) -> list[OperatorModel]:
    """Return what runs: more at the top clock, whose figures the others are held against.

    On several threads the short ones tell what cores draw that wait for each other.
    """
    kinds = SMALL_KINDS if threads == 1 else SHORT_KINDS
    return [model for model in operator_models() if model.heavy or (top and model.kind in kinds)]


def _idle_uw(rig: Rig, lowest_khz: int) -> float:
    rig.set_khz(lowest_khz)
    return metered(rig, None, "").power_uw


BUSY_POWER = Step(
    name="busy",
    title="power of kinds of work, by threads and clock",
    units=_units,
    run=_run,
    seconds=lambda rig, unit: 4,
    lacks=lacks_meter,
    changes="sets the processor's clock",
)

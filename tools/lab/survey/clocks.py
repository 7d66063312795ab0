"""Step: each clock set, read back, and timed under load; clocks that lie are found by the time.

A clock is timed by operators that stay in a cache: their cycles do not change with it. The kernel's
word is kept beside, and so is the firmware's where it has one.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from edge_infer.boards.cpufreq import ALIAS, CpufreqClock
from edge_infer.lab.survey.operator_models import OperatorModel, operator_models
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import cool, timed_ns

TIMED_BY = ("conv", "pointwise", "depthwise")
MOST_BYTES = 64_000
"""Of a map and weights that stay in the cache of one core."""
AGREE = 0.012
"""Cycles of two clocks that differ by less are the same."""


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    khz, clock = int(unit), rig.board.clock
    cool(rig)
    kernel_khz = rig.set_khz(khz)
    times = {
        model.name: median(timed_ns(rig, rig.runner.invoke(model, 1), model.name))
        for model in _timers()
    }
    running = clock.running_khz() if isinstance(clock, CpufreqClock) else kernel_khz
    firmware = rig.runner.measured_khz() or running
    return {"kernel_khz": kernel_khz, "firmware_khz": firmware, "times_ns": times}


def _timers() -> tuple[OperatorModel, ...]:
    return tuple(
        model
        for model in operator_models()
        if model.kind in TIMED_BY
        and not model.heavy
        and model.op.inputs + model.op.elements < MOST_BYTES
        and model.work.dtype == "int8"
    )


def real_clocks(found: Mapping[str, Any]) -> dict[int, int]:
    """Return the clock in kHz that each asked one really runs at, by what the step found.

    The clocks on which the most agree, by the cycles that the same work takes, run as asked; of
    others the time tells. Where as many agree on one as on another, the kernel's and the firmware's
    word decide.
    """
    times = {int(khz): unit["times_ns"] for khz, unit in found.items()}
    if not times:
        return {}
    clocks = sorted(times)
    relative = {khz: _relative(times[khz], times[clocks[-1]]) for khz in clocks}
    cycles = {khz: khz * relative[khz] for khz in clocks}
    groups = [[k for k in clocks if abs(cycles[k] / cycles[c] - 1) < AGREE] for c in clocks]
    doubted = {int(khz) for khz, unit in found.items() if _told_otherwise(int(khz), unit)}
    honest = max(groups, key=lambda group: (len(group) - 2 * len(doubted & set(group)), group[-1]))
    true = median(cycles[khz] for khz in honest)
    return {khz: _named(true / relative[khz], khz, clocks) for khz in clocks}


def lying_clocks(found: Mapping[str, Any]) -> dict[int, int]:
    """Return the clocks that run as another, by what the step found: asked to real, in kHz."""
    return {khz: real for khz, real in real_clocks(found).items() if real != khz}


def usable_clocks(rig: Rig, state: SurveyState) -> tuple[int, ...]:
    """Return the clocks that run as asked, ascending; all that are offered before the step."""
    found = state.units(CLOCKS.name)
    lies = lying_clocks(found)
    return tuple(khz for khz in rig.clocks_khz if khz not in lies)


def _relative(times: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Return how many times longer the same work takes; what few models are off by falls out."""
    ratios = sorted(times[name] / reference[name] for name in reference)
    cut = len(ratios) // 5
    kept = ratios[cut : len(ratios) - cut] or ratios
    return sum(kept) / len(kept)


def _told_otherwise(khz: int, unit: Mapping[str, Any]) -> bool:
    told = (unit["kernel_khz"], unit["firmware_khz"])
    return any(abs(word - khz) > ALIAS * khz for word in told if word)


def _named(real_khz: float, asked_khz: int, clocks: Sequence[int]) -> int:
    """Return a measured clock as the nearest that is offered, the asked one if it may be that."""
    if abs(real_khz / asked_khz - 1) <= ALIAS:
        return asked_khz
    nearest = min(clocks, key=lambda khz: abs(khz - real_khz))
    return nearest if abs(real_khz / nearest - 1) <= ALIAS else round(real_khz)


def _lacks(rig: Rig, state: SurveyState) -> str:
    if len(rig.clocks_khz) > 1:
        return ""
    return rig.no_clock or "the clock cannot be chosen here"


CLOCKS = Step(
    name="clocks",
    title="each clock set, read back, timed under load",
    units=lambda rig, state: [str(khz) for khz in rig.clocks_khz],
    run=_run,
    seconds=lambda rig, unit: 1.2,
    lacks=_lacks,
    changes="sets the processor's clock",
)

"""The outcome of each step: passed, found (something odd), failed, skipped or left."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from edge_infer.lab.survey.figures import Figures
from edge_infer.lab.survey.plan import STEPS
from edge_infer.lab.survey.step import Step
from edge_infer.lab.survey.survey_state import SurveyState


class Outcome(NamedTuple):
    """Of one step."""

    step: str
    title: str
    word: str
    """passed, found, failed, skipped or left."""
    text: str


Judge = Callable[[Mapping[str, Any], Figures], str]


def outcomes(state: SurveyState, figures: Figures) -> Iterator[Outcome]:
    """Yield the outcome of every step of the plan, in its order."""
    for step in STEPS:
        yield Outcome(step.name, step.title, *_outcome(step, state, figures))


def _outcome(step: Step, state: SurveyState, figures: Figures) -> tuple[str, str]:
    found, failed = state.units(step.name), state.failed.get(step.name, {})
    if step.name in state.skipped and not found:
        return "skipped", state.skipped[step.name]
    if failed:
        some = "; ".join(dict.fromkeys(f"{unit}: {why}" for unit, why in failed.items()))
        return "failed", f"{len(failed)} of {len(failed) + len(found)}: {some}"
    if not found:
        return "left", "not reached: --resume goes on"
    odd = _JUDGES.get(step.name, _nothing_odd)(found, figures)
    text = figures.gain.words if step.name == "meter" else f"{len(found)} measured"
    return ("found", odd) if odd else ("passed", text)


def _nothing_odd(found: Mapping[str, Any], figures: Figures) -> str:
    return ""


def _clocks(found: Mapping[str, Any], figures: Figures) -> str:
    lies = [f"{a / 1000:g} MHz runs as {b / 1000:g}" for a, b in figures.lies_khz.items()]
    return ", ".join(lies)


def _meter(found: Mapping[str, Any], figures: Figures) -> str:
    return figures.gain.words if figures.gain.factor != 1.0 else ""


def _thermal(found: Mapping[str, Any], figures: Figures) -> str:
    for unit in found.values():
        capped = next((row for row in unit["rows"] if row["throttled"]), None)
        if capped is not None:
            return f"the clock was capped after {capped['after_s']:.0f} s of all cores"
        if unit["ended_by"] != "ten minutes":
            return f"ended by {unit['ended_by']} after {unit['rows'][-1]['after_s']:.0f} s"
        first, last = unit["rows"][0], unit["rows"][-1]
        if last["time_ns"] > 1.05 * first["time_ns"]:
            slower = 100 * (last["time_ns"] / first["time_ns"] - 1)
            return f"{slower:.0f} % slower at the end, and no flag says so"
    return ""


def _serial(found: Mapping[str, Any], figures: Figures) -> str:
    told = [f"{name}: {unit['odd']}" for name, unit in found.items() if unit.get("odd")]
    told += [f"{name} not tested: {unit['not_tested']}" for name, unit in found.items()
             if unit.get("not_tested")]  # fmt: skip
    return "; ".join(told)


_JUDGES: Mapping[str, Judge] = {
    "clocks": _clocks,
    "meter": _meter,
    "thermal": _thermal,
    "serial": _serial,
}

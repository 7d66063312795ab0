"""What a survey's state comes to: every figure with its interval, its method, and what lacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from edge_infer.lab.survey.busy_power import BUSY_POWER
from edge_infer.lab.survey.clocks import CLOCKS, lying_clocks, real_clocks
from edge_infer.lab.survey.errors import DamagedSurveyError
from edge_infer.lab.survey.estimate import Estimate, mean_of
from edge_infer.lab.survey.identity import IDENTITY, UNIT
from edge_infer.lab.survey.idle import IDLE
from edge_infer.lab.survey.meter_check import METER_CHECK
from edge_infer.lab.survey.overhead import OVERHEAD
from edge_infer.lab.survey.overhead import UNIT as RUNTIME
from edge_infer.lab.survey.power_figures import (
    BusyPower,
    Gain,
    Switches,
    busy_of,
    gain_of,
    idle_of,
    switches_of,
)
from edge_infer.lab.survey.rate_figures import Rates, rates_of
from edge_infer.lab.survey.rates import RATES
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.switches import SWITCHES


@dataclass(frozen=True)
class Figures:
    """Everything that was found; None and empty for what was not."""

    computer: Mapping[str, Any]
    clocks_khz: tuple[int, ...]
    """That run as asked, ascending."""
    lies_khz: Mapping[int, int]
    """Clocks that run as another."""
    gain: Gain
    idle_uw: Mapping[tuple[str, int], Estimate]
    switches: Switches | None
    rates: Rates | None
    busy: BusyPower | None
    overhead_cycles: Mapping[str, Estimate]
    """By part: runtime, stage, decision."""
    bus_mv: float | None
    """Supply voltage behind the shunt, idle; None without a meter."""


def figures_of(state: SurveyState) -> Figures:
    """Return the figures of a survey, of one that is not at its end too."""
    computer = state.units(IDENTITY.name).get(UNIT, {})
    gain = gain_of(
        state.units(METER_CHECK.name),
        computer.get("meter_gain_uncertainty_ppm") or 0,
        computer.get("meter_offset_uncertainty_uw") or 0,
    )
    clocks = state.units(CLOCKS.name)
    honest = tuple(asked for asked, real in real_clocks(clocks).items() if asked == real)
    rates = rates_of(state.units(RATES.name), str(computer.get("core", "")).lower())
    voltages = [unit["bus_mv"] for unit in state.units(IDLE.name).values()]
    return Figures(
        computer,
        honest or tuple(khz for khz in computer.get("clocks_khz", ()) if khz),
        lying_clocks(clocks),
        gain,
        idle_of(state.units(IDLE.name), gain),
        switches_of(state.units(SWITCHES.name), gain),
        rates,
        busy_of(state.units(BUSY_POWER.name), rates, gain),
        _overhead(state.units(OVERHEAD.name)),
        median(voltages) if voltages else None,
    )


def checked_figures(state: SurveyState, where: str) -> Figures:
    """Return the figures of a state that was read from a file.

    Raises:
        DamagedSurveyError: a unit holds what no survey writes.
    """
    try:
        return figures_of(state)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DamagedSurveyError(
            f"{where} is damaged: a unit holds what no survey writes ({error!r}); begin anew "
            "elsewhere"
        ) from None


def _overhead(found: Mapping[str, Any]) -> dict[str, Estimate]:
    unit = found.get(RUNTIME)
    if unit is None or not unit["khz"]:
        return {}
    return {
        part: mean_of(times).times(unit["khz"] / 1e6) for part, times in unit["times_ns"].items()
    }

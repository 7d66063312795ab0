"""Figures of power: idle, busy cores by clock and threads, changes of clock, the meter's gain.

    above idle = cores * (s + (1 - s) * V(f)^2 * f) * shared * (1 - q (1 - w))

cores are the first and what further ones draw beside it; q is the share of the time that threads
wait for each other, w what they draw meanwhile.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev
from typing import Any

from edge_infer.lab.survey.estimate import Estimate, mean_of
from edge_infer.lab.survey.idle import LOADED
from edge_infer.lab.survey.meter_check import UNIT
from edge_infer.lab.survey.operator_models import operator_models
from edge_infer.lab.survey.rate_figures import Rates
from edge_infer.lab.survey.several_cores import SeveralCores, by_threads, several_cores


@dataclass(frozen=True)
class Gain:
    """What readings are multiplied by, and how far off the result may be."""

    factor: float
    bound: float
    """Relative."""
    offset_uw: float
    words: str


def gain_of(found: Mapping[str, Any], gain_ppm: int, offset_uw: int) -> Gain:
    """Return the gain of a survey's meter.

    Args:
        found: the units of the step that held it against a known load.
        gain_ppm: the meter's own bound.
        offset_uw: likewise.
    """
    own, check = gain_ppm / 1e6, found.get(UNIT)
    if check is None:
        return Gain(1.0, own, offset_uw, f"own bounds of {100 * own:.2f} %, no known load")
    factor = check["expected_uw"] / check["seen_uw"]
    bound = check["bound"] + check["spread_uw"] / check["seen_uw"]
    told = (
        f"{100 * (1 / factor - 1):+.2f} % off against {check['load']}, known to {100 * bound:.2f} %"
    )
    if abs(factor - 1) <= own + bound and own <= bound:
        return Gain(1.0, own, offset_uw, f"{told}: its own bounds of {100 * own:.2f} % hold")
    return Gain(factor, bound, offset_uw * factor, f"{told}: readings are corrected by that")


def idle_of(found: Mapping[str, Any], gain: Gain) -> dict[tuple[str, int], Estimate]:
    """Return idle power in uW by kind (bare, loaded) and clock in kHz."""
    idle = {}
    for name, unit in found.items():
        kind, khz = name.split()
        power = unit["power_uw"] * gain.factor
        half = 2 * unit["spread_uw"] + gain.bound * power + gain.offset_uw
        idle[kind, int(khz)] = Estimate(power, power - half, power + half)
    return idle


def idle_reference(idle: Mapping[tuple[str, int], Estimate]) -> Estimate | None:
    """Return the idle power at the lowest clock, interpreter loaded."""
    loaded = {khz: each for (kind, khz), each in idle.items() if kind == LOADED}
    return loaded[min(loaded)] if loaded else None


@dataclass(frozen=True)
class BusyPower:
    """What work adds to the idle power."""

    core_uw: Estimate
    """One core at the top clock."""
    by_kind: Mapping[str, Estimate]
    """The same by kind of work."""
    by_clock: Mapping[int, Estimate]
    """One core at a clock over one at the top."""
    by_threads: Mapping[tuple[int, int], Estimate]
    """Threads and clock: int8 kernels at work over one core at the top, waiting left out."""
    several: SeveralCores | None
    """None where one thread was tried."""


def busy_of(found: Mapping[str, Any], rates: Rates | None, gain: Gain) -> BusyPower | None:
    """Return the figures of a survey's busy powers; None where the top clock was not measured."""
    singles = [unit for unit in found.values() if unit["threads"] == 1]
    if not singles:
        return None
    top = max(singles, key=lambda unit: unit["khz"])
    whole = _above(top)
    core = mean_of(list(whole.values()))
    core = core.times(gain.factor)
    by_clock = _by_clock(singles, whole)
    whole = _smoothed(singles, whole, by_clock)
    against = {name: (unit, _against(unit, whole)) for name, unit in found.items()}
    several = several_cores(against.values(), by_clock, rates)
    return BusyPower(
        core.wider(gain.bound * core.value), _by_kind(whole, gain), by_clock,
        by_threads(against.values(), rates, several), several,
    )  # fmt: skip


def _by_clock(
    singles: Sequence[Mapping[str, Any]], whole: Mapping[str, float]
) -> dict[int, Estimate]:
    return {u["khz"]: mean_of(list(_against(u, whole).values())) for u in singles}


def _smoothed(
    singles: Sequence[Mapping[str, Any]], whole: Mapping[str, float],
    by_clock: Mapping[int, Estimate],
) -> dict[str, float]:  # fmt: skip
    """Return what each work adds at the top clock, by what it adds at all clocks."""
    above = {unit["khz"]: _above(unit) for unit in singles}
    return {
        name: math.fsum(at[name] / by_clock[khz].value for khz, at in above.items() if name in at)
        / sum(name in at for at in above.values())
        for name in whole
    }


def _by_kind(whole: Mapping[str, float], gain: Gain) -> dict[str, Estimate]:
    kinds: dict[str, list[float]] = {}
    for model in operator_models():
        if model.name in whole:
            kinds.setdefault(f"{model.work.dtype} {model.kind}", []).append(whole[model.name])
    spread = 2 * stdev(whole.values()) if len(whole) > 1 else 0.0
    found = {
        kind: mean_of(values) if len(values) > 1 else mean_of(values).wider(spread)
        for kind, values in kinds.items()
    }
    found = {kind: each.times(gain.factor) for kind, each in found.items()}
    return {kind: each.wider(gain.bound * each.value) for kind, each in found.items()}


def _above(unit: Mapping[str, Any]) -> dict[str, float]:
    return {name: above for name, (above, _) in unit["above_uw_and_ns"].items()}


def _against(unit: Mapping[str, Any], whole: Mapping[str, float]) -> dict[str, float]:
    return {n: above / whole[n] for n, above in _above(unit).items() if whole.get(n, 0) > 0}


@dataclass(frozen=True)
class Switches:
    """One change of clock."""

    time_ns: Estimate
    energy_nj: Estimate | None
    """Gross; None without a meter."""


def switches_of(found: Mapping[str, Any], gain: Gain) -> Switches | None:
    """Return the mean over the pairs of clocks; None where none was measured."""
    if not found:
        return None
    times = [median(unit["times_ns"]) for unit in found.values()]
    spreads = [_spread(unit["times_ns"]) for unit in found.values()]
    mean = math.fsum(times) / len(times)
    half = max(max(abs(t - mean) for t in times), *spreads, 0.002 * mean)
    time = Estimate(mean, mean - half, mean + half)
    powers = [unit["power_uw"] for unit in found.values() if unit["power_uw"] is not None]
    if not powers:
        return Switches(time, None)
    power = math.fsum(powers) / len(powers) * gain.factor
    off = gain.bound + gain.offset_uw / power
    off += max(abs(p * gain.factor / power - 1) for p in powers) + 0.005
    energy = power * mean / 1e6
    return Switches(time, Estimate(energy, energy * (1 - off) - half * power / 1e6,
                                   energy * (1 + off) + half * power / 1e6))  # fmt: skip


def _spread(times: Sequence[float]) -> float:
    """Return a bound of a median: twice the median deviation over the root of the count."""
    middle = median(times)
    return 2 * 1.4826 * 1.25 * median(abs(t - middle) for t in times) / math.sqrt(len(times))

"""The power section of a profile that a survey writes."""

from collections.abc import Mapping
from typing import Any

from edge_infer.lab.survey.estimate import Estimate
from edge_infer.lab.survey.figures import Figures
from edge_infer.lab.survey.power_figures import idle_reference
from edge_infer.lab.survey.profile_entries import Document, Entries, assumed

FIXED_PERMILLE = 50
"""Taken where the voltages are not known: GAP9 and NDP120 imply 2 to 8 % (MLPerf Tiny v1.0)."""


def power_section(
    made: Entries, figures: Figures, base: Mapping[str, Any], cpu: Mapping[str, Any]
) -> Document:
    """Return the power section; empty where it cannot be whole."""
    idle, busy = idle_reference(figures.idle_uw), figures.busy
    power: Document = dict(base)
    if idle is not None:
        method = f"lowest clock, interpreter loaded; meter: {figures.gain.words}"
        power["idle_uw"] = made.figure(idle, method, 1)
    if busy is not None:
        _add_busy(power, made, figures, cpu)
    if figures.bus_mv is not None:
        power["supply_mv"] = made.plain(round(figures.bus_mv), "the meter's bus voltage at idle")
    needed = ("idle_uw", "busy_core_uw", "supply_mv")
    if any(key not in power for key in needed):
        return {}
    power.setdefault("more_core_uw", power["busy_core_uw"])
    power.setdefault("waiting_permille", assumed(792, 700, 950, _ASSUMED_WAITING))
    power.setdefault("fixed_permille", assumed(FIXED_PERMILLE, 0, 150, _ASSUMED_FIXED))
    return power


_ASSUMED_WAITING = "assumed: 792 of 1000 on a Raspberry Pi 4, over 23 int8 networks"
_ASSUMED_FIXED = "assumed: MLPerf Tiny v1.0, GAP9 and NDP120 at two voltages imply 2 to 8 %"


def _add_busy(
    power: Document, made: Entries, figures: Figures, cpu: Mapping[str, Any]
) -> None:  # fmt: skip
    busy = figures.busy
    assert busy is not None
    method = "generated models against the idle board, in turn; "
    power["busy_core_uw"] = made.figure(busy.core_uw, f"{method}one thread, top clock", 1)
    if busy.several is not None:
        core, further = busy.core_uw, busy.several.more
        more = further.times(core.value).wider(core.half * further.value)
        power["more_core_uw"] = made.figure(more, f"{method}one thread to all cores")
        power["waiting_permille"] = made.figure(
            busy.several.waiting.times(1000),
            f"{method}by how much of their time threads wait",
            0,
            1000,
        )
    fixed = _fixed(busy.by_clock, cpu)
    if fixed is not None:
        power["fixed_permille"] = made.figure(
            fixed.times(1000), f"{method}over all clocks, with the voltages above", 0, 1000
        )
    elif cpu["core_uv"].get("basis") in ("measured", "simulated"):
        power["fixed_permille"] = assumed(FIXED_PERMILLE, 0, 150, _ASSUMED_FIXED)


def _fixed(by_clock: Mapping[int, Estimate], cpu: Mapping[str, Any]) -> Estimate | None:
    """Return the share that follows neither voltage nor clock, where voltages are published."""
    voltages = cpu["core_uv"]
    if voltages.get("basis", "published") in ("measured", "simulated", "synthetic"):
        return None
    clocks = cpu["clocks_khz"]["value"]
    if len(clocks) < 2:
        return None
    shares, weights, halves = [], [], []
    for khz, uv in zip(clocks[:-1], voltages["value"], strict=False):
        if khz not in by_clock:
            continue
        dynamic = (uv / voltages["value"][-1]) ** 2 * khz / clocks[-1]
        shares.append((by_clock[khz].value - dynamic) / (1 - dynamic))
        halves.append(by_clock[khz].half / (1 - dynamic))
        weights.append((1 - dynamic) ** 2)
    if not shares:
        return None
    mean = sum(w * s for w, s in zip(weights, shares, strict=True)) / sum(weights)
    # The clocks share the reference at the top, so no average over them takes its error away.
    half = sum(w * h for w, h in zip(weights, halves, strict=True)) / sum(weights)
    return Estimate(mean, mean - half, mean + half)

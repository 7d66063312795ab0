"""The profile that a survey writes: measured figures in place of others, each with its interval.

What was not measured stays what the described board's profile says, with its own source. A board
that nobody described gets a skeleton: what was measured, and in comments what lacks.
"""

import math
from collections.abc import Mapping
from typing import Any

from edge_infer.boards.profile import FORMAT_VERSION
from edge_infer.lab.survey.estimate import Estimate
from edge_infer.lab.survey.figures import Figures
from edge_infer.lab.survey.power_section import FIXED_PERMILLE, power_section
from edge_infer.lab.survey.profile_entries import Document, Entries, assumed
from edge_infer.lab.survey.survey_state import SurveyState

NOMINAL_UV = 1_000_000
"""Voltage at the top clock where nobody knows it: only its ratio to others counts."""


def measured_profile(state: SurveyState, figures: Figures, base: Mapping[str, Any]) -> Document:
    """Return the document of a profile.

    Args:
        state: the survey.
        figures: of it.
        base: the described board's document; empty for a board that nobody described.
    """
    made = Entries(state, figures)
    document = _head(state, figures, base)
    cpu = _cpu(made, figures, base.get("cpu", {}))
    power = power_section(made, figures, base.get("power", {}), cpu)
    kernels = _kernels(made, figures, base.get("kernels", {}))
    overhead = _overhead(made, figures, base.get("overhead", {}))
    sections = {"accelerator": base.get("accelerator"), "cpu": cpu, "power": power,
                "kernels": kernels, "overhead": overhead,
                "meter": _meter(made, figures, base.get("meter", {})),
                "quirks": _quirks(state, figures, base.get("quirks", {}))}  # fmt: skip
    return document | {name: section for name, section in sections.items() if section}


def lacking(document: Mapping[str, Any]) -> list[str]:
    """Return what a profile still lacks for a model of costs, a sentence each."""
    said = {
        "power": "power: idle and busy power; a power meter measures it",
        "kernels": "kernels: the speed of operators",
        "overhead": "overhead: what this program takes itself",
        "cpu": "cpu: clocks and cores",
    }
    return [text for name, text in said.items() if name not in document]


def _head(state: SurveyState, figures: Figures, base: Mapping[str, Any]) -> Document:
    computer = figures.computer
    tested = {*base.get("tested", ()), "simulation" if state.simulated else "hardware"}
    head: Document = {
        "format_version": FORMAT_VERSION,
        "title": base.get("title") or str(computer.get("model") or "a board nobody described"),
        # The first alone: the others name the chip, and with it other boards.
        "compatible": base.get("compatible") or list(computer.get("compatible", ()))[:1],
        "tested": [word for word in ("hardware", "vm", "simulation") if word in tested],
    }
    return head | {key: base[key] for key in ("place", "advice") if key in base}


def _cpu(made: Entries, figures: Figures, base: Mapping[str, Any]) -> Document:
    computer, clocks = figures.computer, list(figures.clocks_khz)
    if not clocks:
        return dict(base)
    voltages, switch = _voltages(made, figures, base), figures.switches
    parallel = figures.rates.parallel if figures.rates else None
    cpu = dict(base) | {
        "core": str(computer.get("core") or base.get("core") or "unknown"),
        "cores": made.plain(int(computer.get("cores") or 1), "what the kernel lists"),
        "clocks_khz": made.plain(clocks, _clock_method(figures)),
        "core_uv": voltages,
    }
    if switch is not None:
        cpu["switch_ns"] = made.figure(switch.time_ns, "median over changes to and fro")
    elif len(clocks) < 2:
        cpu["switch_ns"] = made.plain(0, "there is one clock")
    cpu.setdefault("switch_ns", assumed(355_000, 100_000, 2_000_000, _ASSUMED_SWITCH))
    if parallel is not None:
        method = "least squares over generated models on one thread to all"
        cpu["parallel_permille"] = made.figure(parallel.times(1000), method, 0, 1000)
    elif int(computer.get("cores") or 1) < 2:
        cpu["parallel_permille"] = made.plain(0, "there is one core")
    cpu.setdefault("parallel_permille", assumed(950, 850, 990, "assumed: not measured"))
    return cpu


_ASSUMED_SWITCH = "assumed: 355 us of an older Raspberry Pi driver (bcm2835-cpufreq.c)"


def _clock_method(figures: Figures) -> str:
    if len(figures.clocks_khz) < 2:
        return "the one clock that the kernel tells"
    return "each set, read back, and timed by operators that stay in the cache"


def _voltages(made: Entries, figures: Figures, base: Mapping[str, Any]) -> Document:
    """Return the voltages: the described ones where they are of the same clocks, else effective."""
    clocks, known = list(figures.clocks_khz), _known_uv(base)
    if all(khz in known for khz in clocks):
        return dict(base["core_uv"]) | {"value": [known[khz] for khz in clocks]}
    if figures.busy is None or len(figures.busy.by_clock) < len(clocks):
        assumed = "assumed: the same at every clock, since nobody measured it"
        return {"value": [NOMINAL_UV] * len(clocks), "basis": "synthetic", "source": assumed}
    fixed, top = FIXED_PERMILLE / 1000, clocks[-1]
    squares = [
        max(0.01, (figures.busy.by_clock[khz].value - fixed) / (1 - fixed) * top / khz)
        for khz in clocks
    ]
    method = (
        "effective: what the busy power at each clock demands of V^2 f with the fixed_permille "
        "here; 1 V at the top clock by definition"
    )
    return made.plain([round(NOMINAL_UV * math.sqrt(square)) for square in squares], method)


def _known_uv(base: Mapping[str, Any]) -> dict[int, int]:
    clocks, voltages = (base.get(key, {}).get("value", []) for key in ("clocks_khz", "core_uv"))
    return dict(zip(clocks, voltages, strict=False))


def _kernels(made: Entries, figures: Figures, base: Mapping[str, Any]) -> Document:
    rates, several = figures.rates, figures.busy.several if figures.busy else None
    if rates is None:
        return dict(base)
    kernels: Document = {"counts": rates.counts.name}
    for dtype in sorted({kind for kind, _ in rates.cycles_per_kinstruction}, reverse=True):
        method = f"least squares over generated models; shapes are off by {100 * rates.left:.1f} %"
        speed = made.figure(rates.cycles_per_kinstruction[dtype, "CONV_2D"], method, 1)
        sync = rates.sync_cycles.get(dtype)
        old = base.get(dtype, {})
        ops = {op: made.figure(each, f"{method}; against CONV_2D", 1)
               for op, each in rates.ops_permille(dtype).items()}  # fmt: skip
        kernels[dtype] = {
            "cycles_per_kinstruction": speed,
            "sync_cycles": made.figure(sync, "least squares over one thread to all")
            if sync
            else old.get("sync_cycles", assumed(60_000, 0, 250_000, "assumed: not measured")),
            "shared_permille": _shared(made, dtype, several.shared if several else {}, old),
            "ops_permille": ops,
        }
    return kernels


def _shared(
    made: Entries, dtype: str, shared: Mapping[str, Estimate], old: Mapping[str, Any]
) -> Document:
    if dtype == "int8":
        return made.plain(1000, "power.more_core_uw is of int8 kernels")
    if dtype in shared:
        return made.figure(shared[dtype].times(1000), "against int8 kernels on as many threads", 1)
    default: Document = old.get("shared_permille") or assumed(
        858, 750, 1000, "assumed: 858 of 1000 on a Raspberry Pi 4"
    )
    return default


def _overhead(made: Entries, figures: Figures, base: Mapping[str, Any]) -> Document:
    overhead: Document = dict(base)
    if figures.rates is not None:
        overhead["invoke_cycles"] = made.figure(
            figures.rates.invoke_cycles, "what the smallest generated models leave"
        )
    for part, cycles in figures.overhead_cycles.items():
        overhead[f"{part}_cycles"] = made.figure(cycles, "this program against bare invocations")
    parts = ("invoke_cycles", "runtime_cycles", "stage_cycles", "decision_cycles")
    return overhead if all(part in overhead for part in parts) else {}


def _meter(made: Entries, figures: Figures, base: Mapping[str, Any]) -> Document:
    """Return the meter as it is wired here; what the profile says where none was used."""
    wired = figures.computer.get("meter")
    if not wired or wired["kind"] not in ("ina219", "ina226"):
        return dict(base)
    keys = ("i2c_bus", "address", "shunt_uohm", "shunt_tolerance_ppm", "shunt_range_mv",
            "bus_range_v", "adc_bits", "adc_samples")  # fmt: skip
    entries = {key: made.plain(wired[key], "as the meter file or --meter says") for key in keys}
    speed = base.get("i2c_hz") or assumed(
        100_000, 10_000, 1_000_000, "assumed: the kernel's default; nobody can ask it"
    )
    return {"chip": wired["kind"], "i2c_hz": speed} | entries


def _quirks(state: SurveyState, figures: Figures, base: Mapping[str, str]) -> dict[str, str]:
    quirks = dict(base)
    if figures.lies_khz:
        told = ", ".join(f"{a / 1000:g} as {b / 1000:g}" for a, b in figures.lies_khz.items())
        quirks["lying_clocks"] = f"Listed clocks in MHz that run as another: {told} ({state.date})."
    return quirks

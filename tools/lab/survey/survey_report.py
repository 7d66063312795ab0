"""What a survey tells: what was tested, with what outcome and why, and every figure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.lab.survey.estimate import Estimate
from edge_infer.lab.survey.figures import Figures
from edge_infer.lab.survey.outcomes import outcomes
from edge_infer.lab.survey.survey_state import SurveyState


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()


def sections(state: SurveyState, figures: Figures, raw: Sequence[str]) -> list[Section]:
    """Return the report's parts; those without a row are left out.

    Args:
        state: the survey.
        figures: of it.
        raw: names of the files of raw data.
    """
    parts = [
        Section("Computer", ("", ""), list(_computer(state, figures))),
        Section(
            "What was tested", ("step", "outcome", "what was found, or why not"),
            [(each.title, each.word, each.text) for each in outcomes(state, figures)],
        ),
        Section("Power and overhead", ("figure", "value", "interval"), list(_powers(figures))),
        Section("Clocks", ("MHz", "idle", "loaded", "one core adds", "all cores add"),
                list(_clocks(figures)), _clock_remarks(figures)),
        Section("Speed of operators", ("arithmetic and operator", "cycles per 1000 instructions",
                                       "interval"), list(_rates(figures))),
        Section("Memory", ("bytes", "MB/s"), list(_memory(state))),
        Section("Kinds of work on one core", ("kind", "adds", "interval"), list(_kinds(figures))),
        Section("Ten minutes of all cores",
                ("after", "degC", "MHz told", "capped", "time", "power"), list(_thermal(state)),
                _drift(state)),
        Section("Meter", ("ADC", "samples/s", "lost", "bus held"), list(_meter(state)),
                (figures.gain.words,) if state.units("meter-rate") else ()),
        Section("Raw data", ("file",), [(name,) for name in raw]),
    ]  # fmt: skip
    return [part for part in parts if part.rows]


def _computer(state: SurveyState, figures: Figures) -> Iterator[tuple[str, str]]:
    yield "board", state.board
    yield "begun", state.date
    yield "origin", "a simulated board" if state.simulated else "measured on the board itself"
    for key, value in figures.computer.items():
        if value not in (None, "", [], {}):
            yield key.replace("_", " "), _told(value)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _powers(figures: Figures) -> Iterator[tuple[str, str, str]]:
    busy, switches = figures.busy, figures.switches
    if switches is not None:
        yield _row("a change of clock", switches.time_ns, 1e3, "us")
        if switches.energy_nj is not None:
            yield _row("energy of a change, gross", switches.energy_nj, 1e3, "uJ")
    if busy is not None:
        yield _row("one busy core adds at the top clock", busy.core_uw, 1e3, "mW")
        if busy.several is not None:
            yield _row("a further core, of the first", busy.several.more, 0.01, "%")
            yield _row("a waiting core, of one at work", busy.several.waiting, 0.01, "%")
    if figures.rates is not None:
        yield _row("an invocation", figures.rates.invoke_cycles, 1, "cycles")
        if figures.rates.parallel is not None:
            yield _row("share that threads divide", figures.rates.parallel, 0.01, "%")
        if figures.rates.slower_clock is not None:
            yield _row("cycles at the lowest clock, of the top", figures.rates.slower_clock,
                       0.01, "%")  # fmt: skip
    for part, cycles in figures.overhead_cycles.items():
        yield _row(f"{part} overhead", cycles, 1, "cycles")


def _clocks(figures: Figures) -> Iterator[tuple[str, ...]]:
    busy = figures.busy
    for khz in figures.clocks_khz:
        idle = [figures.idle_uw.get((kind, khz)) for kind in ("bare", "loaded")]
        adds = []
        threads = max((n for n, _ in busy.by_threads), default=1) if busy else 1
        for n in (1, threads):
            ratio = busy.by_threads.get((n, khz)) if busy else None
            adds.append("-" if ratio is None or busy is None
                        else f"{ratio.value * busy.core_uw.value / 1e3:.0f} mW")  # fmt: skip
        if any(idle) or busy is not None:
            powers = ["-" if each is None else f"{each.value / 1e3:.0f} mW" for each in idle]
            yield (f"{khz / 1000:g}", *powers, *adds)


def _clock_remarks(figures: Figures) -> list[str]:
    return [
        f"{asked / 1000:g} MHz is listed and runs as {real / 1000:g} MHz"
        for asked, real in figures.lies_khz.items()
    ]


def _rates(figures: Figures) -> Iterator[tuple[str, str, str]]:
    if figures.rates is None:
        return
    for (dtype, op), each in figures.rates.cycles_per_kinstruction.items():
        yield _row(f"{dtype} {op}", each, 1, "")
    for dtype, each in figures.rates.sync_cycles.items():
        yield _row(f"{dtype}: several threads, an operator", each, 1, "cycles")


def _memory(state: SurveyState) -> Iterator[tuple[str, str]]:
    for size, unit in state.units("memory").items():
        yield f"{int(size):,}", f"{unit['mb_per_s']:.0f}"


def _kinds(figures: Figures) -> Iterator[tuple[str, str, str]]:
    for kind, each in (figures.busy.by_kind if figures.busy else {}).items():
        yield _row(kind, each, 1e3, "mW")


def _thermal(state: SurveyState) -> Iterator[tuple[str, ...]]:
    for unit in state.units("thermal").values():
        for row in unit["rows"]:
            at, power = row["millicelsius"], row["power_uw"]
            yield (
                f"{row['after_s']:.0f} s",
                "-" if at is None else f"{at / 1000:.1f}",
                f"{row['kernel_khz'] / 1000:g}",
                "yes" if row["throttled"] else "no",
                f"{row['time_ns'] / 1e6:.3f} ms",
                "-" if power is None else f"{power / 1e6:.3f} W",
            )


def _drift(state: SurveyState) -> list[str]:
    """Return how the power moved with the temperature while the clock was not capped."""
    rows = [row for unit in state.units("thermal").values() for row in unit["rows"]
            if not row["throttled"] and row["power_uw"] and row["millicelsius"]]  # fmt: skip
    if len(rows) < 2:
        return []
    first, last = rows[0], rows[-1]
    moved_mw = (last["power_uw"] - first["power_uw"]) / 1e3
    warmer_k = (last["millicelsius"] - first["millicelsius"]) / 1e3
    return [
        f"the power moved by {moved_mw:+.0f} mW while the processor got {warmer_k:+.1f} K warmer"
    ]


def _meter(state: SurveyState) -> Iterator[tuple[str, ...]]:
    for bits, unit in state.units("meter-rate").items():
        yield (f"{bits} bit", f"{unit['samples_per_s']:.0f}", str(unit["lost"]),
               f"{100 * unit['bus_busy_share']:.0f} %")  # fmt: skip


def _row(name: str, each: Estimate, scale: float, unit: str) -> tuple[str, str, str]:
    value, low, high = (end / scale for end in each)
    return name, f"{value:.4g} {unit}".strip(), f"{low:.4g} to {high:.4g}"

"""Power over time, with the inferences below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from edge_infer.lab.report.axes import Axis, bottom_axis, chart, label, left_axis
from edge_infer.lab.report.figures import power_scale, time_scale
from edge_infer.lab.report.markup import element
from edge_infer.lab.report.power_line import PowerLine, PowerSpan
from edge_infer.lab.report.run_row import GATED
from edge_infer.lab.report.run_tally import InferenceSpan, RunTally

WIDTH, LEFT, RIGHT = 960.0, 64.0, 12.0
_TOP, _POWER, _STRIP, _GAP = 26.0, 190.0, 44.0, 24.0
_MARGIN = 0.03
"""Of the run's time, before and after it."""
_LEAST_MARK = 1.2
SHADES = 6
"""Colours of exits; from the seventh on they come again."""


@dataclass(frozen=True)
class Drawn:
    """A chart, and what of it was merged, in words."""

    chart: ET.Element
    words: str


def power_limits(run: RunTally, power: PowerLine | None) -> tuple[int, int] | None:
    """Return the least and the greatest power that a chart has to show, None if there is none."""
    spans = _spans(run, power)
    if not spans:
        return None
    return min(span.least_uw for span in spans), max(span.greatest_uw for span in spans)


def time_chart(run: RunTally, power: PowerLine | None, limits: tuple[int, int] | None) -> Drawn:
    """Return power over the run's time; without a meter's samples that of the inferences alone.

    Args:
        run: its inferences.
        power: of a meter.
        limits: of the axis of power; None where none is known.
    """
    marks, spans = run.marks.parts, _spans(run, power)
    times = _time_axis(run)
    parts: list[ET.Element] = []
    top = _TOP
    if spans and limits:
        parts += _power_panel(spans, times, _power_axis(limits, top), steps=power is not None)
        top += _POWER + _GAP
    parts += _strip(marks, times, top)
    bottom = top + _STRIP
    shown = Axis(times.low - run.begin_ns, times.high - run.begin_ns, times.start, times.end)
    parts += bottom_axis(
        shown, bottom, bottom, time_scale(shown.high), "time since the first inference"
    )
    words = f"{_each(run.marks.each, 'inference')} a mark"
    if power:
        words = f"{_each(power.line.each, 'sample')} a step of the line, {words}"
    return Drawn(chart(WIDTH, bottom + 38, "power over time", *parts), words)


def inference_powers(marks: Sequence[InferenceSpan]) -> list[PowerSpan]:
    """Return the mean power while answering, where the energies of inferences are known."""
    found = []
    for mark in marks:
        if mark.gross_nj is not None and mark.busy_ns:
            energy_fj = mark.gross_nj * 1_000_000
            mean_uw = energy_fj // mark.busy_ns
            found.append(
                PowerSpan(mark.begin_ns, mark.end_ns, mark.busy_ns, energy_fj, mean_uw, mean_uw)
            )
    return found


def shade(exit_: int) -> str:
    """Return the class of an exit's colour."""
    return "rest" if exit_ == GATED else f"e{exit_ % SHADES}"


def _time_axis(run: RunTally) -> Axis:
    margin = _MARGIN * max(1, run.end_ns - run.begin_ns)
    low = run.begin_ns - margin
    return Axis(low, run.end_ns + margin, LEFT, WIDTH - RIGHT)


def _spans(run: RunTally, power: PowerLine | None) -> list[PowerSpan]:
    """Return what is known of the power in the run's time: steps that are half lost are not."""
    if power is None:
        return inference_powers(run.marks.parts)
    times = _time_axis(run)
    return [
        span
        for span in power.line.parts
        if span.end_ns > times.low
        and span.begin_ns < times.high
        and 2 * span.covered_ns >= span.end_ns - span.begin_ns
    ]


def _power_axis(limits: tuple[int, int], top: float) -> Axis:
    low, high = limits
    pad = 0.06 * (high - low) or max(1.0, 0.02 * abs(high))
    return Axis(low - pad, high + pad, top + _POWER, top)


def _power_panel(
    spans: Sequence[PowerSpan], times: Axis, powers: Axis, steps: bool
) -> list[ET.Element]:
    scale = power_scale(max(abs(powers.low), abs(powers.high)))
    name = "power" if steps else "mean power while answering"
    made = left_axis(powers, LEFT, WIDTH - RIGHT, scale, name)
    made.append(element("path", class_="band", d=_band(spans, times, powers)))
    draw = _line if steps else _dashes
    made.append(element("path", class_="power", d=draw(spans, times, powers)))
    return made


def _band(spans: Sequence[PowerSpan], times: Axis, powers: Axis) -> str:
    """Return rectangles from least to greatest."""
    parts = []
    for span in spans:
        if span.greatest_uw > span.least_uw:
            left, right = times.at(span.begin_ns), times.at(span.end_ns)
            low, high = powers.at(span.least_uw), powers.at(span.greatest_uw)
            parts.append(f"M{left:.1f} {low:.1f}H{right:.1f}V{high:.1f}H{left:.1f}Z")
    return "".join(parts)


def _line(spans: Sequence[PowerSpan], times: Axis, powers: Axis) -> str:
    """Return steps at the means; where as much as half a span is missing the line is broken."""
    parts, last_end_ns = [], None
    for span in spans:
        slack = (span.end_ns - span.begin_ns) // 2
        broken = last_end_ns is None or span.begin_ns - last_end_ns > slack
        y = powers.at(span.mean_uw)
        parts.append(f"{'M' if broken else 'L'}{times.at(span.begin_ns):.1f} {y:.1f}")
        parts.append(f"H{times.at(span.end_ns):.1f}")
        last_end_ns = span.end_ns
    return "".join(parts)


def _dashes(spans: Sequence[PowerSpan], times: Axis, powers: Axis) -> str:
    """Return a dash for each span: nothing is known of the time between."""
    parts = []
    for span in spans:
        left = times.at(span.begin_ns)
        right = max(times.at(span.end_ns), left + _LEAST_MARK)
        parts.append(f"M{left:.1f} {powers.at(span.mean_uw):.1f}H{right:.1f}")
    return "".join(parts)


def _strip(marks: Sequence[InferenceSpan], times: Axis, top: float) -> list[ET.Element]:
    """Return marks of inferences, each divided by the exits; missed deadlines stand above."""
    made = [label("exits", LEFT - 6, top + _STRIP / 2 + 4, "end")]
    paths: dict[int, list[str]] = {}
    missed = []
    for mark in marks:
        left = times.at(mark.begin_ns)
        wide = max(times.at(mark.end_ns) - left, _LEAST_MARK)
        y, total = top + _STRIP, sum(count for _, count in mark.exits)
        for exit_, count in mark.exits:
            tall = (_STRIP - 8) * count / total
            y -= tall
            paths.setdefault(exit_, []).append(_box(left, y, wide, tall))
        if mark.missed:
            missed.append(_box(left, top, max(wide, 2.0), 5.0))
    made += [
        element("path", class_=shade(exit_), d="".join(parts))
        for exit_, parts in sorted(paths.items())
    ]
    if missed:
        made.append(element("path", class_="missed", d="".join(missed)))
    return made


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}Z"


def _each(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count} {noun}s"

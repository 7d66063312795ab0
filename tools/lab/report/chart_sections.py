"""The sections of a page that draw: power, latency, energy, clocks, confusion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from edge_infer.lab.report.bar_chart import bar_chart
from edge_infer.lab.report.confusion import commonest_confusions, matrix_chart, matrix_of
from edge_infer.lab.report.distribution import Distribution
from edge_infer.lab.report.figures import (
    clock_figure,
    count_figure,
    energy_figure,
    energy_scale,
    power_figure,
    share_figure,
    time_figure,
    time_scale,
)
from edge_infer.lab.report.histograms import Range, common_range, histograms
from edge_infer.lab.report.markup import clipped, element
from edge_infer.lab.report.reported_run import ReportedRun
from edge_infer.lab.report.run_tally import ExitTally
from edge_infer.lab.report.tables import legend, missing, remark, scrolled, table
from edge_infer.lab.report.time_chart import power_limits, shade, time_chart

_MOST_CLOCKS = 10
NO_POWER = (
    "No meter's samples: give a log of power record that was taken during the run, or make the "
    "page with run --report."
)


@dataclass(frozen=True)
class Spread:
    """One quantity whose distribution a page shows."""

    name: str
    of: Callable[[ExitTally], Distribution]
    figure: Callable[[float | None], str]
    absent: str


LATENCY = Spread(
    "latency", lambda tally: tally.latency_ns, time_figure, "The log holds no times of arrival."
)
ENERGY = Spread(
    "net energy",
    lambda tally: tally.net_nj,
    energy_figure,
    "The log holds no energies: the board had neither a meter nor a cost table.",
)


def power_range(runs: Sequence[ReportedRun]) -> tuple[int, int] | None:
    """Return one range of power for all runs."""
    known = [found for run in runs if (found := power_limits(run.tally, run.power))]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def power_section(run: ReportedRun, limits: tuple[int, int] | None) -> list[ET.Element]:
    """Return power over time with marks of the inferences."""
    drawn = time_chart(run.tally, run.power, limits)
    exits = [(shade(at), run.exit_name(at)) for at in sorted(run.tally.exits)]
    keys = [*exits, ("missed", "deadline missed")] if run.tally.missed else exits
    made = [legend(keys), scrolled(drawn.chart)]
    if run.power is None:
        known = " Shown is each inference's gross energy over its time."
        has_energy = run.tally.all.net_nj.count
        return [
            *made,
            missing(NO_POWER + (known if has_energy else "")),
            remark(f"Drawn: {drawn.words}."),
        ]
    power = run.power
    left_out = f", {power.unusable} saturated or off scale" if power.unusable else ""
    throttled = f", {power.throttled} while throttled" if power.throttled else ""
    words = (
        f"Mean {power_figure(power.mean_uw)} ({power.origin}) of {count_figure(power.samples)} "
        f"samples, {power.lost} lost{left_out}{throttled}. Drawn: {drawn.words}; the band goes "
        "from the least to the greatest of a step."
    )
    return [*made, remark(words)]


def spread_range(runs: Sequence[ReportedRun], spread: Spread) -> Range | None:
    """Return one range for all runs, so that their charts can be compared."""
    return common_range([spread.of(tally) for run in runs for tally in run.tally.exits.values()])


def spread_section(run: ReportedRun, spread: Spread, shown: Range | None) -> list[ET.Element]:
    """Return how a quantity is spread, exit by exit."""
    exits = sorted(run.tally.exits.items())
    whole = spread.of(run.tally.all)
    if shown is None or not whole.count:
        return [missing(spread.absent)]
    scale = (time_scale if spread is LATENCY else energy_scale)(
        max(abs(shown.low), abs(shown.high))
    )
    rows = [(run.exit_name(at), shade(at), spread.of(tally)) for at, tally in exits]
    made = [scrolled(histograms(rows, shown, scale, spread.name)), _spread_table(run, spread)]
    beyond = shown.beyond(whole)
    if beyond:
        made.append(remark(f"{count_figure(beyond)} inferences lie beyond the axis."))
    if whole.rounded:
        made.append(remark("Percentiles of so many different values are off by at most 0.05 %."))
    return made


def _spread_table(run: ReportedRun, spread: Spread) -> ET.Element:
    named = [(run.exit_name(at), tally) for at, tally in sorted(run.tally.exits.items())]
    if len(named) > 1:
        named.append(("all", run.tally.all))
    heading = ("exit", "frames", "mean", "p50", "p95", "p99", "greatest")
    rows = []
    for name, tally in named:
        values = spread.of(tally)
        greatest = None if values.greatest is None else float(values.greatest)
        ranked: list[float | None] = [*values.at((50, 95, 99))] or [None] * 3
        found = [values.mean, *ranked, greatest]
        rows.append(
            [clipped(name, 24), count_figure(tally.count), *(spread.figure(each) for each in found)]
        )
    return table(heading, rows)


def clock_section(run: ReportedRun) -> list[ET.Element]:
    """Return how long each clock was in force."""
    document = run.document
    if document is not None:
        shares = {int(khz): share for khz, share in document["frequency_residency"].items()}
        rows = [(clock_figure(khz), share) for khz, share in sorted(shares.items())]
        words = f"Of the whole run, waits included; {run.tally.switches} switches."
    else:
        rows = _answering_clocks(run)
        words = (
            "Of the time of answering: the log does not say at which clock the board waited, nor "
            f"how long each stage took; {run.tally.switches} switches."
        )
    if not rows:
        return [missing("The log holds no clocks.")]
    return [bar_chart(rows, "clock residency"), remark(words)]


def _answering_clocks(run: ReportedRun) -> list[tuple[str, float]]:
    clocks = run.tally.clock_ns
    total = sum(clocks.values())
    if set(clocks) <= {()} or not total:
        return []
    common = clocks.most_common(_MOST_CLOCKS)
    rows = [(_clocks_name(khz), ns / total) for khz, ns in sorted(common)]
    rest = total - sum(ns for _, ns in common)
    return [*rows, ("others", rest / total)] if rest else rows


def _clocks_name(clocks_khz: tuple[int, ...]) -> str:
    return " and ".join(map(clock_figure, clocks_khz)) or "clock not known"


def confusion_section(run: ReportedRun) -> list[ET.Element]:
    """Return which labels were taken for which."""
    pairs = run.tally.pairs
    if not pairs:
        return [
            missing("The true labels are not known, so there is neither accuracy nor confusion.")
        ]
    matrix = matrix_of(pairs, run.labels)
    parts = [matrix_chart(matrix)]
    worst = commonest_confusions(pairs)
    if worst:
        rows = [[clipped(true, 32), clipped(answer, 32), count] for true, answer, count in worst]
        parts.append(table(("true", "answered", "frames"), rows, words=True))
    made = [element("div", *parts, class_="beside")]
    if matrix.merged:
        made.append(
            remark(
                f"The {len(matrix.labels) - 1} labels with the most wrong answers; {matrix.merged} "
                "others stand together."
            )
        )
    if run.tally.pairs_left_out:
        made.append(remark(f"{run.tally.pairs_left_out} inferences of rare pairs are left out."))
    whole = run.tally.all
    unlabelled = whole.count - whole.labelled
    beside = f"; {count_figure(unlabelled)} have no label" if unlabelled else ""
    words = f"{share_figure(whole.accuracy, 2)} of {count_figure(whole.labelled)} right{beside}."
    return [*made, remark(words)]

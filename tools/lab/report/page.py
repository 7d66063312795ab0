"""The page of one run, or of two side by side: one file, no script, nothing from elsewhere."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

from edge_infer.boards.errors import TraceError
from edge_infer.lab.report.chart_sections import (
    ENERGY,
    LATENCY,
    Spread,
    clock_section,
    confusion_section,
    power_range,
    power_section,
    spread_range,
    spread_section,
)
from edge_infer.lab.report.figures import ABSENT
from edge_infer.lab.report.markup import Node, clipped, element, html
from edge_infer.lab.report.reported_run import ReportedRun
from edge_infer.lab.report.run_figures import run_figures
from edge_infer.lab.report.tables import missing, table
from edge_infer.lab.report.text_sections import (
    doubtful_section,
    identity_rows,
    origin_section,
    threshold_section,
    wrong_section,
)

Section = Callable[[ReportedRun], list[ET.Element]]
MARK = "edge-infer report"
"""Name of the generator, by which a page of ours is known."""
LETTERS = "AB"
POWER, ORIGIN = "Power over time", "Origin of each figure"
"""Sections that take the whole width for each run."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_TILES = ("inferences", "accuracy", "latency_p50_us", "latency_p99_us", "net_mean_uj", "missed")


def page(runs: Sequence[ReportedRun], differences: Sequence[str] = ()) -> str:
    """Return the page as HTML.

    Args:
        runs: one, or two to be held side by side.
        differences: sentences on why the two may not be compared.
    """
    title = " and ".join(clipped(_title(run)) for run in runs)
    main = element(
        "main",
        element("header", element("h1", title), *(missing(text) for text in differences)),
        _summary(runs),
        *(_section(name, make, runs) for name, make in _sections(runs)),
        element("footer", f"Made by {MARK}. {_aggregation()}"),
    )
    return html(element("html", page_head(title), element("body", main), lang="en"))


def check_comparable(first: ReportedRun, second: ReportedRun) -> list[str]:
    """Return what sets two runs apart that are to be compared, a sentence each.

    Raises:
        TraceError: they have no class in common.
    """
    one, other = first.tally.labels, second.tally.labels
    if one and other and not one & other:
        raise TraceError(
            f"{first.name} tells {_some(one)} apart, {second.name} {_some(other)}: they have no "
            "label in common, so there is nothing to compare"
        )
    told = []
    bundles = [run.bundle.manifest for run in (first, second) if run.bundle is not None]
    if len(bundles) == 2:
        names = [f"{manifest.name} {manifest.version}" for manifest in bundles]
        if names[0] != names[1]:
            told.append(f"Two bundles: A is of {names[0]}, B of {names[1]}.")
    if first.tally.origin != second.tally.origin:
        told.append(
            f"Energies of different origin: A {first.tally.origin}, B {second.tally.origin}."
        )
    return told


def is_page(path: Path) -> bool:
    """Return whether a file is a page of ours, or empty."""
    with path.open("rb") as file:
        start = file.read(2048)
    return not start or MARK.encode() in start


def _sections(runs: Sequence[ReportedRun]) -> list[tuple[str, Section]]:
    limits = power_range(runs)
    return [
        (POWER, lambda run: power_section(run, limits)),
        ("Latency by exit", _spread(LATENCY, runs)),
        ("Net energy by exit", _spread(ENERGY, runs)),
        ("Clocks", clock_section),
        ("Confusion", confusion_section),
        ("Thresholds", threshold_section),
        ("Wrong frames", wrong_section),
        ("Least certain frames", doubtful_section),
        (ORIGIN, origin_section),
    ]


def _spread(spread: Spread, runs: Sequence[ReportedRun]) -> Section:
    shown = spread_range(runs, spread)
    return lambda run: spread_section(run, spread, shown)


def _section(name: str, make: Section, runs: Sequence[ReportedRun]) -> ET.Element:
    if len(runs) == 1:
        return element("section", element("h2", name), *make(runs[0]))
    wide = name in (POWER, ORIGIN)
    columns = [
        element("div", element("h3", f"{letter}: {clipped(_title(run))}"), *make(run))
        for letter, run in zip(LETTERS, runs, strict=True)
    ]
    holder = element("div", *columns, class_="stacked" if wide else "pair")
    return element("section", element("h2", name), holder)


def _summary(runs: Sequence[ReportedRun]) -> ET.Element:
    known = [dict(identity_rows(run)) for run in runs]
    names = list(dict.fromkeys(name for each in known for name in each))
    rows = [[name, *(clipped(each.get(name, ABSENT), 120) for each in known)] for name in names]
    if len(runs) == 1:
        return element("section", element("h2", "Run"), _tiles(runs[0]), _facts(("", ""), rows))
    figures = zip(*map(run_figures, runs), strict=True)
    compared = [[a.name, a.shown, b.shown, a.change_to(b)] for a, b in figures]
    heading = ("", *LETTERS, "B against A")
    return element(
        "section",
        element("h2", "A and B"),
        _facts(("", *LETTERS), rows),
        element("p"),
        table(heading, compared),
    )


def _tiles(run: ReportedRun) -> ET.Element:
    figures = [figure for figure in run_figures(run) if figure.key in _TILES]
    tiles = [
        element("div", element("dt", figure.name), element("dd", figure.shown))
        for figure in figures
    ]
    return element("dl", *tiles, class_="tiles")


def _facts(heading: Sequence[str], rows: Sequence[Sequence[Node]]) -> ET.Element:
    return table(heading, rows, words=True)


def _title(run: ReportedRun) -> str:
    if run.document is None or run.bundle is None:
        return run.name
    return f"{run.bundle.manifest.name} on {run.document['board']}"


def page_head(title: str) -> ET.Element:
    """Return the head of a page of ours: its style, and no leave to load anything."""
    style = (files("edge_infer.lab.report") / "style.css").read_text()
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=MARK),
        element("title", title),
        element("style", style),
    )


def _aggregation() -> str:
    return (
        "Neighbouring samples and inferences are drawn together where there are more than a page "
        "can show; tables and percentiles are of all of them."
    )


def _some(labels: set[str]) -> str:
    few = sorted(labels)[:3]
    return ", ".join(clipped(label, 20) for label in few) + (", ..." if len(labels) > 3 else "")

"""`edge-infer report`: a run's log, or two, as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit, note, warn
from edge_infer.files import write_whole

if TYPE_CHECKING:
    from edge_infer.lab.report.reported_run import ReportedRun

Given = TypeVar("Given")
MOST_RUNS = 2


@click.command("report", short_help="Make a page of a run's log, or of two side by side.")
@click.argument(
    "logs",
    nargs=-1,
    required=True,
    metavar="RUN [POWER] [RUN [POWER]]",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Page to write, .html.  [default: beside the first log, under its name]",
)
@option(
    "--bundle",
    "bundles",
    multiple=True,
    help="What ran; twice for two of them.  [default: the one whose samples the log names]",
)
@option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="What the run read, for thumbnails; twice for two.  [default: looked for by the names]",
)
@json_option
def report_command(
    logs: Sequence[Path],
    output: Path | None,
    bundles: Sequence[str],
    inputs: Sequence[Path],
    as_json: bool,
) -> None:
    """Make one page of HTML of a run: power, latency, energy, clocks, confusion, odd frames.

    RUN is a log of `run -o`, .jsonl or .csv; POWER, which may follow it, one of `power record` or
    `power stream` that was taken meanwhile on the same board. Two runs stand side by side. The
    page needs no network and no script; it is light or dark as the reader's system is, and can be
    printed.
    """
    from edge_infer.lab.report.page import check_comparable, page
    from edge_infer.lab.report.reported_run import read_run
    from edge_infer.lab.report.run_figures import run_document

    pairs = _pairs(logs)
    place = output_place(logs, output)
    for name, given in (("--bundle", bundles), ("--input", inputs)):
        if len(given) > len(pairs):
            raise click.UsageError(f"{name} is given {len(given)} times, runs {len(pairs)}")
    opened = _each(len(pairs), [open_named_bundle(name) for name in bundles])
    runs = []
    for pair, bundle, read in zip(pairs, opened, _each(len(pairs), inputs), strict=True):
        note(f"reading {pair[0]}")
        runs.append(read_run(*pair, bundle, read))
    differences = check_comparable(*runs) if len(runs) == MOST_RUNS else []
    content = page(runs, differences)
    write_whole(place, content)
    for sentence in (*differences, *_said(runs)):
        warn(sentence)
    document = {
        "page": str(place),
        "bytes": len(content.encode()),
        "runs": [run_document(run) for run in runs],
        "differences": list(differences),
    }
    emit(as_json, document, _text(place, runs))


def output_place(logs: Sequence[Path], output: Path | None) -> Path:
    """Return where the page goes. Raises click.UsageError where it would stand on something."""
    from edge_infer.lab.report.page import is_page

    place = output or logs[0].with_suffix(".html")
    if place.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(
            f"{place}: a page is HTML; name it {place.with_suffix('.html').name}"
        )
    if place.exists() and any(place.samefile(log) for log in logs):
        raise click.UsageError(f"{place} is the log itself: name another file with -o")
    if output is None and place.exists() and not is_page(place):
        raise click.UsageError(f"{place} is there and is no page of ours: name a file with -o")
    return place


def _pairs(logs: Sequence[Path]) -> list[tuple[Path, Path | None]]:
    """Return each run's log with the power that follows it. Raises click.UsageError, TraceError."""
    from edge_infer.lab.report.run_log import kind_of

    pairs: list[tuple[Path, Path | None]] = []
    for log in logs:
        if kind_of(log) == "run":
            pairs.append((log, None))
        elif pairs and pairs[-1][1] is None:
            pairs[-1] = pairs[-1][0], log
        else:
            raise click.UsageError(f"{log} is a log of power: name it after the run that it is of")
    if len(pairs) > MOST_RUNS:
        raise click.UsageError(f"{len(pairs)} runs: a page holds one, or two side by side")
    return pairs


def _each(count: int, given: Sequence[Given]) -> list[Given | None]:
    """Return what was given for each of several runs: once is for all."""
    return [*given] if len(given) == count else [given[0] if given else None] * count


def _said(runs: "Sequence[ReportedRun]") -> list[str]:
    """Return what the page says too and a person at the terminal has to know."""
    found = [note for run in runs for note in run.notes]
    found += [run.pictures.missing for run in runs if run.pictures.missing]
    return list(dict.fromkeys(found))


def _text(place: Path, runs: "Sequence[ReportedRun]") -> str:
    told = (f"{run.tally.all.count} inferences of {run.name}" for run in runs)
    return f"{place}: {', '.join(told)}"

"""`edge-infer reproduce all-in-one`: one weight set for many ratios (ICCAD 2022), and all ideas."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from edge_infer.commands.options import (
    backend_option,
    json_option,
    option,
    resolver_option,
    sensitivity_option,
)
from edge_infer.commands.render import emit, note, table
from edge_infer.commands.reproduce import claims_report
from edge_infer.commands.reproduce_live import (
    LiveOptions,
    live_frames_option,
    live_options,
    reproduce_live,
)
from edge_infer.lab.reproduce.all_in_one import reproduce_all_in_one
from edge_infer.lab.reproduce.all_in_one_ideas import UNION, WAYS
from edge_infer.lab.reproduce.all_in_one_live import live_all_in_one
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend

CLEAR_PERCENT = 1.0
"""Smaller differences count as none."""


@click.command("all-in-one", short_help="One weight set, a ratio for each clock (2022).")
@option(
    "--bundle",
    default="cifar10-prunable",
    show_default=True,
    help="A prunable bundle of one stage.",
)
@option(
    "--union",
    default="cifar10-all-in-one",
    show_default=True,
    help="A prunable bundle with early exits.",
)
@option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with the data set: its test side is read, and what the recipes held back. "
    "Without it accuracies are those the bundle states, and the ideas are not compared.",
)
@option("--board", "boards", multiple=True, help="May be repeated.  [default: every simulated]")
@option("--memory/--no-memory", default=True, help="Measure memory on this computer.")
@live_options
@live_frames_option
@sensitivity_option
@backend_option
@resolver_option
@json_option
def all_in_one_command(
    bundle: str,
    union: str,
    data: Path | None,
    boards: tuple[str, ...],
    memory: bool,
    live: LiveOptions,
    frames: int,
    sensitivity: bool,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Print latency and accuracy over the clocks, sizes, and all ideas against each alone."""
    if live.asked("frames"):
        reproduce_live(live_all_in_one, live.profile, as_json)
        return
    document = reproduce_all_in_one(
        open_bundle(bundle),
        open_bundle(union) if data else None,
        data,
        boards,
        memory=memory,
        sensitivity=sensitivity,
        backend=open_backend(backend, resolver),
        progress=note,
    )
    emit(as_json, document, _report(document))


def _report(document: dict[str, Any]) -> str:
    """Return the document as text."""
    blocks = [
        _ratio_table(document),
        claims_report(document["claims"]),
        *(_level_table(level) for level in document["levels"]),
        _sizes(document),
    ]
    if document["ideas"]:
        blocks.append(_ideas(document["ideas"]))
    return "\n\n".join(blocks)


def _ratio_table(document: dict[str, Any]) -> str:
    rows = [
        [
            row["ratio"],
            f"{row['macs'] / 1e6:.2f}",
            f"{row['accuracy_percent']:.2f} %",
            f"{row['separate_file_bytes']:,}",
        ]
        for row in document["ratios"]
    ]
    heading = ["ratio", "MMAC", "accuracy", "bytes as a file of its own"]
    return f"{document['bundle']}\n\n{table(rows, heading)}"


def _level_table(level: dict[str, Any]) -> str:
    rows = [
        [
            f"{row['khz'] / 1000:g}",
            row["ratio"],
            f"{row['latency_us']:.1f}",
            f"{row['full_width_us']:.1f}",
        ]
        for row in level["clocks"]
    ]
    heading = ["MHz", "ratio", "us", "full width us"]
    head = (
        f"{level['board']} ({level['origin']}): each clock has the widest ratio within "
        f"{level['target_us']:.1f} us; one net for all clocks would be {level['fixed_ratio']}"
    )
    return f"{head}\n\n{table(rows, heading)}"


def _sizes(document: dict[str, Any]) -> str:
    sizes, memory = document["bytes"], document["memory_bytes"]
    text = (
        f"bytes     {sizes['file']:,} for all ratios, {sizes['auxiliary']:,} of them auxiliaries; "
        f"{sum(sizes['separate'].values()):,} as {len(sizes['separate'])} files "
        f"({sizes['file_percent_of_separate']:.0f} %)"
    )
    if not memory:
        return text
    kib = {name: value / 1024 for name, value in memory.items()}
    return (
        f"{text}\nmemory    measured here, growth of a process: {kib['one_file_full']:,.0f} KiB at "
        f"full width, {kib['one_file_narrowest']:,.0f} at the narrowest ratio, "
        f"{kib['separate']:,.0f} with an interpreter for each ratio"
    )


def _ideas(rows: Sequence[dict[str, Any]]) -> str:
    cells = dict.fromkeys(_key(row) for row in rows)
    lines, as_chosen, at_equal_loss = [], [], []
    for key in cells:
        found = {row["way"]: row for row in rows if _key(row) == key}
        board, deadline_us, loss = key
        as_chosen.append(against_alone(found, "net_uj"))
        at_equal_loss.append(against_alone(found, "net_uj_at_equal_loss"))
        lines.append(
            [board, f"{deadline_us:.0f}", f"{loss:g}", *(_cell(found[way]) for way in WAYS),
             found[UNION]["choice"] or "-", _change(as_chosen[-1]), _change(at_equal_loss[-1])]
        )  # fmt: skip
    heading = ["board", "deadline us", "loss <=", *WAYS, "it chose", "against the best alone",
               "at equal loss"]  # fmt: skip
    return (
        "net uJ an inference (points lost on the test images), each way with its best clock, "
        f"chosen on held-back images\n\n{table(lines, heading)}\n\n"
        f"{UNION} against the best idea alone, {len(cells)} points\n"
        f"  as chosen      {_count(as_chosen)}\n"
        f"  at equal loss  {_count(at_equal_loss)}\n"
        f"at equal loss: the ideas alone choose on the test images, within what {UNION} lost there"
    )


def _key(row: dict[str, Any]) -> tuple[str, float, float]:
    return row["board"], row["deadline_us"], row["allowed_loss_points"]


def _cell(row: dict[str, Any]) -> str:
    if row["net_uj"] is None:
        return "-"
    return f"{row['net_uj']:.0f} ({row['loss_points']:.1f})"


def against_alone(found: Mapping[str, Mapping[str, Any]], key: str) -> float | None:
    """Return by how many percent all ideas together cost more than the best of them alone.

    Args:
        found: rows of one board, deadline and loss, by way.
        key: which energy of the rows.

    Returns:
        Negative where they cost less; minus infinity where no idea alone keeps deadline and loss,
        None where all together do not.
    """
    ours = found[UNION][key]
    alone = [found[way][key] for way in WAYS if way != UNION and found[way][key] is not None]
    if ours is None:
        return None
    return 100 * (ours / min(alone) - 1) if alone else -math.inf


def _change(percent: float | None) -> str:
    if percent is None:
        return "-"
    return "only one" if math.isinf(percent) else f"{percent:+.1f} %"


def _count(changes: Sequence[float | None]) -> str:
    """Return how often all together cost less, more or the same, in words."""
    known = [percent for percent in changes if percent is not None]
    less = sum(percent < -CLEAR_PERCENT for percent in known)
    more = sum(percent > CLEAR_PERCENT for percent in known)
    return (
        f"{less} cost less, {more} cost more, {len(known) - less - more} within "
        f"{CLEAR_PERCENT:g} %; {len(changes) - len(known)} cannot be kept by any"
    )

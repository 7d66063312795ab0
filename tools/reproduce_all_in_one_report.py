"""`reproduce all-in-one` as text."""

from collections.abc import Sequence
from typing import Any

from .render import table
from .reproduce_all_in_one_ideas import WAYS
from .reproduce_eenet import claims_report

UNION = WAYS[-1]


def all_in_one_report(document: dict[str, Any]) -> str:
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
    lines = []
    for key in cells:
        found = {row["way"]: row for row in rows if _key(row) == key}
        board, deadline_us, loss = key
        lines.append(
            [board, f"{deadline_us:.0f}", f"{loss:g}", *(_cell(found[way]) for way in WAYS),
             best_alone(found)]
        )  # fmt: skip
    heading = ["board", "deadline us", "loss <=", *WAYS, f"{UNION} against the best alone"]
    return (
        "net uJ an inference (points lost on the test images), each way with its best clock, "
        "chosen on held-back images\n\n" + table(lines, heading)
    )


def _key(row: dict[str, Any]) -> tuple[str, float, float]:
    return row["board"], row["deadline_us"], row["allowed_loss_points"]


def _cell(row: dict[str, Any]) -> str:
    if row["net_uj"] is None:
        return "-"
    return f"{row['net_uj']:.0f} ({row['loss_points']:.1f})"


def best_alone(found: dict[str, dict[str, Any]]) -> str:
    """Return what all ideas together save against the best of them alone, as text."""
    ours = found[UNION]["net_uj"]
    alone = [found[way]["net_uj"] for way in WAYS[:-1] if found[way]["net_uj"] is not None]
    if ours is None:
        return "-"
    if not alone:
        return "only one"
    return f"{100 * (ours / min(alone) - 1):+.1f} %"

"""The documents of `adapt` as text for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_infer.commands.quantities import share_text
from edge_infer.commands.render import table


def points_report(document: dict[str, Any]) -> str:
    """Return where a net can have exits."""
    rows = [
        (str(point["number"]), *_point_cells(point), f"{point['handed_bytes']:,}")
        for point in document["points"]
    ]
    heading = ("", "tensor", "after", "shape", "MACs", "of all", "bytes handed on")
    last = document["last"]
    lines = [
        f"{document['backbone']}: {document['macs']:,} MACs, {last['dtype']}",
        table(rows, heading) if rows else "no point before the last",
        f"the last exit reads {last['name']} {last['shape']}",
    ]
    if document["blocked"]:
        lines.append("no exit at:\n" + "\n".join(f"  {line}" for line in document["blocked"]))
    return "\n\n".join(lines)


def _point_cells(point: dict[str, Any]) -> tuple[str, ...]:
    return (
        point["name"],
        point["op"],
        "x".join(map(str, point["shape"][1:])),
        f"{point['macs'] / 1e6:.2f} M",
        f"{point['macs_percent']:.1f} %",
    )


def adapt_report(document: dict[str, Any], alone: Sequence[Path]) -> str:
    """Return what each exit knows and saves, and what a plain net would."""
    groups = "" if document["groups"] is None else f" in {document['groups']} groups"
    heading = (
        f"{document['backbone']} ({document['arithmetic']}), {len(document['classes'])} classes: "
        f"fitted on {document['fitted_on']} pictures, calibrated on {document['calibrated_on']} "
        f"others{groups}"
    )
    rows = [
        (
            row["name"],
            row["reads"][-_NAME_SHOWN:],
            row["head"],
            f"{row['macs'] / 1e6:.2f} M",
            share_text(row["accuracy"], 2),
            share_text(row["agrees_with_last"]),
            share_text(row["share"]),
            f"{row['alone']['loss_points']:+.2f}",
            "yes" if row["alone"]["keeps_promise"] else "no",
            place.name,
        )
        for row, place in zip(document["exits"], alone, strict=True)
    ]
    columns = (
        "exit", "reads", "head", "MACs", "accuracy", "as the last", "leave here",
        "alone loses", "within the promise", "as a plain net",
    )  # fmt: skip
    return "\n\n".join([heading, table(rows, columns), *_verdicts(document)])


_NAME_SHOWN = 28


def _verdicts(document: dict[str, Any]) -> list[str]:
    macs = document["macs"]
    lines = []
    if macs["saving_percent"] > 0:
        lines.append(
            f"MACs          {macs['adaptive'] / 1e6:.2f} M expected of {macs['plain'] / 1e6:.2f} M "
            f"of the last exit alone: {macs['saving_percent']:.1f} % saved"
        )
    if document["simpler"] is not None:
        lines.append(
            f"simpler       {document['simpler']} alone keeps the promise and does fewer MACs: "
            "take that plain net"
        )
    rare = _weak_classes(document["exits"][-1]["by_class"])
    if rare:
        lines.append(f"weak classes  {rare}")
    return ["\n".join(lines)] if lines else []


def _weak_classes(by_class: dict[str, float | None]) -> str:
    """Return the classes that the last exit answers worst, where they are far below the others."""
    known = {name: share for name, share in by_class.items() if share is not None}
    middle = sorted(known.values())[len(known) // 2]
    weak = sorted((share, name) for name, share in known.items() if share < middle / 2)
    return ", ".join(f"{name} {share_text(share)} right" for share, name in weak[:5])

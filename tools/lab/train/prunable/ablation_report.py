"""What an ablation found, as one document and as a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_infer.commands.render import table

WITHIN_POINTS = 1.0
"""How far below a net trained alone a ratio may lie."""


def ablation_document(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows with means over the seeds, and what is behind what."""
    means: dict[str, dict[str, float]] = {}
    for way in dict.fromkeys(row["way"] for row in rows):
        found = [row for row in rows if row["way"] == way]
        means[way] = {
            ratio: round(float(np.mean([r["test"] for r in found if r["ratio"] == ratio])), 2)
            for ratio in dict.fromkeys(row["ratio"] for row in found)
        }
    learned = means["learned"]
    behind = {ratio: round(alone - learned[ratio], 2) for ratio, alone in means["alone"].items()}
    ahead = {
        order: round(float(np.mean([learned[r] - other for r, other in means[order].items()])), 2)
        for order in means
        if order not in ("learned", "alone")
    }
    return {
        "seeds": sorted({row["seed"] for row in rows}),
        "rows": list(rows),
        "mean_test_percent": means,
        "points_ahead_of_order": ahead,
        "points_behind_alone": behind,
        "within_points": WITHIN_POINTS,
        "met": max(behind.values()) <= WITHIN_POINTS,
    }


def ablation_report(document: dict[str, Any]) -> str:
    """Return the document as a table, one row a way and seed."""
    names = list(document["mean_test_percent"]["learned"])
    rows = []
    for way, means in document["mean_test_percent"].items():
        for seed in document["seeds"]:
            found = {
                row["ratio"]: row["test"]
                for row in document["rows"]
                if row["way"] == way and row["seed"] == seed
            }
            rows.append([way, str(seed), *(_percent(found.get(name)) for name in names)])
        rows.append([way, "mean", *(_percent(means.get(name)) for name in names)])
    ahead = ", ".join(f"{p:+.2f} of {n}" for n, p in document["points_ahead_of_order"].items())
    behind = ", ".join(f"{name}: {p:+.2f}" for name, p in document["points_behind_alone"].items())
    verdict = "met" if document["met"] else "not met"
    return (
        f"{table(rows, ['channels', 'seed', *names])}\n\n"
        "test accuracy in per cent by ratio, in float arithmetic\n"
        f"the learned order lies ahead by, in points on the mean over the ratios: {ahead}\n"
        f"nets trained alone lie ahead by {behind} points; at most "
        f"{document['within_points']:g} wanted: {verdict}"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

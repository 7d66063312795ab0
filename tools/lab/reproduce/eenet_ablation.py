"""What each part of the governor earns: the same frames with the parts added one by one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge_infer.commands.quantities import energy_text
from edge_infer.commands.render import table
from edge_infer.lab.comparison.comparison import CLASSIC_POLICY, Comparison
from edge_infer.lab.comparison.comparison_document import FIXED, best_row, compare_document
from edge_infer.lab.comparison.comparison_frames import ComparisonFrames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.replay.costs import Disturbance
from edge_infer.models_tflite import Bundle

STEPS = (
    (CLASSIC_POLICY, "classic net, top clock", False),
    ("performance", "+ early exit", False),
    ("best fixed", "+ one clock, chosen in hindsight", False),
    ("planned-blind", "+ a clock for each stage", False),
    ("planned", "+ exit prediction", False),
    ("planned", "+ threads", True),
    ("planned-perfect", "with a perfect predictor", True),
    ("oracle", "oracle", True),
)
"""Policy, words, and whether thread counts are free."""
THREADS = (1, 2, 4)
SLOWER = 1.25
"""Times those of the cost table: the board on which calibration is judged."""
CALIBRATION = (
    ("planned-uncalibrated", "board 25 % slower, uncalibrated"),
    ("planned", "+ calibration"),
)


def ablation_rows(
    bundle: Bundle, frames: ComparisonFrames, conditions: Conditions
) -> list[dict[str, Any]]:
    """Return one row a step for one board."""
    documents = {}
    for free in (False, True):
        own = replace(conditions, threads=THREADS if free else (1,))
        comparison = Comparison(bundle, frames, own)
        needed = [policy for policy, _, own_free in STEPS if own_free == free]
        names = [p for p in comparison.policies() if p in needed or p.startswith(FIXED)]
        documents[free] = compare_document(comparison, comparison.run(names))
    rows, before = [], None
    for policy, words, free in STEPS:
        row = _row(documents[free], policy)
        if row is None:
            continue
        net_uj = row["net_uj_per_inference"]
        rows.append({
            "board": conditions.board, "step": words, "policy": row["policy"],
            "net_uj_per_inference": net_uj, "miss_percent": row["miss_percent"],
            "earned_percent": None if before is None else 100 * (1 - net_uj / before),
        })  # fmt: skip
        before = net_uj
    return rows + _calibration_rows(bundle, frames, conditions)


def _calibration_rows(
    bundle: Bundle, frames: ComparisonFrames, conditions: Conditions
) -> list[dict[str, Any]]:
    """Return what calibration does on a board that is slower than its table: it buys misses off."""
    own = replace(conditions, threads=(1,), disturbances=(Disturbance(0, SLOWER),))
    comparison = Comparison(bundle, frames, own)
    results = comparison.run([policy for policy, _ in CALIBRATION])
    document = compare_document(comparison, results)
    return [
        {
            "board": conditions.board, "step": words, "policy": policy,
            "net_uj_per_inference": row["net_uj_per_inference"],
            "miss_percent": row["miss_percent"], "earned_percent": None,
        }
        for (policy, words), row in zip(CALIBRATION, document["policies"], strict=True)
    ]  # fmt: skip


def _row(document: dict[str, Any], policy: str) -> dict[str, Any] | None:
    rows = document["policies"]
    if policy == "best fixed":
        fixed = [row for row in rows if row["policy"].startswith(FIXED)]
        return best_row(fixed, "baseline")
    return next((row for row in rows if row["policy"] == policy), None)


def ablation_report(rows: Sequence[dict[str, Any]]) -> str:
    """Return the ablation as a table."""
    cells = [
        [
            row["board"].removeprefix("sim:"),
            row["step"],
            energy_text(row["net_uj_per_inference"]),
            "-" if row["earned_percent"] is None else f"{row['earned_percent']:.1f} %",
            f"{row['miss_percent']:.2f} %",
        ]
        for row in rows
    ]
    return table(cells, ["board", "step", "net", "earned by it", "missed"])

"""What `tune` found, as one document."""

from typing import Any

import numpy as np

from edge_infer.lab.costs.board_costs import NetCost
from edge_infer.lab.tuning import ThresholdChoice
from edge_infer.lab.tuning.predictor_check import check_predictor
from edge_infer.lab.tuning.tuning import Tuning


def tune_document(tuning: Tuning) -> dict[str, Any]:
    """Return the figures of a tuning; energies are net, in uJ, an inference."""
    manifest, costs, choice = tuning.bundle.manifest, tuning.costs, tuning.choice
    return {
        "bundle": {"name": manifest.name, "version": manifest.version},
        "board": costs.board,
        "clock_khz": costs.point.clock_khz,
        "threads": costs.point.threads,
        "origin": costs.origin,
        "notes": list(costs.notes),
        "backend": str(tuning.backend),
        "calibration": {
            "source": tuning.data.source,
            "inputs": len(tuning.data),
            "tested_on": len(tuning.split.tested),
            "skipped": list(tuning.data.skipped),
            "seed": tuning.seed,
        },
        "allowed_loss_points": 100 * tuning.allowance.loss,
        "confidence": tuning.allowance.confidence,
        "criterion": tuning.criterion,
        "pays": tuning.pays,
        "thresholds": list(tuning.values) if choice else None,
        "exits": _exits(tuning),
        "plain": _cost(costs.plain, costs.plain) | {"accuracy": _accuracy(tuning, -1)},
        "adaptive": _adaptive(tuning, choice) if choice else None,
        "predictor": check_predictor(tuning) if choice else None,
        "curve": [
            {"allowed_loss_points": 100 * point.allowed_loss, **_adaptive(tuning, point.choice)}
            for point in tuning.curve
        ],
    }


def _exits(tuning: Tuning) -> list[dict[str, Any]]:
    choice = tuning.choice
    return [
        {
            "name": stage.name,
            "accuracy": _accuracy(tuning, index),
            "share": choice.shares[index] if choice else None,
            "saturated": _saturated(tuning.scores[index]),
            **_cost(tuning.costs.exits[index], tuning.costs.plain),
        }
        for index, stage in enumerate(tuning.bundle.manifest.stages)
    ]


def _accuracy(tuning: Tuning, exit_: int) -> float:
    return float(tuning.outcomes.right[exit_].mean())


def _saturated(rows: Any) -> int:
    """Count inputs whose top score is the largest its integer type holds: no margin can grow."""
    if not np.issubdtype(rows.dtype, np.integer):
        return 0
    return int((rows.max(axis=1) == np.iinfo(rows.dtype).max).sum())


def _cost(cost: NetCost, plain: NetCost) -> dict[str, float]:
    return {
        "net_uj": cost.energy_nj / 1000,
        "execution_uj": cost.execution_nj / 1000,
        "time_us": cost.time_ns / 1000,
        "saving_percent": 100 * (1 - cost.energy_nj / plain.energy_nj),
        "execution_saving_percent": 100 * (1 - cost.execution_nj / plain.execution_nj),
    }


def _adaptive(tuning: Tuning, choice: ThresholdChoice) -> dict[str, Any]:
    expected = tuning.costs.expected(choice.shares)
    names = [stage.name for stage in tuning.bundle.manifest.stages]
    return {
        "accuracy": float(tuning.split.tested.right[-1].mean()) - choice.loss,
        "loss_points": 100 * choice.loss,
        "harmed": choice.harmed,
        "helped": choice.helped,
        "shares": dict(zip(names, choice.shares, strict=True)),
        **_cost(expected, tuning.costs.plain),
    }

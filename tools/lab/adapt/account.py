"""What each exit knows and saves, and which plain net does as well: the document of `adapt`."""

from dataclasses import replace
from typing import Any

import numpy as np

from edge_infer.lab.adapt.adapted import Adapted
from edge_infer.lab.adapt.exit_points import description
from edge_infer.lab.costs.board_costs import plain_work
from edge_infer.lab.tuning import LossTest
from edge_infer.lab.tuning.calibration_record import calibrated
from edge_infer.lab.tuning.temperature import fitted_temperatures
from edge_infer.lab.tuning.tuning import Tuning
from edge_infer.models_tflite.build import NO_EXITS, BundleDraft
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft


def adapt_document(adapted: Adapted, tuning: Tuning) -> dict[str, Any]:
    """Return the figures of an adapted net; accuracies are shares, of calibration pictures.

    Keys: backbone, classes, fitted_on, calibrated_on, groups, exits (one row each), macs (expected,
    of the adaptive net, and of the plain one), simpler (an exit alone that keeps the promise for
    less), input.
    """
    rows = [_exit(adapted, tuning, index) for index in range(len(adapted.exits))]
    plain = rows[-1]["alone"]["macs"]
    shares = tuning.choice.shares if tuning.choice else (0.0,) * (len(rows) - 1) + (1.0,)
    expected = float(np.dot(shares, [row["macs"] for row in rows]))
    points = adapted.backbone.points
    return {
        "backbone": adapted.backbone.net.name,
        "arithmetic": points.last.tensor.dtype,
        "classes": list(adapted.draft.labels),
        "fitted_on": len(adapted.parts.fitting),
        "calibrated_on": len(tuning.data),
        "groups": None if adapted.groups is None else len(np.unique(adapted.groups)),
        "exits": rows,
        "macs": {
            "adaptive": expected,
            "plain": plain,
            "saving_percent": 100 * (1 - expected / plain) if tuning.pays else 0.0,
        },
        "simpler": _simpler(tuning, rows),
        "input": adapted.pictures.document(),
    }


def _exit(adapted: Adapted, tuning: Tuning, index: int) -> dict[str, Any]:
    fitted, stages = adapted.exits[index], tuning.bundle.manifest.stages
    alone = plain_net(tuning.bundle, leaving=index)
    work = plain_work(tuning.bundle, FULL_RATIO, "alone", index)
    harm = tuning.split.tested.harm[index]
    harmed, helped = int((harm > 0).sum()), int((harm < 0).sum())
    bound = tuning.loss_bound
    kept = LossTest(len(harm), bound.loss, bound.confidence).accepts(harmed, helped)
    right = tuning.outcomes.right
    return {
        **description(fitted.point, adapted.backbone.points.macs),
        "name": stages[index].name,
        "reads": fitted.point.name,
        "macs": sum(stage.macs for stage in stages[: index + 1]),
        "head": "own" if fitted.head is None else "+".join(fitted.head.pools),
        "accuracy": float(right[index].mean()),
        "by_class": _by_class(tuning, index),
        "accuracy_cross_validated": None if fitted.head is None else fitted.head.accuracy,
        "agrees_with_last": _agreement(tuning, index),
        "share": tuning.choice.shares[index] if tuning.choice else None,
        "alone": {
            "macs": work.macs,
            "bytes": len(alone.model),
            "loss_points": 100 * (harmed - helped) / len(harm),
            "keeps_promise": bool(kept) or index == len(stages) - 1,
        },
    }


def _by_class(tuning: Tuning, index: int) -> dict[str, float | None]:
    right, labels = tuning.outcomes.right[index], tuning.data.labels
    return {
        name: float(right[labels == k].mean()) if (labels == k).any() else None
        for k, name in enumerate(tuning.bundle.manifest.labels)
    }


def _agreement(tuning: Tuning, index: int) -> float:
    answers = [rows.argmax(axis=1) for rows in (tuning.scores[index], tuning.scores[-1])]
    return float((answers[0] == answers[1]).mean())


def _simpler(tuning: Tuning, rows: list[dict[str, Any]]) -> str | None:
    """Return the exit that alone keeps the promise and does fewer MACs than the adaptive net."""
    shares = tuning.choice.shares if tuning.pays and tuning.choice else None
    most = float(np.dot(shares, [r["macs"] for r in rows])) if shares else rows[-1]["alone"]["macs"]
    for row in rows[:-1]:
        if row["alone"]["keeps_promise"] and row["alone"]["macs"] < most:
            return str(row["name"])
    return None


def exit_alone(tuning: Tuning, index: int, name: str) -> BundleDraft:
    """Return the draft of one exit as a plain net."""
    draft, stage = redraft(tuning.bundle), tuning.bundle.manifest.stages[index]
    scores, labels = tuning.scores[index : index + 1], tuning.data.labels
    temperatures = fitted_temperatures(scores, labels, (stage,), np.zeros(len(labels), np.int64))
    record = calibrated(scores, labels, [stage.scores.scale], NO_EXITS, tuning.data.source)
    return replace(
        draft,
        name=name,
        kinds=("single",),
        stages=[plain_net(tuning.bundle, leaving=index)],
        thresholds={FULL_RATIO: replace(NO_EXITS, temperatures=temperatures)},
        predictor=None,
        calibration={FULL_RATIO: record},
    )

"""What a design comes to: a document, and the bundle that ships it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.boards.simulated.truth import DISTURBED, IDEAL
from edge_infer.lab.comparison.comparison import Comparison
from edge_infer.lab.comparison.comparison_frames import ComparisonFrames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.design.members import CRITERION
from edge_infer.lab.design.prices import Row
from edge_infer.lab.design.screen import Estimate
from edge_infer.lab.design.search import Design, Finalist
from edge_infer.lab.replay.scored_frames import scored_bundle
from edge_infer.lab.tuning.calibration_record import calibrated
from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes
from edge_infer.lab.tuning.predictor_fitting import fit_predictor
from edge_infer.lab.tuning.temperature import fitted_temperatures
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.build import NO_EXITS, BundleDraft, write_bundle
from edge_infer.models_tflite.describe import describe_stage
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import (
    FULL_RATIO,
    BackendInfo,
    ChosenOn,
    Kind,
    Thresholds,
    threshold_value,
)
from edge_infer.models_tflite.stage_spec import Stage
from edge_infer.runtime.policies.policy import fixed_policies
from edge_infer.runtime.predictor import carried_predictor

RULE = (
    "least net energy of all rows of members that were looked at; Learn then Test (arXiv "
    "2110.01052), exact trinomial test of the loss against the reference, shared by the finalists"
)
FRAMES = 5_000
"""Of the replay that tells what the designed bundle misses."""


def design_document(design: Design, board: str, deadline_ns: float, rate_hz: float) -> Any:
    """Return the document of `design --json` (schemas/design.schema.json)."""
    best, static = design.best, design.best_static
    return {
        "reference": design.reference.name,
        "reference_accuracy": float(design.reference.right[-1, design.tested].mean()),
        "allowed_loss_points": 100 * design.bound.loss,
        "confidence": design.bound.confidence,
        "board": board,
        "deadline_us": deadline_ns / 1e3,
        "rate_hz": rate_hz,
        "inputs": {
            "data": design.candidates.data.source,
            "looked_at": len(design.candidates.data) - len(design.tested),
            "tested_on": len(design.tested),
        },
        "members": [
            {"net": m.name, "macs": m.macs, "accuracy": m.accuracy}
            for m in design.candidates.members
        ],
        "rows": design.rows,
        "best": _finalist(best),
        "best_static": static and _finalist(static),
        "saving_vs_best_static_percent": static and 100 * (1 - best.net_nj / static.net_nj),
        "rival": _rival(design),
        "adaptive_wins": not best.static,
        "finalists": [_finalist(finalist) for finalist in design.finalists],
        "frontier": [_estimate(estimate) for estimate in design.frontier],
        "static": _static(design),
    }


def _finalist(finalist: Finalist) -> dict[str, Any]:
    return {
        "kind": kind_of(finalist.row),
        "members": _exits(finalist.row),
        "thresholds": [None if np.isinf(t) else t for t in finalist.thresholds],
        "shares": list(finalist.shares),
        "accuracy": finalist.accuracy,
        "loss_points": 100 * finalist.loss,
        "net_uj": finalist.net_nj / 1e3,
        "longest_us": finalist.price.longest_ns / 1e3,
        "clock_khz": finalist.price.point.clock_khz,
        "threads": finalist.price.point.threads,
        "misses": None,
    }


def _rival(design: Design) -> dict[str, Any] | None:
    if design.rival is None:
        return None
    member, price = design.rival
    net_nj = float(price.stage_nj.sum())
    return {
        "net": member.name,
        "accuracy": float(member.right[-1, design.tested].mean()),
        "net_uj": net_nj / 1e3,
        "saving_percent": 100 * (1 - design.best.net_nj / net_nj),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "kind": kind_of(estimate.row),
        "members": _exits(estimate.row),
        "shares": list(estimate.shares),
        "loss_points": 100 * estimate.loss,
        "net_uj": estimate.net_nj / 1e3,
    }


def _static(design: Design) -> list[dict[str, Any]]:
    rows = []
    for member in design.candidates.members:
        price = design.prices.price((member,)) if len(member.exits) == 1 else None
        if price is not None:
            rows.append({
                "net": member.name,
                "accuracy": float(member.right[-1, design.tested].mean()),
                "net_uj": float(price.stage_nj.sum()) / 1e3,
                "clock_khz": price.point.clock_khz,
                "threads": price.point.threads,
            })  # fmt: skip
    return rows


def kind_of(row: Row) -> str:
    """Return what a row is called."""
    if len(row) == 1:
        return "static" if len(row[0].exits) == 1 else "early-exit"
    if all(len(member.exits) == 1 for member in row):
        return "cascade"
    return "mixture"


def _exits(row: Row) -> list[str]:
    return [name for member in row for name in member.exits]


def designed_draft(design: Design, name: str, backend: BackendInfo) -> BundleDraft:
    """Return the draft of the bundle of the best row, its thresholds, predictor and calibration."""
    best, data = design.best, design.candidates.data
    drafts = [draft for member in best.row for draft in member.drafts]
    stages = [describe_stage(draft, Graph(draft.model)) for draft in drafts]
    scores = [rows for member in best.row for rows in member.scores]
    outcomes = _outcomes(design, best.row)
    exits = outcomes.exits(best.thresholds)
    thresholds = _thresholds(design, stages, scores, exits)
    predictor = None
    if len(stages) > 1:
        scale = stages[0].scores.scale or 1.0
        fitted = fit_predictor(scores[0], exits, len(stages), scale, data.source)
        predictor = {FULL_RATIO: fitted.to_document()}
    scales = [stage.scores.scale for stage in stages]
    return BundleDraft(
        name=name,
        kinds=_kinds(best.row),
        labels=design.candidates.labels,
        stages=drafts,
        description=f"{kind_of(best.row)} of {', '.join(_exits(best.row))}",
        thresholds={FULL_RATIO: thresholds},
        predictor=predictor,
        tuned_on=backend if len(stages) > 1 else None,
        provenance={"design": {
            "reference": design.reference.name, "members": _exits(best.row),
            "data": data.source, "tested_on": len(design.tested),
            "allowed_loss_points": 100 * design.bound.loss,
        }},
        calibration={
            FULL_RATIO: calibrated(scores, data.labels, scales, thresholds, data.source)
        },
    )  # fmt: skip


def _outcomes(design: Design, row: Row) -> ExitOutcomes:
    confidence = np.concatenate([member.confidence for member in row])[:-1]
    right = np.concatenate([member.right for member in row])
    return ExitOutcomes(confidence, right, design.reference.right[-1])


def _kinds(row: Row) -> tuple[Kind, ...]:
    if kind_of(row) == "static":
        return ("single",)
    chain = any(len(member.exits) > 1 for member in row)
    kinds: tuple[Kind, ...] = ("early-exit",) if chain else ()
    return (*kinds, "little-big") if len(row) > 1 else kinds


def _thresholds(
    design: Design, stages: Sequence[Stage], scores: Sequence[Any], exits: Any
) -> Thresholds:
    temperatures = fitted_temperatures(scores, design.candidates.data.labels, stages, exits)
    if len(stages) == 1:
        return replace(NO_EXITS, temperatures=temperatures)
    values = tuple(
        threshold_value(CRITERION, confidence, stage.scores.dtype)
        for confidence, stage in zip(design.best.thresholds, stages, strict=False)
    )
    chosen_on = ChosenOn(
        data=f"{design.candidates.data.source}, {len(design.candidates.data)} inputs",
        rule=RULE,
        allowed_loss_points=100 * design.bound.loss,
        confidence=design.bound.confidence,
        samples=len(design.tested),
    )
    return Thresholds(CRITERION, values, chosen_on, temperatures)


def write_design(
    design: Design, out: Path, backend: BackendInfo, document: dict[str, Any], replace_: bool
) -> Bundle:
    """Write the best row as a bundle, and tell in the document what it misses on its board.

    Raises:
        BundleError: it cannot be written.
    """
    bundle = write_bundle(out, designed_draft(design, out.name, backend), replace=replace_)
    document["best"]["misses"] = _misses(design, bundle, document)
    return bundle


def _misses(design: Design, bundle: Bundle, document: dict[str, Any]) -> float:
    """Return the share of frames that miss the deadline at the design's point, times scattered."""
    row, data = design.best.row, design.candidates.data
    scores = [rows for member in row for rows in member.scores]
    judged = scored_bundle(bundle, scores, data.labels)
    predictor = carried_predictor(bundle.manifest)
    frames = ComparisonFrames(
        judged, predictor, None, judged.exit_shares, "the same inputs", data.source, data.read
    )
    point = design.best.price.point
    conditions = Conditions(
        document["board"], rate_hz=document["rate_hz"], load=None,
        deadline_ns=round(1e3 * document["deadline_us"]), frames=FRAMES,
        threads=(point.threads,),
        truth=replace(IDEAL, jitter=DISTURBED.jitter, tail=DISTURBED.tail),
    )  # fmt: skip
    comparison = Comparison(bundle, frames, conditions)
    return comparison.replay(fixed_policies([point])[0]).miss_rate

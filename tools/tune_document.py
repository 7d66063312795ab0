"""What `tune` found, as one document, and as text for people."""

from typing import Any

import numpy as np

from runtime.tuning import ThresholdChoice

from .exit_costs import NetCost
from .predictor_check import check_predictor
from .quantities import energy_text, share_text, time_text
from .render import table
from .tuning import Tuning


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


def tune_report(document: dict[str, Any]) -> str:
    """Return the document as text."""
    blocks = [_heading(document), _exit_table(document), _verdict(document)]
    if document["curve"]:
        blocks.append(_curve_table(document))
    if document["predictor"]:
        blocks.append(_predictor(document["predictor"]))
    return "\n\n".join(blocks)


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


def _heading(document: dict[str, Any]) -> str:
    bundle, calibration = document["bundle"], document["calibration"]
    return (
        f"{bundle['name']} {bundle['version']} on {document['board']} at "
        f"{document['clock_khz'] / 1000:g} MHz ({document['origin']}), {document['backend']}\n"
        f"{calibration['inputs']} inputs of {calibration['source']}, tested on "
        f"{calibration['tested_on']}; {document['criterion']}"
    )


def _exit_table(document: dict[str, Any]) -> str:
    limits: list[Any] = [*(document["thresholds"] or ()), None]
    limits += [None] * (len(document["exits"]) - len(limits))
    rows = [
        (
            row["name"],
            share_text(row["accuracy"], 2),
            "-" if limit is None else f"{limit:g}",
            share_text(row["share"]),
            energy_text(row["net_uj"]),
            time_text(row["time_us"]),
            str(row["saturated"]),
        )
        for row, limit in zip(document["exits"], limits, strict=True)
    ]
    heading = ("exit", "accuracy", "threshold", "leave here", "net energy", "time", "saturated")
    return table(rows, heading)


def _verdict(document: dict[str, Any]) -> str:
    plain, adaptive = document["plain"], document["adaptive"]
    promise = (
        f"at most {document['allowed_loss_points']:g} points below the last exit "
        f"at {document['confidence']:.0%} confidence"
    )
    first = (
        f"plain net     {energy_text(plain['net_uj'])} net an inference, "
        f"{time_text(plain['time_us'])}, accuracy {share_text(plain['accuracy'], 2)}"
    )
    if adaptive is None:
        return (
            f"{first}\ndoes not pay  no thresholds can be shown to stay {promise}: the plain net "
            "is kept"
        )
    lines = [
        first,
        f"adaptive      {energy_text(adaptive['net_uj'])} net an inference, "
        f"{time_text(adaptive['time_us'])}, accuracy {share_text(adaptive['accuracy'], 2)} "
        f"({adaptive['harmed']} inputs harmed, {adaptive['helped']} helped)",
        f"promise       {promise}",
    ]
    if document["pays"]:
        saved = (
            f"{adaptive['saving_percent']:.1f} % end to end, "
            f"{adaptive['execution_saving_percent']:.1f} % in the execution of the nets"
        )
        lines.append(f"saves         {saved} (expected, {document['origin']})")
    else:
        lines.append(
            f"does not pay  the adaptive net costs {-adaptive['saving_percent']:.1f} % more than "
            "the plain one on this board: the plain net is kept"
        )
    lines += [
        f"simpler       every input leaves at {name}: a bundle of that net alone does the same in "
        "less memory"
        for name, share in list(adaptive["shares"].items())[:-1]
        if document["pays"] and share == 1
    ]
    return "\n".join(lines)


def _curve_table(document: dict[str, Any]) -> str:
    rows = [
        (
            f"{row['allowed_loss_points']:g}",
            f"{row['loss_points']:.2f}",
            f"{row['saving_percent']:.1f} %",
            f"{row['execution_saving_percent']:.1f} %",
            " / ".join(f"{100 * share:.1f}" for share in row["shares"].values()),
        )
        for row in document["curve"]
    ]
    heading = ("points allowed", "lost here", "saved", "of execution", "% leaving by exit")
    return table(rows, heading)


def _predictor(figures: dict[str, Any]) -> str:
    return (
        f"exit predictor, on {figures['inputs']} inputs it was not fitted on: log loss "
        f"{figures['log_loss']:.3f} (base rate {figures['log_loss_base_rate']:.3f}, zero padding "
        f"{figures['log_loss_zero_pad']:.3f}), top1 {share_text(figures['top1'])}, "
        f"Brier {figures['brier']:.3f}"
    )

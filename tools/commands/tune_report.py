"""The document of `tune` as text for people, and as a plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_infer.commands.quantities import energy_text, share_text, time_text
from edge_infer.commands.render import picture, table, warn
from edge_infer.lab.tuning.calibration_data import CalibrationData


def tell_inputs(data: CalibrationData) -> None:
    """Warn of calibration inputs that were left out, or that are odd."""
    for line in data.skipped:
        warn(f"skipped: {line}")
    for line in data.warnings:
        warn(line)


def tune_report(document: dict[str, Any]) -> str:
    """Return the document as text."""
    blocks = [_heading(document), _exit_table(document), _verdict(document)]
    if document["curve"]:
        blocks.append(_curve_table(document))
    if document["predictor"]:
        blocks.append(_predictor(document["predictor"]))
    return "\n\n".join(blocks)


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


def promise_report(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows of a check of the promise as a table."""
    heading = ("inputs", "allowed", "broken", "bound", "nothing promised", "energy used")
    return table(
        [
            (
                str(row["inputs"]),
                f"{row['allowed_points']:g}",
                f"{row['broken_percent']:.1f} %",
                f"{row['bound_percent']:.1f} %",
                f"{row['none_percent']:.1f} %",
                f"{row['energy_percent']:.1f} %",
            )
            for row in rows
        ],
        heading,
    )


def save_plot(document: dict[str, Any], path: Path) -> None:
    """Draw the trade-off curve and write the picture.

    Raises:
        RunError: matplotlib is missing, or the file cannot be written.
    """
    with picture(path, 7, 4.5) as axes:
        used = [100 - row["saving_percent"] for row in document["curve"]]
        allowed = [row["allowed_loss_points"] for row in document["curve"]]
        axes.plot(allowed, used, "o-", label="promised")
        axes.plot(
            [row["loss_points"] for row in document["curve"]],
            used,
            "x",
            label="on the inputs tested",
        )
        axes.set_xscale("symlog", linthresh=0.1)  # allowances span decades, losses may be gains
        axes.axhline(100, color="0.5", linewidth=0.8)
        axes.set_xlabel(f"points of accuracy lost, at {document['confidence']:.0%} confidence")
        axes.set_ylabel(f"net energy, % of the plain net ({document['origin']})")
        axes.set_title(f"{document['bundle']['name']} on {document['board']}", fontsize=10)
        axes.legend()

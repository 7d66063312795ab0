"""A comparison as a person reads it."""

from pathlib import Path
from typing import Any

from edge_infer.commands.quantities import energy_text, share_text, time_text
from edge_infer.commands.render import picture, table
from edge_infer.lab.comparison.comparison_document import SETTLING
from edge_infer.models_tflite.manifest import FULL_RATIO


def compare_report(document: dict[str, Any]) -> str:
    """Return the document as a person reads it."""
    workload = document["workload"]
    heading = (
        f"{document['bundle']} on {document['board']}: {workload['name']}, load "
        f"{workload['load']:.2f} of the classic net, deadline "
        f"{time_text(document['deadline_us'])}, {workload['frames']} frames"
    )
    truth = "an ideal board" if document["ideal"] else "a board that is not quite its cost table"
    origin = (
        f"{truth}; energies are {document['origin']}; predictors fitted on {document['fitted_on']}"
    )
    rows = [_cells(row) for row in document["policies"]]
    names = (
        "policy", "net", "gross", "saving", "missed", "p99", "switches", "accuracy", "/ oracle",
    )  # fmt: skip
    bound = share_text(document["miss_bound"], 1)
    last = f"* misses more than {bound}; saving is net, against the classic net at the top clock"
    best, earn = document["best_baseline"] or "none", document["best_fixed_over_oracle"]
    foot = f"{last}\nbest baseline within the bound: {best}"
    if earn is not None:
        foot += (
            f"\nbest fixed point {document['best_fixed']}: {earn:.3f} of the oracle, so no "
            f"governor can earn more than {100 * (1 - 1 / earn):.1f} % here"
        )
    if document["best_pruned"] is not None:
        foot += f"\npruning alone, best in hindsight: {_pruned(document['best_pruned'])}"
    for row in document["policies"]:
        if set(row["ratios"]) - {FULL_RATIO}:
            foot += f"\n{row['policy']}: {_ratios(row)}"
    return "\n\n".join(
        [
            heading + "\n" + origin,
            table(rows, names),
            *_disturbance(document),
            *_static(document["static"]),
            *_sensitivity(document.get("sensitivity")),
            foot,
        ]
    )


def _static(static: dict[str, Any] | None) -> list[str]:
    """Return the table of static nets, and the best of them, if there are any."""
    if static is None:
        return []
    rows = [
        [
            net["net"], energy_text(net["net_uj"]), energy_text(net["gross_uj"]),
            f"{net['clock_khz'] / 1000:g} MHz x {net['threads']}", f"{net['miss_percent']:.2f} %",
            share_text(net["accuracy"], 2), "no" if net["not_less_accurate"] else "yes",
        ]
        for net in static["nets"]
    ]  # fmt: skip
    names = ["static net", "net", "gross", "at", "missed", "accuracy", "less accurate"]
    return [
        table(rows, names),
        f"of {static['images']} images the adaptive net answers "
        f"{share_text(static['accuracy'], 2)} right; less accurate: shown by a one-sided test on "
        f"the same images, at 5 %\n{_best('best static', static['best'])}\n"
        f"{_best('best of equal estimate', static['best_equal_estimate'])}",
    ]


def _best(what: str, best: dict[str, Any] | None) -> str:
    if best is None:
        return f"{what}: none"
    parts = " + ".join(
        name if share == 1 else f"{share:.0%} {name}"
        for name, share in zip(best["members"], best["shares"], strict=True)
    )
    saved = best["planned_saves_percent"]
    against = "" if saved is None else f"; planned saves {saved:.1f} % against it"
    return f"{what}: {parts}, {energy_text(best['net_uj'])} at {best['clock_khz'] / 1000:g} MHz" + (
        against
    )


def _sensitivity(rows: list[dict[str, Any]] | None) -> list[str]:
    """Return the interval of each policy's saving, if it was asked for."""
    if rows is None:
        return []
    lines = [
        [
            row["policy"], f"{row['value']:.1f} %",
            "{:.1f} to {:.1f} %".format(*row["interval"]), row["hangs_on"] or "nothing",
        ]
        for row in rows
    ]  # fmt: skip
    return [table(lines, ["policy", "saving", "interval", "hangs on"])]


def _pruned(net: dict[str, Any]) -> str:
    threads = f"{net['threads']} thread{'s' * (net['threads'] != 1)}"
    return f"ratio {net['ratio']} at {net['clock_khz'] / 1000:g} MHz on {threads}, no early exits"


def _ratios(row: dict[str, Any]) -> str:
    total = sum(row["ratios"].values())
    shares = (f"{name} for {share_text(n / total, 1)}" for name, n in row["ratios"].items())
    return f"ratio {', '.join(shares)} of the frames, {row['ratio_switches']} changes"


def _disturbance(document: dict[str, Any]) -> list[str]:
    """Return the table of misses after a disturbance, if there was one."""
    frame = document["disturbed_at"]
    if frame is None:
        return []
    rows, frames = [], 0
    for row in document["policies"]:
        after = row["after_disturbance"]
        frames = after["settled_frames"]
        share = after["settled_miss_percent"]
        rows.append(
            [
                row["policy"],
                str(after["settling_misses"]),
                "-" if share is None else f"{share:.2f} %",
            ]
        )
    heading = ["policy", f"missed in {SETTLING}", f"missed in {frames} then"]
    return [f"after frame {frame}, where the board changes:\n\n" + table(rows, heading)]


def _cells(row: dict[str, Any]) -> list[str]:
    over, saving = row["over_oracle"], row["net_saving_percent"]
    return [
        row["policy"] + ("" if row["meets_bound"] else " *"),
        energy_text(row["net_uj_per_inference"]),
        energy_text(row["gross_uj_per_inference"]),
        "-" if saving is None else f"{saving:.1f} %",
        f"{row['miss_percent']:.2f} %",
        time_text(row["latency_us"]["p99"]),
        str(row["switches"]),
        share_text(row["accuracy"], 2),
        "-" if over is None else f"{over:.3f}",
    ]


COLOURS = {"classic": "0.3", "baseline": "tab:blue", "governor": "tab:green", "limit": "tab:orange"}


def save_plot(document: dict[str, Any], path: Path) -> None:
    """Draw every policy as a point and write the picture.

    Raises:
        RunError: matplotlib is missing, or the file cannot be written.
    """
    with picture(path, 8, 5) as axes:
        for row in document["policies"]:
            at = row["net_uj_per_inference"] / 1000, max(row["miss_percent"], 0.01)
            axes.scatter(*at, color=COLOURS[row["kind"]], s=25)
            axes.annotate(row["policy"], at, fontsize=7, xytext=(3, 3), textcoords="offset points")
        axes.axhline(100 * document["miss_bound"], color="tab:red", linewidth=0.8)
        axes.set_yscale("log")
        axes.set_xlabel(f"net energy per inference, mJ ({document['origin']})")
        axes.set_ylabel("missed deadlines, % (0.01 and below at the foot)")
        axes.set_title(f"{document['bundle']} on {document['board']}", fontsize=10)

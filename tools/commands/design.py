"""`edge-infer design`: what to ship for a board, of all that some candidates can be made into."""

from pathlib import Path
from typing import Any

import click

from edge_infer.commands.bundle_build import BUNDLE_NAME
from edge_infer.commands.options import (
    Threads,
    backend_option,
    confidence_option,
    json_option,
    option,
    refuse_existing,
    resolver_option,
)
from edge_infer.commands.quantities import RATE, SEED, Duration, Number, energy_text, time_text
from edge_infer.commands.render import check_picture, emit, note, picture, table
from edge_infer.commands.work_options import WorkOptions, work_options
from edge_infer.lab.design.designed import design_document, write_design
from edge_infer.lab.design.members import read_candidates
from edge_infer.lab.design.prices import Prices
from edge_infer.lab.design.search import search
from edge_infer.lab.tuning import LossBound
from edge_infer.models_tflite.backend import open_backend

LOAD = 0.6
"""Of the reference at the top clock, where no rate is given."""


@click.command("design", short_help="The cheapest cascade, exits or plain net of some candidates.")
@click.argument("candidates", nargs=-1, required=True, metavar="CANDIDATE...")
@option(
    "--calibration",
    required=True,
    help="Labelled inputs that no weight was trained on: .npy, .npz, IDX, a folder of images; "
    "held-back:DATA for what the candidates' recipes held back of a data set.",
)
@option(
    "--calibration-labels",
    type=click.Path(path_type=Path),
    help="Labels of .npy or IDX inputs.  [default: found beside IDX]",
)
@option("--board", default="sim:raspberry-pi-5", show_default=True, help="A simulated board.")
@option(
    "--deadline", type=Duration(), help="The longest path ends by then.  [default: the mean gap]"
)
@option(
    "--rate",
    type=RATE,
    help=f"Frames per second.  [default: {LOAD:g} of what the reference can do at the top clock]",
)
@option(
    "--loss",
    type=Number(0, 50, min_open=True, max_open=True),
    default=1.0,
    show_default=True,
    help="Percentage points of accuracy that may be lost against the reference.",
)
@confidence_option
@option(
    "--reference",
    help="Member that a loss is counted against.  [default: the most accurate plain net]",
)
@option("--threads", type=Threads(), default="1", show_default=True, help="Thread counts.")
@option("--seed", type=SEED, default=0, show_default=True, help="Of the split of the inputs.")
@option("--out", "-o", type=click.Path(path_type=Path), help="Write the best as a bundle.")
@option("--replace", "--force", is_flag=True, help="Replace a bundle that stands at --out.")
@option("--plot", type=click.Path(path_type=Path), help="Draw the frontier: .png, .svg or .pdf.")
@work_options
@backend_option
@resolver_option
@json_option
def design_command(
    candidates: tuple[str, ...],
    calibration: str,
    calibration_labels: Path | None,
    board: str,
    deadline: int | None,
    rate: float | None,
    loss: float,
    confidence: float,
    reference: str | None,
    threads: tuple[int, ...],
    seed: int,
    out: Path | None,
    replace: bool,
    plot: Path | None,
    work: WorkOptions,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Search what CANDIDATEs, bundles and .tflite classifiers, can be made into for a board.

    Each exit at each ratio is a plain net. Plain nets alone, cascades of two and three of them,
    nets with exits, and mixtures are looked at; the cheapest of those that are shown to lose at
    most --loss wins, and may be a plain net.
    """
    check_picture(plot)
    if out is not None:
        refuse_existing(out, replace)
        if not BUNDLE_NAME.fullmatch(out.name):
            raise click.UsageError(
                f"--out {out}: a bundle is named with letters, digits, dots, - and _, 100 at most"
            )
    kernels = open_backend(backend, resolver)
    with work.open() as running:
        found = read_candidates(candidates, kernels, calibration, calibration_labels, note, running)
    plain = [member for member in found.members if len(member.exits) == 1]
    against = found.named(reference) if reference else max(plain, key=lambda m: m.accuracy)
    if len(against.exits) > 1:
        raise click.UsageError(f"--reference {reference}: name a plain net, not one with exits")
    top_ns = Prices((against,), board, (min(threads),), float("inf")).least_ns((against,))
    gap_ns = 1e9 / rate if rate else top_ns / LOAD
    prices = Prices(found.members, board, threads, deadline or gap_ns)
    bound = LossBound(loss / 100, confidence)
    design = search(found, against, prices, bound, seed, note)
    document = design_document(design, board, prices.deadline_ns, 1e9 / gap_ns)
    if out is not None:
        write_design(design, out, kernels.info, document, replace)
    if plot is not None:
        _save_plot(document, plot)
    emit(as_json, document, _report(document, out))


def _report(document: dict[str, Any], out: Path | None) -> str:
    best, static, inputs = document["best"], document["best_static"], document["inputs"]
    heading = (
        f"{len(document['members'])} nets in {document['rows']} rows on {document['board']}: "
        f"deadline {time_text(document['deadline_us'])}, {document['rate_hz']:.1f} frames/s; at "
        f"most {document['allowed_loss_points']:g} points below {document['reference']} "
        f"({100 * document['reference_accuracy']:.2f} %), sure to {document['confidence']:.0%} by "
        f"{inputs['tested_on']} inputs ({inputs['looked_at']} others to search on)"
    )
    won = _row_text(best)
    if not document["adaptive_wins"]:
        won = f"nothing adaptive is cheaper than a plain net here: {won}"
    elif static is not None:
        won += (
            f"\nsaves {document['saving_vs_best_static_percent']:.1f} % against the cheapest plain "
            f"net that keeps the same promise, {static['members'][0]}"
        )
    rival = document["rival"]
    if rival is not None and document["adaptive_wins"]:
        won += (
            f"\nsaves {rival['saving_percent']:.1f} % against the cheapest plain net that is not "
            f"shown to be less accurate, {rival['net']} ({energy_text(rival['net_uj'])}, "
            f"{100 * rival['accuracy']:.2f} %)"
        )
    written = [] if out is None else [f"written to {out}"]
    return "\n\n".join([
        heading,
        table([_cells(row) for row in document["finalists"]],
              ["tested, and stands", "kind", "leave", "lost", "net", "longest", "at"]),
        "the frontier, estimated on all inputs (no promise):",
        table([_frontier_cells(row) for row in document["frontier"]],
              ["rows", "kind", "leave", "lost", "net"]),
        "plain nets:",
        table([[r["net"], f"{100 * r['accuracy']:.2f} %", energy_text(r["net_uj"]),
                _point(r)] for r in document["static"]], ["net", "accuracy", "net energy", "at"]),
        won,
        *written,
    ])  # fmt: skip


def _row_text(row: dict[str, Any]) -> str:
    missed = "" if row["misses"] is None else f", {100 * row['misses']:.2f} % missed"
    return (
        f"best: {' -> '.join(row['members'])} ({row['kind']}), {energy_text(row['net_uj'])} at "
        f"{_point(row)}, {100 * row['accuracy']:.2f} % right{missed}"
    )


def _cells(row: dict[str, Any]) -> list[str]:
    return [*_frontier_cells(row), time_text(row["longest_us"]), _point(row)]


def _frontier_cells(row: dict[str, Any]) -> list[str]:
    return [
        " -> ".join(row["members"]),
        row["kind"],
        " / ".join(f"{100 * share:.0f}" for share in row["shares"]) + " %",
        f"{row['loss_points']:+.2f}",
        energy_text(row["net_uj"]),
    ]


def _point(row: dict[str, Any]) -> str:
    return f"{row['clock_khz'] / 1000:g} MHz x {row['threads']}"


def _save_plot(document: dict[str, Any], path: Path) -> None:
    accuracy = document["reference_accuracy"]
    with picture(path, 8, 5) as axes:
        axes.scatter(
            [row["net_uj"] for row in document["static"]],
            [100 * row["accuracy"] for row in document["static"]],
            label="plain nets", color="0.4",
        )  # fmt: skip
        axes.plot(
            [row["net_uj"] for row in document["frontier"]],
            [100 * accuracy - row["loss_points"] for row in document["frontier"]],
            "o-", label="adaptive, estimated", color="tab:green",
        )  # fmt: skip
        axes.set_xlabel("net energy per inference, uJ (modelled)")
        axes.set_ylabel("accuracy, %")
        axes.legend()
        axes.set_title(f"design for {document['board']}", fontsize=10)

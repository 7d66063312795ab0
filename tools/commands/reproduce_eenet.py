"""`edge-infer reproduce eenet`: the two figures of EENet (DAC 2023) beside ours, on every board.

The paper's body was not at hand: 63.8 % saved against the classic net and 21.5 % against early
exit are from its abstract, 72.9 % is its sibling's (Predictive Exit, AAAI 2023). Its board, load
and deadlines are not known; ours are printed.
"""

from pathlib import Path
from typing import Any

import click

from edge_infer.boards import board_names
from edge_infer.commands.options import (
    Threads,
    backend_option,
    json_option,
    load_option,
    option,
    replayed_option,
    resolver_option,
    time_scale_option,
)
from edge_infer.commands.render import emit, warn
from edge_infer.commands.reproduce import claims_report
from edge_infer.lab.comparison.comparison import CLASSIC_POLICY, Comparison
from edge_infer.lab.comparison.comparison_document import energy_origin
from edge_infer.lab.comparison.comparison_frames import ComparisonFrames, read_frames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.reproduce.eenet_ablation import ablation_report, ablation_rows
from edge_infer.lab.reproduce.eenet_grid import grid_cells, grid_report
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO

BUNDLE = "cifar10-early-exit"
POLICIES = (CLASSIC_POLICY, "performance", "powersave", "planned", "oracle")


@click.command("eenet", short_help="Early exits, prediction and clocks (DAC 2023).")
@option("--bundle", default=BUNDLE, show_default=True, help="An early-exit bundle.")
@option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with the data sets.  [default: the bundle's samples]",
)
@load_option
@replayed_option
@option(
    "--images",
    type=click.IntRange(2),
    default=2_000,
    show_default=True,
    help="Images to score, at most.",
)
@option(
    "--threads",
    type=Threads(),
    default="1",
    show_default=True,
    help="Thread counts that policies may choose from.",
)
@time_scale_option
@option("--board", "boards", multiple=True, help="May be repeated.  [default: every simulated]")
@option("--grid", is_flag=True, help="Also every board, workload and deadline, losses included.")
@option(
    "--grid-bundle",
    "others",
    multiple=True,
    help="A further bundle for the grid, on its own samples if it has any; may be repeated.",
)
@option("--ablation", is_flag=True, help="Also what each part of the governor earns.")
@backend_option
@resolver_option
@json_option
def eenet_command(
    bundle: str,
    data: Path | None,
    load: float,
    frames: int,
    images: int,
    threads: tuple[int, ...],
    time_scale: float,
    boards: tuple[str, ...],
    grid: bool,
    others: tuple[str, ...],
    ablation: bool,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Print EENet's figures beside ours: periodic frames, deadline = period, simulated boards."""
    kernels = open_backend(backend, resolver)
    names = boards or tuple(name for name in board_names() if name.startswith("sim:"))

    def scored(name: str, own: bool) -> tuple[Bundle, ComparisonFrames]:
        opened = open_bundle(name)
        folder = None if own and opened.samples() is not None else data
        return opened, read_frames(opened, kernels, folder, images, FULL_RATIO)

    main = scored(bundle, own=False)
    document: dict[str, Any] = {"paper": "EENet, DAC 2023", "bundle": bundle, "claims": []}
    conditions = [
        Conditions(name, load=load, frames=frames, threads=threads, time_scale=time_scale)
        for name in names
    ]
    for each in conditions:
        document["claims"] += claims_of(Comparison(*main, each))
    blocks = [claims_report(document["claims"])]
    if ablation:
        document["ablation"] = [row for each in conditions for row in ablation_rows(*main, each)]
        blocks.append(ablation_report(document["ablation"]))
    if grid:
        pairs = [main, *(scored(name, own=True) for name in others)]
        document["grid"] = grid_cells(pairs, names, time_scale)
        blocks.append(grid_report(document["grid"]))
    emit(as_json, document, "\n\n".join(blocks))


def claims_of(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the claims for one board."""
    for message in comparison.warnings:
        warn(message)
    results = {result.policy: result for result in comparison.run(POLICIES)}
    ours, classic = results["planned"], results[CLASSIC_POLICY]
    early_exit, powersave = results["performance"], results["powersave"]
    board = comparison.conditions.board
    origin = energy_origin(comparison)

    def claim(name: str, claimed: float | None, value: float, unit: str, better: str) -> Any:
        met = None
        if claimed is not None:
            met = value >= claimed if better == "higher" else value <= claimed
        return {
            "id": name, "board": board, "claimed": claimed, "ours": value, "unit": unit,
            "better": better, "origin": origin, "met": met,
        }  # fmt: skip

    return [
        claim("net_saving_vs_classic_percent", 63.8, _saving(ours, classic), "%", "higher"),
        claim("net_saving_vs_early_exit_percent", 21.5, _saving(ours, early_exit), "%", "higher"),
        claim("deadline_misses_percent", 1.0, 100 * ours.miss_rate, "%", "lower"),
        claim("net_energy_vs_oracle", 1.05, _ratio(ours, results["oracle"]), "", "lower"),
        claim("net_saving_vs_powersave_early_exit_percent", None,
              _saving(ours, powersave), "%", "higher"),
        claim("powersave_early_exit_misses_percent", None, 100 * powersave.miss_rate, "%", "lower"),
        claim("gross_saving_vs_classic_percent", None, _gross_saving(ours, classic), "%", "higher"),
        claim("gross_saving_vs_early_exit_percent", None,
              _gross_saving(ours, early_exit), "%", "higher"),
    ]  # fmt: skip


def _saving(ours: ReplayResult, theirs: ReplayResult) -> float:
    return 100 * (1 - _ratio(ours, theirs))


def _ratio(ours: ReplayResult, theirs: ReplayResult) -> float:
    return ours.net_nj_per_inference / theirs.net_nj_per_inference


def _gross_saving(ours: ReplayResult, theirs: ReplayResult) -> float:
    return 100 * (1 - ours.gross_nj / theirs.gross_nj)

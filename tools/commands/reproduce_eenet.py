"""`edge-infer reproduce eenet`: the two figures of EENet (DAC 2023) beside ours, on every board."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.commands.options import (
    Threads,
    backend_option,
    ideal_option,
    json_option,
    load_option,
    option,
    replayed_option,
    resolver_option,
    sensitivity_option,
    static_option,
    time_scale_option,
)
from edge_infer.commands.quantities import energy_text
from edge_infer.commands.render import emit, note, table, warn
from edge_infer.commands.reproduce import claims_report
from edge_infer.commands.reproduce_live import LiveOptions, live_options, reproduce_live
from edge_infer.commands.work_options import WorkOptions, work_options
from edge_infer.lab.reproduce.eenet import reproduce_eenet
from edge_infer.lab.reproduce.eenet_grid import EARNABLE, TOLERATED
from edge_infer.lab.reproduce.eenet_live import live_eenet
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend


@click.command("eenet", short_help="Early exits, prediction and clocks (DAC 2023).")
@option("--bundle", default="cifar10-early-exit", show_default=True, help="An early-exit bundle.")
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
    default=5_000,
    show_default=True,
    help="Images to score, at most; half of them are compared on, predictors are fitted on others.",
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
@option("--sweep", is_flag=True, help="Loads from 0.3 to 0.95 instead of --load.")
@static_option
@sensitivity_option
@ideal_option
@option("--grid", is_flag=True, help="Also every board, workload and deadline, losses included.")
@option(
    "--grid-bundle",
    "others",
    multiple=True,
    help="A further bundle for the grid, on its own samples if it has any; may be repeated.",
)
@option("--ablation", is_flag=True, help="Also what each part of the governor earns.")
@live_options
@work_options
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
    sweep: bool,
    static: tuple[str, ...],
    sensitivity: bool,
    ideal: bool,
    grid: bool,
    others: tuple[str, ...],
    ablation: bool,
    live: LiveOptions,
    work: WorkOptions,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Print EENet's figures beside ours: periodic frames, deadline = period, simulated boards."""
    source = click.get_current_context().get_parameter_source("load")
    if live.asked():
        reproduce_live(live_eenet, live.profile, as_json, load=load)
        return
    if sweep and source is ParameterSource.COMMANDLINE:
        raise click.UsageError(f"--sweep has its own loads: leave --load {load:g} out")
    with work.open() as running:
        document = reproduce_eenet(
            open_bundle(bundle),
            data,
            boards,
            load=load,
            sweep=sweep,
            static=[open_bundle(name) for name in static] or None,
            sensitivity=sensitivity,
            ideal=ideal,
            frames=frames,
            images=images,
            threads=threads,
            time_scale=time_scale,
            ablation=ablation,
            grid=[open_bundle(name) for name in others] if grid else None,
            backend=open_backend(backend, resolver),
            progress=note,
            work=running,
        )
    for message in document["warnings"]:
        warn(message)
    emit(as_json, document, _report(document))


def _report(document: dict[str, Any]) -> str:
    blocks = [claims_report(document["claims"])]
    if "ablation" in document:
        blocks.append(_ablation_table(document["ablation"]))
    if "grid" in document:
        blocks.append(grid_report(document["grid"]))
    return "\n\n".join(blocks)


def _ablation_table(rows: Sequence[dict[str, Any]]) -> str:
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


def grid_report(cells: Sequence[dict[str, Any]]) -> str:
    """Return the grid as a table, one line a cell."""
    rows = [
        [
            cell["bundle"],
            cell["board"].removeprefix("sim:"),
            cell["workload"],
            f"{cell['deadline_periods']:g}",
            f"{cell['miss_percent']:.2f} %",
            cell["best_baseline"] or "none",
            _ratio(cell["over_best_baseline"]),
            _ratio(cell["over_best_static"]),
            _ratio(cell["over_oracle"]),
            _ratio(cell["best_fixed_over_oracle"])
            + (" >" if (cell["best_fixed_over_oracle"] or 0) >= EARNABLE else ""),
            "" if cell["kept"] else "LOST",
        ]
        for cell in cells
    ]
    heading = [
        "bundle", "board", "workload", "deadline", "missed", "best baseline", "/ best",
        "/ static", "/ oracle", "fixed / oracle", "",
    ]  # fmt: skip
    kept = sum(cell["kept"] for cell in cells)
    foot = (
        f"{kept} of {len(cells)} cells within {100 * (TOLERATED - 1):.0f} % of the best baseline "
        f"that keeps the bound; > marks cells where a governor can earn at least "
        f"{100 * (EARNABLE - 1):.0f} %; deadlines are in mean gaps"
    )
    return table(rows, heading) + "\n\n" + foot


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

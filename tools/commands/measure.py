"""`edge-infer measure`: fill the cost table of a bundle on a board."""

from itertools import product
from pathlib import Path
from typing import Any

import click

from edge_infer.boards import open_board
from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.options import (
    Threads,
    backend_option,
    json_option,
    option,
    resolver_option,
)
from edge_infer.commands.quantities import energy_text, time_text
from edge_infer.commands.render import emit, note, table, warn
from edge_infer.lab.costs.bundle_measurement import measure_costs
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.stage_costs import CHANGE, row_name, row_parts

IDLE_FACTOR = 5
"""Hubs, screens and sleeping radios move a board's idle power by less."""


@click.command("measure", short_help="Measure what a bundle's stages cost on a board.")
@click.argument("bundle")
@option("--board", default="host", show_default=True, help="Board; sim:NAME for a simulated one.")
@option(
    "--threads", type=Threads(), default="1,2,4", show_default=True, help="Thread counts to try."
)
@option("-o", "--output", type=click.Path(path_type=Path), help="Write the cost table as JSON.")
@backend_option
@resolver_option
@json_option
def measure_command(
    bundle: str,
    board: str,
    threads: tuple[int, ...],
    output: Path | None,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Measure time and energy of every stage at every clock and thread count of a board.

    Of a prunable bundle at every ratio, and a change of ratio too.

    Also the time and energy of a change of clock, and the idle power at each clock. Clocks that
    read back as another are left out, and so is what ran while the board was throttled. On a
    simulated board the simulation is measured, through its own meter.
    """
    opened, kernels = open_named_bundle(bundle), open_backend(backend, resolver)
    with open_board(board) as place:
        found = measure_costs(opened, kernels, place, threads, note)
    if output is not None:
        found.save(output)
    for text in found.notes[1:]:
        warn(text)
    if output is not None and not found.has_energies:
        warn(f"{output} has no energies: what chooses by energy refuses it as a --cost-table")
    _warn_of_implausible_idle(found, place)
    emit(as_json, measure_document(found), measure_report(found))


def measure_document(found: CostTable) -> dict[str, Any]:
    """Return the table as the document of `measure --json` (schema measure.schema.json)."""
    return {
        "board": found.board,
        "bundle": found.bundle,
        "backend": found.backend,
        "origin": found.switch.origin,
        "idle_reference_mw": _known(found, found.idle_reference_uw),
        "idle_mw": {str(khz): _known(found, uw) for khz, uw in found.idle_uw.items() if khz},
        "switch": {
            "time_us": found.switch.time_ns / 1000 if len(found.idle_uw) > 1 else None,
            "gross_uj": _known(found, found.switch.energy_nj) if len(found.idle_uw) > 1 else None,
        },
        "rows": [
            {
                "stage": stage,
                "clock_khz": point.clock_khz or None,
                "threads": point.threads,
                "time_us": row.time_ns / 1000,
                "time_spread_us": row.time_spread_ns / 1000,
                "gross_uj": _known(found, row.energy_nj),
                "net_uj": _known(found, _net_nj(found, stage, point)),
            }
            for (stage, point), row in found.rows.items()
        ],
        "notes": list(found.notes),
    }


def _known(found: CostTable, energy: float) -> float | None:
    """Return an energy or a power in the next greater unit, None where no meter told it."""
    return energy / 1000 if found.has_energies else None


def _net_nj(found: CostTable, stage: str, point: OperatingPoint) -> float:
    row = found.row(stage, point)
    return row.energy_nj - found.idle_reference_uw * row.time_ns / 1e6


def measure_report(found: CostTable) -> str:
    """Return the table as a person reads it: one line a point and ratio, all stages together."""
    stages = list(dict.fromkeys(row_parts(name)[0] for name in found.stages))
    stages = [name for name in stages if not name.startswith(CHANGE)]
    ratios = dict.fromkeys(row_parts(name)[1] for name in found.stages)
    rows = []
    for point, ratio in product(found.points, ratios):
        names = [row_name(name, ratio) for name in stages]
        mine = [found.row(name, point) for name in names]
        net = sum(_net_nj(found, name, point) for name in names)
        rows.append(
            [
                _point_text(point, ratio),
                *(time_text(row.time_ns / 1000) for row in mine),
                energy_text(_known(found, sum(row.energy_nj for row in mine))),
                energy_text(_known(found, net)),
                f"{found.idle_uw[point.clock_khz] / 1e6:.3f} W" if found.has_energies else "-",
            ]
        )
    heading = ["point", *stages, "gross, all", "net, all", "idle"]
    switch = found.switch
    change = (
        f"a change of clock takes {time_text(switch.time_ns / 1000)} and "
        f"{energy_text(_known(found, switch.energy_nj))} gross"
    )
    return "\n\n".join(
        [
            f"{found.bundle} on {found.board} with {found.backend} ({switch.origin})",
            table(rows, heading),
            *([change] if len(found.idle_uw) > 1 else []),
            "\n".join(found.notes),
        ]
    )


def _point_text(point: OperatingPoint, ratio: str) -> str:
    text = str(point)
    if not point.clock_khz:
        text = "clock not known" if point.threads == 1 else f"clock not known x {point.threads}"
    return text if ratio == FULL_RATIO else f"{text} @{ratio}"


def _warn_of_implausible_idle(found: CostTable, board: Board) -> None:
    """Say so where a meter reads what the board cannot take: a shunt or a calibration is wrong."""
    power = board.profile.power
    if power is None or board.simulated or not found.has_energies:
        return
    share = found.idle_reference_uw / power.idle_uw
    if not 1 / IDLE_FACTOR <= share <= IDLE_FACTOR:
        warn(
            f"the meter reads {found.idle_reference_uw / 1e6:.4g} W idle, {board.profile.title} "
            f"takes about {power.idle_uw / 1e6:.3g} W: is it in the supply, are shunt and "
            "calibration of the meter file right?"
        )

"""`edge-infer measure`: fill the cost table of a bundle on a board."""

from contextlib import ExitStack
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import click

from edge_infer.boards import open_board
from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.boards.errors import ClockError
from edge_infer.boards.registry import AUTO, AUTO_MOVED
from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.found_board import board_option, tell_lacks
from edge_infer.commands.marker import marker_option, open_marker
from edge_infer.commands.options import (
    Threads,
    backend_option,
    json_option,
    option,
    refuse_others,
    resolver_option,
)
from edge_infer.commands.power_report import read_trace
from edge_infer.commands.quantities import energy_text, time_text
from edge_infer.commands.render import emit, note, say, table, warn
from edge_infer.commands.trace_options import TraceGiven, trace_options
from edge_infer.lab.costs.bundle_measurement import measure_costs
from edge_infer.lab.costs.visits import VisitLog, read_visits, save_visits
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.stage_costs import CHANGE, row_name, row_parts

IDLE_FACTOR = 5
"""Hubs, screens and sleeping radios move a board's idle power by less."""

_OF_A_TRACE = {
    "bundle", "output", "visits", "trace", "channel", "same_clock", "given", "as_json", "verbose",
    *TraceGiven.__dataclass_fields__,
}  # fmt: skip
"""Parameters that mean something with --trace."""


@click.command("measure", short_help="Measure what a bundle's stages cost on a board.")
@click.argument("bundle")
@board_option
@option(
    "--threads", type=Threads(), help="Thread counts to try.  [default: 1, 2 and 4, if it has them]"
)
@option("-o", "--output", type=click.Path(path_type=Path), help="Write the cost table as JSON.")
@marker_option
@option("--visits", type=click.Path(path_type=Path, dir_okay=False),
        help="When each thing ran: written while measuring, read with --trace.")  # fmt: skip
@option("--trace", type=click.Path(path_type=Path),
        help="Take energies from this trace of an outside meter, by --visits.")  # fmt: skip
@option("--channel", help="Digital channel of the trace that --marker drove: D0, D0:low.")
@option("--same-clock", is_flag=True, help="The trace is of this board's own clock.")
@trace_options
@backend_option
@resolver_option
@json_option
def measure_command(
    bundle: str,
    board: str,
    threads: tuple[int, ...] | None,
    output: Path | None,
    marker: str | None,
    visits: Path | None,
    trace: Path | None,
    channel: str | None,
    same_clock: bool,
    given: TraceGiven,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Measure time and energy of every stage at every clock and thread count of a board.

    Of a prunable bundle at every ratio, and a change of ratio too.

    Also the time and energy of a change of clock, and the idle power at each clock. Clocks that
    read back as another are left out, and so is what ran while the board was throttled. On a
    simulated board the simulation is measured, through its own meter.

    A board without a meter is measured in two steps: first with --marker LINE --visits FILE while
    an outside meter records, then with --trace RECORDED --visits FILE --channel D0.
    """
    opened = open_named_bundle(bundle)
    if trace is not None:
        refuse_others(_OF_A_TRACE, "--trace reads what was measured before")
        name = f"{opened.manifest.name} {opened.manifest.version}"
        document, found = _traced(name, trace, visits, channel, same_clock, given)
        _finish(found, output)
        emit(as_json, document, measure_report(found))
        return
    if channel is not None or same_clock or any(asdict(given).values()):
        raise click.UsageError("--channel, --same-clock and the options of a trace go with --trace")
    if marker is not None and visits is None:
        raise click.UsageError("--marker needs --visits, the file that says what was marked")
    kernels, log = open_backend(backend, resolver), VisitLog()
    with ExitStack() as stack:
        place = stack.enter_context(open_measured(board))
        log.marker = open_marker(stack, marker, board)
        found = measure_costs(opened, kernels, place, threads or (), note, log)
    if visits is not None:
        save_visits(visits, log, found)
    _finish(found, output)
    _warn_of_implausible_idle(found, place)
    emit(as_json, measure_document(found), measure_report(found))


def open_measured(board: str) -> Board:
    """Open a board, with its clocks where they may be set."""
    if board != AUTO:
        return open_board(board)
    try:
        place = open_board(AUTO_MOVED)
    except ClockError as error:
        warn(f"measured at the clock that is found: {error}")
        place = open_board(AUTO)
    say(f"board: {place.name} ({place.profile.title})")
    tell_lacks(place)
    return place


def _finish(found: CostTable, output: Path | None) -> None:
    if output is not None:
        found.save(output)
    for text in found.notes[1:]:
        warn(text)
    if output is not None and not found.has_energies:
        warn(f"{output} has no energies: what chooses by energy refuses it as a --cost-table")


def _traced(
    bundle: str,
    path: Path,
    visits: Path | None,
    channel: str | None,
    same_clock: bool,
    given: TraceGiven,
) -> tuple[dict[str, Any], CostTable]:
    """Return document and table with the energies of a trace."""
    # Imported here: reading a trace needs what no measurement does.
    from edge_infer.lab.costs.trace_costs import costs_from_trace

    if visits is None:
        raise click.UsageError("--trace needs --visits, the file that measure --visits wrote")
    if (channel is None) != same_clock:
        raise click.UsageError(
            "--trace needs what ties its clock to the board's: --channel D0, or --same-clock for a "
            "log of power record on the same board"
        )
    found, times = read_visits(visits)
    if times.bundle != bundle:
        raise click.UsageError(f"{visits} is of {times.bundle or 'no bundle'}, this is {bundle}")
    trace = read_trace(path, given)
    for text in trace.assumptions:
        warn(f"taken for granted: {text}")
    traced = costs_from_trace(times, found, trace, channel)
    used = {
        "trace": trace.name,
        "format": trace.format,
        "supply_v": trace.supply_v,
        "visits": traced.visits,
        "assumptions": list(trace.assumptions),
        "clock": None if traced.clock is None else asdict(traced.clock),
    }
    return measure_document(traced.table, used), traced.table


def measure_document(found: CostTable, used: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the table as the document of `measure --json` (schema measure.schema.json).

    Args:
        found: the table.
        used: where its energies are from, if not from the board's own meter.
    """
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
        "input": used,
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

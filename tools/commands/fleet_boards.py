"""`edge-infer fleet status`, `confirm` and `rollback`: what `device` does, on every board."""

from typing import Any

import click

from edge_infer.commands.device import device_status
from edge_infer.commands.fleet_options import (
    CrewOptions,
    FleetOptions,
    crew_options,
    fleet_options,
)
from edge_infer.commands.fleet_table import FleetTable, board_row, counts_text, worst_code
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit, table
from edge_infer.firmware_bridge.errors import RolledBackError
from edge_infer.firmware_bridge.fleet.board_flash import Tell, check_profile, started
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.side_by_side import Job
from edge_infer.firmware_bridge.fleet.trial import take_back
from edge_infer.firmware_bridge.host.flashing import images, slot_of
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire.standard import SET_IMAGE_STATE, SetImageState


@click.command("status")
@fleet_options
@crew_options
@json_option
@click.pass_context
def status_command(
    ctx: click.Context, options: FleetOptions, crew: CrewOptions, as_json: bool
) -> None:
    """Show what every board runs, what it went back from and why, and what it counted."""

    def job(link: Link, board: FleetBoard, tell: Tell) -> dict[str, Any]:
        tell("look", None)
        check_profile(started(link), board)
        return device_status(link)

    _on_each(ctx, options, crew, job, as_json)


@click.command("confirm")
@fleet_options
@crew_options
@json_option
@click.pass_context
def confirm_command(
    ctx: click.Context, options: FleetOptions, crew: CrewOptions, as_json: bool
) -> None:
    """Keep the bundle that runs on every board; older ones are refused from now on."""

    def job(link: Link, board: FleetBoard, tell: Tell) -> dict[str, Any]:
        tell("confirm", None)
        check_profile(started(link), board)
        link.ask(SET_IMAGE_STATE, SetImageState(confirm=True))
        return device_status(link)

    _on_each(ctx, options, crew, job, as_json)


@click.command("rollback")
@option("--reason", default="asked by the host", show_default=True, help="Kept on the devices.")
@fleet_options
@crew_options
@json_option
@click.pass_context
def rollback_command(
    ctx: click.Context, reason: str, options: FleetOptions, crew: CrewOptions, as_json: bool
) -> None:
    """Reset every board into the bundle that it ran before."""
    begun: dict[str, bytes] = {}

    def job(link: Link, board: FleetBoard, tell: Tell) -> dict[str, Any]:
        tell("roll back", None)
        check_profile(started(link), board)
        active = slot_of(images(link), 0)
        if active is None:
            raise RolledBackError("no bundle runs: there is nothing to go back from")
        # A further try is of the bundle that ran at first: it must not go to and fro.
        take_back(link, begun.setdefault(board.name, active.digest), reason)
        return device_status(link)

    _on_each(ctx, options, crew, job, as_json)


def _on_each(
    ctx: click.Context, options: FleetOptions, crew: CrewOptions, job: Job, as_json: bool
) -> None:
    """Run a job on every board, print the rows, and leave with the worst code."""
    boards = options.boards()
    shown = FleetTable(boards)
    with shown.shown():
        outcomes = crew.crew(options.lines(), shown).run(boards, job)
    rows = [
        board_row(o.board, "ok" if o.error is None else "failed" if o.reached else "unreachable", o)
        | {"device": o.result}
        for o in outcomes
    ]
    document = {"fleet": str(options.fleet), "boards": rows, "code": worst_code(rows)}
    emit(as_json, document, _text(rows))
    ctx.exit(worst_code(rows))


def _text(rows: list[dict[str, Any]]) -> str:
    cells = [[row["name"], row["group"], row["profile"], *_device_cells(row)] for row in rows]
    heading = ["board", "group", "profile", "bundle", "digest", "state", "answered", ""]
    return f"{table(cells, heading)}\n\n{counts_text(rows)}"


def _device_cells(row: dict[str, Any]) -> list[str]:
    device = row["device"]
    if device is None:
        return ["", "", row["state"], "", row["error"]]
    active = next((e for e in device["images"] if e["slot"] == 0), None)
    info, counted = device["device"], device["statistics"]
    run = info and info["run"]
    state = "-" if active is None else "confirmed" if active.get("confirmed") else "on trial"
    revert = info and info["revert"]
    return [
        f"{run['bundle']} {run['version']}" if run else "nothing runs",
        active["hash"][:16] if active else "",
        state,
        str(counted["inferences"]) if counted else "",
        f"last revert: {revert['reason']}" if revert else "",
    ]

"""`edge-infer fleet flash`: a bundle onto the boards of a fleet, in waves."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edge_infer.commands.flash import bundle_bytes
from edge_infer.commands.fleet_options import (
    CrewOptions,
    FleetOptions,
    crew_options,
    fleet_options,
)
from edge_infer.commands.fleet_table import FleetTable, board_row, counts_text, worst_code
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import energy_text, share_text
from edge_infer.commands.render import emit, note, table, warn
from edge_infer.firmware_bridge.fleet.board_flash import BoardFlash
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.rollout import BoardState, Rollout, roll_out
from edge_infer.firmware_bridge.fleet.rollout_state import RolloutState
from edge_infer.firmware_bridge.fleet.waves import wave_sizes
from edge_infer.firmware_bridge.image import mcuboot_image
from edge_infer.runtime.errors import RunError


@click.command("flash")
@click.argument("bundle")
@option(
    "--waves",
    default="1,10%,all",
    show_default=True,
    help="How many boards have the bundle when a wave has ended: numbers, shares, all.",
)
@option(
    "--good",
    type=click.IntRange(0, 10**6),
    default=100,
    show_default=True,
    help="Inferences that a board must answer before it confirms: frames of the bundle's samples.",
)
@option(
    "--revert", is_flag=True, help="Where it stops, take back what was confirmed.  [default: keep]"
)
@option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Private key to sign a bundle folder with.",
)
@option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that says how far it is, to go on with.  [default: FLEET.state.jsonl beside it]",
)
@fleet_options
@crew_options
@json_option
@click.pass_context
def fleet_flash_command(
    ctx: click.Context,
    bundle: str,
    waves: str,
    good: int,
    revert: bool,
    key: Path | None,
    state: Path | None,
    options: FleetOptions,
    crew: CrewOptions,
    as_json: bool,
) -> None:
    """Flash BUNDLE onto the boards, wave by wave; each tries it before it confirms.

    A wave begins when the one before has confirmed: every board of it answered --good inferences,
    and neither their energy nor the shares of the exits left the range that the fleet's file
    states. Else it stops; the board that failed goes back by itself. A board that is gone is tried
    again, told of, and the next one takes its place. Typed again, it goes on where it ended.
    """
    boards = options.boards()
    sizes = wave_sizes(waves, len(boards))
    file = bundle_bytes(bundle, key)
    image = mcuboot_image.parse(file)
    _warn_unstated(boards)
    shown = FleetTable(boards)
    place = state or options.fleet.with_suffix(".state.jsonl")
    with _alone(options.fleet), RolloutState(place, image.digest.hex()) as kept, shown.shown():
        if kept.resumed:
            note(f"going on: {len(kept.boards)} boards were begun before")
        flash = BoardFlash(file, image.digest, good, kept.begun)
        work = crew.crew(options.lines(), shown)
        rollout = roll_out(boards, sizes, flash, work, kept, revert=revert)
    document = _document(rollout, sizes) | {
        "fleet": str(options.fleet),
        "bundle": {"version": str(image.version), "digest": image.digest.hex()},
        "resumed": kept.resumed,
    }
    emit(as_json, document, _text(document))
    ctx.exit(document["code"])


@contextmanager
def _alone(fleet: Path) -> Iterator[None]:
    """Let one rollout at a time have a fleet. Raises RunError for a second one."""
    with fleet.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"{fleet}: another fleet flash is under way") from error
        yield


def _warn_unstated(boards: Sequence[FleetBoard]) -> None:
    unstated = sorted({b.profile for b in boards if b.expected.net_uj is None})
    if unstated:
        warn(
            f"no range of the energy is stated for {', '.join(unstated)}: it is not looked at there"
        )


def _document(rollout: Rollout, sizes: Sequence[int]) -> dict[str, Any]:
    rows = [_row(each) for each in rollout.boards.values()]
    return {
        "waves": [
            {"size": size, "boards": names, "confirmed": sum(
                rollout.boards[name].wave == number and _confirmed(rollout.boards[name])
                for name in names
            )}
            for number, (size, names) in enumerate(zip(sizes, rollout.waves, strict=False), 1)
        ],
        "stopped": rollout.stopped,
        "boards": rows,
        "code": worst_code(rows),
    }  # fmt: skip


def _confirmed(each: BoardState) -> bool:
    """Return whether a board had confirmed, whatever became of it then."""
    return each.outcome is not None and each.outcome.result is not None


def _row(each: BoardState) -> dict[str, Any]:
    row = board_row(each.board, each.state, each.outcome)
    flashed = each.outcome.result if each.outcome else None
    return row | {"wave": each.wave, "flash": flashed and flashed.document()}


def _text(document: dict[str, Any]) -> str:
    rows = document["boards"]
    told = [row for row in rows if row["state"] != "not begun"]
    cells = [
        [row["name"], row["group"], row["profile"], str(row["wave"] or "-"), row["state"],
         *_flash_cells(row["flash"]), row["error"] or ""]
        for row in told
    ]  # fmt: skip
    heading = ["board", "group", "profile", "wave", "state", "net", "exits", "took", ""]
    bundle = f"bundle {document['bundle']['version']} ({document['bundle']['digest'][:16]})"
    stopped = document["stopped"]
    foot = f"{bundle}: {counts_text(rows)}"
    return "\n\n".join(
        [table(cells, heading), foot, *([] if stopped is None else [f"stopped: {stopped}"])]
    )


def _flash_cells(flash: dict[str, Any] | None) -> list[str]:
    if flash is None:
        return ["", "", ""]
    exits = ", ".join(f"{name} {share_text(share)}" for name, share in flash["exits"].items())
    return [energy_text(flash["net_uj_per_inference"]), exits, f"{flash['seconds']:.1f} s"]

"""`edge-infer init`: settings for what is found here, in an edge-infer.toml."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_infer.boards.errors import BusError
from edge_infer.boards.i2c_scan import Answer, bus_numbers, scan
from edge_infer.boards.kernel_gauge import kernel_devices
from edge_infer.boards.meter_config import meter_file, meter_text, parse_meter, user_meter_file
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.registry import AUTO, HOST, SIMULATED, board_names, detect_board
from edge_infer.boards.sysfs import RealSysfs, Sysfs
from edge_infer.commands.options import json_option, option, refuse_existing
from edge_infer.commands.render import emit
from edge_infer.commands.settings import PROJECT_FILE, user_file
from edge_infer.files import write_whole

Tables = Mapping[str, Mapping[str, str]]
"""Settings by command and option, as edge-infer.toml has them."""


@dataclass(frozen=True)
class Found:
    """What is here."""

    board: BoardProfile
    meter: str | None
    """As --meter takes it; None where none is certain."""
    meter_file: Path | None
    """That states a meter already."""
    notes: tuple[str, ...]
    """What is missing or uncertain, each with what mends it."""


@click.command("init", short_help="Write an edge-infer.toml for what is found here.")
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file.  [default: ./edge-infer.toml, read by commands typed in this folder]",
)
@option("--user", is_flag=True, help="Write the user's file, which is read everywhere.")
@option("--replace", is_flag=True, help="Replace a file that is there.")
@json_option
def init_command(output: Path | None, user: bool, replace: bool, as_json: bool) -> None:
    """Look for the board and a power meter, and write their settings.

    Nothing is written to any chip: buses are read. A meter that a kernel driver knows, its shunt
    too, goes into the user's meter file, unless there is one; of others that is said.
    """
    if user and output is not None:
        raise click.UsageError("--user names a file, and -o another: give one of them")
    path = output or (user_file() if user else PROJECT_FILE)
    refuse_existing(path, replace)
    found = find(RealSysfs())
    tables = settings_of(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, settings_text(found, tables))
    written = _write_meter_file(found)
    document = {
        "file": str(path),
        "board": found.board.name,
        "meter": found.meter,
        "meter_file": str(written or found.meter_file) if written or found.meter_file else None,
        "settings": {name: dict(table) for name, table in tables.items()},
        "notes": list(found.notes),
    }
    emit(as_json, document, _report(document, written))


def find(sysfs: Sysfs, dev: Path = Path("/dev")) -> Found:
    """Look for the board and its meter; nothing is changed."""
    board, file = load_profile(detect_board(sysfs)), meter_file()
    notes: list[str] = []
    if board.name == HOST:
        notes.append("this computer is no board that is known: try policies on a simulated one")
    if file is not None:
        return Found(board, None, file, tuple(notes))
    certain = [f"kernel:{device.name}" for device in kernel_devices(sysfs)]
    for answer in _answers(dev, notes):
        kind = answer.chip.partition(" ")[0]
        if kind in ("ina219", "ina226"):  # of its shunt nobody knows
            name = f"{kind}:{answer.bus}:0x{answer.address:02x}"
            notes.append(
                f"{name} seems to answer: edge-infer power calibrate --meter {name} --known-load "
                "... makes it the meter"
            )
    if len(certain) > 1:
        notes.append(
            f"several meters ({', '.join(certain)}): edge-infer power calibrate --meter ... "
            "chooses one"
        )
    elif not certain and not any("calibrate" in text for text in notes):
        notes.append("no power meter: energies are not known; edge-infer doctor says what to wire")
    return Found(board, certain[0] if len(certain) == 1 else None, None, tuple(notes))


def settings_of(found: Found) -> Tables:
    """Return the settings that fit what was found.

    What runs here runs on the board that is there, by "auto": a board that is named has its clock
    taken over, and does not open without its meter. What computes with a board's model names it.
    """
    here = {command: {"board": AUTO} for command in ("run", "measure")}
    simulated = SIMULATED + found.board.name
    if simulated not in board_names():
        return here | {"tune": {"board": AUTO}}
    return here | {command: {"board": simulated} for command in ("tune", "compare", "cost")}


def settings_text(found: Found, tables: Tables) -> str:
    """Return the tables as TOML, with what was found and what may be set beside it."""
    lines = [
        f"# Found by edge-infer init: {found.board.title}. What else may stand here: every long",
        "# option, under its command; edge-infer config show says where each value is from.",
    ]
    for command, table in tables.items():
        told = (f"{key} = {json.dumps(v)}{_meaning(found, v)}" for key, v in table.items())
        lines += ["", f"[{command}]", *told, *_BESIDE.get(command, ())]
        if command == "run" and found.board.name != HOST:
            lines.append(f'# board = "{found.board.name}"  # policies set its clock, always')
    return "\n".join(lines) + "\n"


def _meaning(found: Found, value: str) -> str:
    """Return the comment that says which board "auto" was."""
    return f"  # {found.board.name}, with what it has" if value == AUTO else ""


_BESIDE = {
    "run": ('# policy = "planned"', '# deadline = "20ms"', '# output = ["answers.jsonl"]'),
    "tune": ('# cost-table = "costs.json"  # what measure wrote, instead of the board\'s model',),
}
"""What is often set, as comments."""


def _answers(dev: Path, notes: list[str]) -> Iterator[Answer]:
    for number in bus_numbers(dev):
        try:
            yield from scan(number)
        except BusError as error:
            notes.append(f"i2c-{number} was not looked at: {error}")


def _write_meter_file(found: Found) -> Path | None:
    if found.meter is None:
        return None
    path = user_meter_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    comment = "found by edge-infer init, not calibrated: edge-infer power calibrate does that"
    write_whole(path, meter_text(parse_meter(found.meter), comment))
    return path


def _report(document: Mapping[str, Any], written: Path | None) -> str:
    lines = [f"{document['file']}: board {document['board']}"]
    if written is not None:
        lines.append(f"{written}: meter {document['meter']}, not calibrated")
    elif document["meter_file"]:
        lines.append(f"{document['meter_file']}: the meter that is used, left as it is")
    return "\n".join([*lines, *(f"note: {text}" for text in document["notes"])])

"""A fleet in a file, fleet.toml: its boards, and what a bundle may come to on each profile.

[[board]]
name = "hall-1"
port = "socket://10.0.0.11:5555"      # or "/dev/ttyUSB0"
profile = "raspberry-pi-5"
group = "hall"                         # optional, as are baud, framing, set_lines

[expected.raspberry-pi-5]              # optional
net_uj_per_inference = [300, 420]

[expected.raspberry-pi-5.exits]
exit1 = [0.5, 0.8]                     # share of the inferences that leave there
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_infer.boards.registry import SIMULATED
from edge_infer.boards.toml_reader import TomlReader
from edge_infer.firmware_bridge.port import DEFAULT_BAUD, SOCKET_PREFIX, socket_address
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.runtime.errors import InputError, SourceMissingError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Of a board: it names the file of its log, too."""
_BAUDS = (50, 20_000_000)
_LOOPBACK = {"localhost": "127.0.0.1", "[::1]": "127.0.0.1"}
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a good bundle comes to on boards of one profile; what is not stated is not looked at."""

    net_uj: Range | None = None
    exits: Mapping[str, Range] = field(default_factory=dict)
    """Share of the inferences that leave at an exit, by its name."""


@dataclass(frozen=True, slots=True)
class FleetBoard:
    """A board of a fleet, and how it is reached."""

    name: str
    port: str
    profile: str
    group: str = ""
    baud: int = DEFAULT_BAUD
    framing: str = Framing.COBS.value
    set_lines: bool = False
    expected: Expected = Expected()

    def is_of(self, board: str) -> bool:
        """Return whether a board's own name is that of the stated profile, simulated or not."""
        return board in (self.profile, SIMULATED + self.profile)


def read_fleet(path: Path) -> tuple[FleetBoard, ...]:
    """Return the boards of a file, in its order.

    Raises:
        SourceMissingError: there is no such file.
        InputError: it is no fleet; says everything that is wrong with it.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SourceMissingError(f"{path}: no such file; docs/howto/fleet.md has one") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as TOML: {error}") from error
    reader = TomlReader(document)
    expected = _expected(reader.optional_table("expected"))
    boards = [
        replace(board, expected=expected.get(board.profile, Expected()))
        for board in map(_board, reader.tables("board"))
    ]
    reader.done()
    complaints = [*reader.complaints, *_contradictions(boards, expected)]
    if complaints:
        raise InputError(f"{path}: {'; '.join(complaints)}")
    return tuple(boards)


def chosen(
    boards: Sequence[FleetBoard], groups: Sequence[str], names: Sequence[str]
) -> tuple[FleetBoard, ...]:
    """Return the boards of some groups and some by name, in the order of the file; all if none.

    Raises InputError for a group or a name that no board has.
    """
    for wanted, known, kind in (
        (groups, {board.group for board in boards if board.group}, "group"),
        (names, {board.name for board in boards}, "board"),
    ):
        if wrong := [each for each in wanted if each not in known]:
            listed = ", ".join(sorted(known)) or "none"
            raise InputError(f"the fleet has no {kind} {wrong[0]}; there are: {listed}")
    if not groups and not names:
        return tuple(boards)
    return tuple(board for board in boards if board.group in groups or board.name in names)


def _board(table: TomlReader) -> FleetBoard:
    name, port, profile = (_stated(table, key) for key in ("name", "port", "profile"))
    if name and not NAME.fullmatch(name):
        table.complain("name", f"{name!r}: letters, digits, dots, - and _, at most 64")
    framing, baud = table.text("framing", Framing.COBS.value), table.whole("baud", DEFAULT_BAUD)
    if framing not in {each.value for each in Framing}:
        table.complain("framing", f"{framing!r} is none; cobs or console")
    if not _BAUDS[0] <= baud <= _BAUDS[1]:
        table.complain("baud", f"{baud} is none, {_BAUDS[0]} to {_BAUDS[1]}")
    try:
        place_of(port)
    except ValueError as error:
        table.complain("port", f"{port}: {error}")
    found = FleetBoard(
        name, port, profile, table.text("group", ""), baud, framing,
        table.flag("set_lines", False),
    )  # fmt: skip
    table.done()
    return found


def _stated(table: TomlReader, key: str) -> str:
    value = table.text(key)
    if not value and key in table.names:
        table.complain(key, "must not be empty")
    return value


def place_of(port: str) -> str:
    """Return what two names of one port have in common. Raises ValueError for none."""
    if port.startswith(SOCKET_PREFIX):
        host, number = socket_address(port)
        return f"{_LOOPBACK.get(host.lower(), host.lower())}:{number}"
    if "://" in port:
        raise ValueError(f"a serial device, or {SOCKET_PREFIX}HOST:PORT")
    return os.path.realpath(port)


def _expected(table: TomlReader | None) -> dict[str, Expected]:
    found = {}
    for profile in () if table is None else table.names:
        own = table.table(profile)  # type: ignore[union-attr]
        shares = own.optional_table("exits")
        exits = {} if shares is None else {name: shares.limits(name) for name in shares.names}
        for name, (_, most) in exits.items():
            if most > 1:
                own.complain(f"exits.{name}", f"a share is at most 1, not {most:g}")
        net_uj = own.limits("net_uj_per_inference") if "net_uj_per_inference" in own.names else None
        found[profile] = Expected(net_uj, exits)
        own.done()
    return found


def _place_or_none(port: str) -> str:
    try:
        return place_of(port) if port else ""
    except ValueError:  # complained of already
        return ""


def _contradictions(boards: Sequence[FleetBoard], expected: Mapping[str, Expected]) -> list[str]:
    """Return what is wrong with boards that are right one by one."""
    found = [] if boards else ["it lists no board: add a [[board]] with name, port and profile"]
    seen: dict[tuple[str, str], int] = {}
    for index, board in enumerate(boards):
        for what, value in (("name", board.name), ("port", _place_or_none(board.port))):
            first = seen.setdefault((what, value), index)
            if value and first != index:
                found.append(
                    f"board[{first}] and board[{index}] have the same {what}, "
                    f"{getattr(board, what)}: a board may be there once"
                )
    unknown = expected.keys() - {board.profile for board in boards}
    return found + [f"expected.{profile}: no board has this profile" for profile in sorted(unknown)]

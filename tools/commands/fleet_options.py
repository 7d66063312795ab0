"""Options of every command over a fleet, and what they open."""

from dataclasses import dataclass
from pathlib import Path

import click

from edge_infer.commands.fleet_table import FleetTable
from edge_infer.commands.options import operator_key_option, option, options_as
from edge_infer.commands.quantities import Duration
from edge_infer.firmware_bridge.fleet.board_line import (
    BoardLines,
    OpenPort,
    open_board_port,
)
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard, chosen, read_fleet
from edge_infer.firmware_bridge.fleet.side_by_side import SideBySide
from edge_infer.firmware_bridge.host.link import load_operator


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Which boards, and how they are reached."""

    fleet: Path
    groups: tuple[str, ...]
    names: tuple[str, ...]
    patience: int
    operator_key: Path | None

    def boards(self) -> tuple[FleetBoard, ...]:
        """Return the boards. Raises InputError, SourceMissingError."""
        return chosen(read_fleet(self.fleet), self.groups, self.names)

    def lines(self, open_port: OpenPort = open_board_port) -> BoardLines:
        """Return what opens links to them. Raises ImageError: the operator's key is none."""
        return BoardLines(open_port, load_operator(self.operator_key), self.patience)


@dataclass(frozen=True, slots=True)
class CrewOptions:
    """How many boards at once, and how often a board that is gone is tried."""

    parallel: int
    retries: int

    def crew(self, lines: BoardLines, table: FleetTable) -> SideBySide:
        """Return what runs jobs on boards."""
        return SideBySide(lines, self.parallel, self.retries, table)


fleet_options = options_as(
    "options",
    FleetOptions,
    (
        option(
            "--fleet",
            type=click.Path(path_type=Path, dir_okay=False),
            default=Path("fleet.toml"),
            show_default=True,
            help="File that lists the boards.",
        ),
        option("--group", "groups", multiple=True, help="A group of them; may be repeated."),
        option("--only", "names", multiple=True, help="A board of them; may be repeated."),
        option(
            "--patience",
            type=Duration(),
            default="30s",
            show_default=True,
            help="How long a board that is unplugged in mid-work is waited for, in each try.",
        ),
        operator_key_option,
    ),
)
"""Of a command over a fleet; it gets them as the argument `options`."""
crew_options = options_as(
    "crew",
    CrewOptions,
    (
        option(
            "--parallel",
            type=click.IntRange(1, 1000),
            default=8,
            show_default=True,
            help="Boards at once, at most.",
        ),
        option(
            "--retries",
            type=click.IntRange(0, 1000),
            default=2,
            show_default=True,
            help="Further tries of a board that is gone, each after the others had their turn.",
        ),
    ),
)
"""Of a command that is done with a board sooner or later; it gets them as `crew`."""

"""`--board` of the commands that run on a board, and what they say of one that was detected."""

from contextlib import suppress
from pathlib import Path

import click
from click.core import ParameterSource

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.errors import BoardError
from edge_infer.boards.profile import load_profile
from edge_infer.boards.registry import AUTO, AUTO_MOVED, HOST, SIMULATED, board_names, detect_board
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.commands.options import option
from edge_infer.commands.render import say, warn

PRICED = f"{SIMULATED}raspberry-pi-5"
"""Whose costs are taken where this computer's are not known."""
NO_POLICY = "none"
"""The policy of a board whose clock is left to the kernel."""

board_option = option(
    "--board",
    default=AUTO,
    show_default=True,
    help="auto is the board that is there, else this computer (host), its clock left alone unless "
    "--policy is given; a board's name; sim:NAME for a simulated one.",
)


def board_to_open(ctx: click.Context, board: str) -> str:
    """Return the name to open: policies move the clock of "auto" once one is given."""
    given = ctx.get_parameter_source("policy") is not ParameterSource.DEFAULT
    return AUTO_MOVED if board == AUTO and given else board


def shown_board(board: str) -> str:
    """Return what a board is called in reports, before it is open."""
    return detect_board(RealSysfs()) if board in (AUTO, AUTO_MOVED) else board


def board_title(board: str) -> str:
    """Return name and title of a board, before it is open."""
    name = shown_board(board)
    return f"{name} ({load_profile(name.removeprefix(SIMULATED)).title})"


def shown_policy(board: str, policy: str) -> str:
    """Return what a policy is called in reports: none where the clock is left alone."""
    return NO_POLICY if board == AUTO else policy


def tell_lacks(board: Board) -> None:
    """Say what a board that was detected lacks, each with what mends it."""
    for text in getattr(board, "lacks", ()):
        warn(text)


def priced_board(board: str, cost_table: Path | None) -> str:
    """Return the board whose costs "auto" means: the table's, this board's model, or a default."""
    if board != AUTO:
        return board
    if cost_table is not None:
        with suppress(OSError, ValueError, BoardError):  # whoever uses the table says what is wrong
            return CostTable.from_json(cost_table.read_text("utf-8")).board
    here = detect_board(RealSysfs())
    if SIMULATED + here in board_names():
        say(f"board: {SIMULATED}{here}, the model of this board")
        return SIMULATED + here
    why = "this computer is no board that is known" if here == HOST else f"{here} has no model"
    say(f"board: {PRICED} (simulated), since {why}")
    return PRICED

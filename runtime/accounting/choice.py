"""Which account a board gets: its meter's, its cost table's, or none."""

from collections.abc import Sequence

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable
from edge_infer.runtime.accounting.account import (
    Account,
    IdleReference,
    UnmeteredAccount,
    measure_idle,
)
from edge_infer.runtime.accounting.metered import MeteredAccount
from edge_infer.runtime.accounting.modelled import ModelledAccount

IDLE_REFERENCE_NS = 1_000_000_000
"""How long the idle reference is measured before the first frame."""


def idle_reference(board: Board) -> IdleReference | None:
    """Measure what the board draws without frames; None without a meter."""
    return None if board.meter is None else measure_idle(board, board.meter, IDLE_REFERENCE_NS)


def open_account(
    board: Board,
    idle: IdleReference | None,
    table: CostTable | None,
    stages: Sequence[str],
    start_ns: int,
    khz: int,
) -> Account:
    """Return the account of a run.

    Args:
        board: with or without a meter.
        idle: of a board with a meter.
        table: of the board, if it has one.
        stages: names, in order.
        start_ns: when the run begins.
        khz: clock at that time.
    """
    if board.meter is not None and idle is not None:
        return MeteredAccount(board.meter, idle, start_ns, table, stages, khz)
    if table is not None:
        return ModelledAccount(table, start_ns, stages)
    return UnmeteredAccount()

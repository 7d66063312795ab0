"""The cost table that a comparison rests on: a simulated board's, or one that was measured."""

import math
from collections.abc import Sequence
from dataclasses import replace

from boards import open_board
from boards.cost_table import CostTable
from models_tflite import Bundle
from models_tflite.manifest import FULL_RATIO
from runtime.errors import RunError
from runtime.stage_work import all_works, switch_work

from .classic_net import CLASSIC, classic_work


def board_table(bundle: Bundle, board: str) -> CostTable:
    """Return a board's cost table of a bundle's stages at all ratios, and of its classic net.

    Raises:
        RunError: the board has no cost table.
        UnknownBoardError: there is no such board.
    """
    with open_board(board) as opened:
        table = opened.cost_table(
            [*all_works(bundle), classic_work(bundle), switch_work(bundle.manifest, FULL_RATIO)]
        )
    if table is None:
        raise RunError(
            f"{board} has no cost table: simulated boards have one, for others run "
            f"edge-infer measure {bundle.manifest.name} --board {board}, then give --cost-table"
        )
    return table


def with_classic(table: CostTable, stages: Sequence[str]) -> CostTable:
    """Return a measured table with the classic net as the sum of the stages, where it has none."""
    if CLASSIC in table.stages:
        return table
    rows = {}
    for point in table.points:
        parts = [table.row(stage, point) for stage in stages]
        rows[CLASSIC, point] = replace(
            parts[0],
            time_ns=sum(p.time_ns for p in parts),
            energy_nj=sum(p.energy_nj for p in parts),
            overhead_ns=parts[-1].overhead_ns,
            time_spread_ns=round(math.hypot(*(p.time_spread_ns for p in parts))),
            energy_spread_nj=round(math.hypot(*(p.energy_spread_nj for p in parts))),
        )
    note_text = "the classic net is the sum of the stages, exit heads included"
    return replace(table, rows={**table.rows, **rows}, notes=(*table.notes, note_text))


def check_table(table: CostTable, bundle: Bundle, board: str, backend: str) -> None:
    """Refuse a cost table that is not of this board, bundle and backend.

    Raises:
        RunError: what differs.
        CostTableError: a row is missing; the message says how to fill it.
    """
    manifest = bundle.manifest
    for what, theirs, ours in (
        ("board", table.board, board),
        ("bundle", table.bundle, f"{manifest.name} {manifest.version}"),
        ("backend", table.backend, backend),
    ):
        if theirs != ours:
            raise RunError(
                f"the cost table is of {what} {theirs or '(not stated)'}, this is {ours}: fill one "
                f"with edge-infer measure {manifest.name} --board {board}"
            )
    for stage in manifest.stages:
        for point in table.points:
            table.row(stage.name, point)

"""The cost table that a comparison rests on: a simulated board's, or one that was measured."""

import math
from collections.abc import Sequence
from dataclasses import replace

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import CostRow, CostTable
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.lab.costs.classic_net import CLASSIC, classic_work
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.stage_work import all_works, row_name, switch_work


def board_table(bundle: Bundle, board: str) -> CostTable:
    """Return a board's cost table of a bundle's stages and of its classic net, at all ratios.

    Raises:
        RunError: the board has no cost table.
        UnknownBoardError: there is no such board.
    """
    with open_board(board) as opened:
        classic = [classic_work(bundle, ratio) for ratio in bundle.manifest.ratios]
        table = opened.cost_table(
            [*all_works(bundle), *classic, switch_work(bundle.manifest, FULL_RATIO)]
        )
    if table is None:
        raise RunError(
            f"{board} has no cost table: simulated boards have one, for others run "
            f"edge-infer measure {bundle.manifest.name} --board {board}, then give --cost-table"
        )
    return table


def with_classic(table: CostTable, bundle: Bundle) -> CostTable:
    """Return a measured table with the classic net at every ratio that was measured.

    A big net was measured as a stage; where the last stage goes on from others, the classic net is
    taken as the sum of the stages.
    """
    if CLASSIC in table.stages:
        return table
    stages = bundle.manifest.stages
    whole = stages[-1:] if stages[-1].input.reads == "frame" else stages
    rows, known = dict(table.rows), set(table.stages)
    for ratio in bundle.manifest.ratios:
        names = [row_name(stage.name, ratio) for stage in whole]
        if known.issuperset(names):
            for point in table.points:
                rows[row_name(CLASSIC, ratio), point] = _sum(table, names, point)
    if len(whole) == 1:
        return replace(table, rows=rows)
    note_text = "the classic net is the sum of the stages, exit heads included"
    return replace(table, rows=rows, notes=(*table.notes, note_text))


def _sum(table: CostTable, stages: Sequence[str], point: OperatingPoint) -> CostRow:
    parts = [table.row(stage, point) for stage in stages]
    return replace(
        parts[0],
        time_ns=sum(p.time_ns for p in parts),
        energy_nj=sum(p.energy_nj for p in parts),
        overhead_ns=parts[-1].overhead_ns,
        time_spread_ns=round(math.hypot(*(p.time_spread_ns for p in parts))),
        energy_spread_nj=round(math.hypot(*(p.energy_spread_nj for p in parts))),
    )

"""The plan of the clocks that `edge-infer bundle pack --plan-board` puts into a bundle file."""

from pathlib import Path

from edge_infer.boards import CostTable, open_board
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.arrivals import Arrivals
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.planning.plan import Plan
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.policies.planned import planned
from edge_infer.runtime.stage_work import works_of


def plan_for(
    bundle: Bundle, board: str, arrivals: Arrivals, deadline_ns: int | None
) -> tuple[Plan, str]:
    """Return a plan of the policy planned, and the name of the board that it is for.

    Args:
        bundle: what is packed.
        board: a board, sim:NAME for a modelled one, or a cost table's file: that of a board that
            was measured, which it names.
        arrivals: what to expect.
        deadline_ns: from arrival to the due answer; none if None.

    Raises:
        PolicyError: the table is of another bundle, or the bundle has no predictor.
        BoardError: the board is not here, or the file is no cost table or lacks a row.
        OSError: the file cannot be read.
    """
    table = _table(bundle, board)
    settings = PolicySettings(deadline_ns=deadline_ns, arrivals=arrivals, cost_table=table)
    context = PolicyContext(bundle, None, settings)
    context.require("predictor", "planned")
    # A device follows one plan: of the two around the bound, the one that keeps it.
    return planned("planned", context).plans.careful, table.board


def _table(bundle: Bundle, board: str) -> CostTable:
    path = Path(board)
    if path.is_file():
        table = CostTable.from_json(path.read_text(encoding="utf-8"))
        ours = f"{bundle.manifest.name} {bundle.manifest.version}"
        if table.bundle not in ("", ours):
            raise PolicyError(f"{path} is a cost table of {table.bundle}, this is {ours}")
        return table
    with open_board(board) as place:
        found = place.cost_table(works_of(bundle))
    if found is None:
        raise PolicyError(f"{board} has no cost table: give the file of one that was measured")
    return found

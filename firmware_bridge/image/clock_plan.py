"""A planner's plan of the clocks for a microcontroller: solved for a board, and as a table.

The table's format stands beside the C code: firmware/include/edge_infer/clock_plan.h. Ages at
which the plan says the same become one run, so a lookup there gives what `Plan` gives.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edge_infer.boards import CostTable, open_board
from edge_infer.boards.registry import SIMULATED
from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.arrivals import Arrivals
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.exit_chain import ExitChain
from edge_infer.runtime.governors.leaving import micro, pays_in
from edge_infer.runtime.planning.frame_sweep import LEAVES
from edge_infer.runtime.planning.plan import Plan
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.policies.plan_policies import planned, planned_leaving
from edge_infer.runtime.stage_costs import works_of

_HEADER = struct.Struct("<4sBBBBIHxxIIQ")
_CLOCK = struct.Struct("<II")
_ROW = struct.Struct("<II")
_RUN = struct.Struct("<QI")
assert (_HEADER.size, _RUN.size) == (32, 12)
_CLOCKS_ALONE, _CLOCKS_AND_LEAVING = 1, 2
_LEAVES = 256
_NEVER = 2**31 - 1
"""Bound of a bin that an exit does not have."""


def clock_plan(
    bundle: Bundle,
    board: str,
    arrivals: Arrivals,
    deadline_ns: int | None,
    loss_points: float | None = None,
) -> bytes:
    """Return the table of a plan of the policy planned, or planned-leaving.

    Args:
        bundle: what is packed.
        board: a board, sim:NAME for a modelled one, or a cost table's file: that of a board that
            was measured, which it names.
        arrivals: what to expect.
        deadline_ns: from arrival to the due answer; none if None.
        loss_points: mean accuracy that leaving early may lose, in percentage points; thresholds
            alone decide if None.

    Raises:
        PolicyError: the cost table is of another bundle, or the bundle has no predictor, or does
            not say what leaving costs.
        BoardError: the board is not here, or the file is no cost table or lacks a row.
        OSError: the file cannot be read.
    """
    table = _cost_table(bundle, board)
    settings = PolicySettings(deadline_ns=deadline_ns, arrivals=arrivals, cost_table=table)
    if loss_points is None:
        context = PolicyContext(bundle, None, settings)
        context.require("predictor", "planned")
        governor = planned("planned", context)
    else:
        context = PolicyContext(bundle, None, replace(settings, loss_points=loss_points))
        context.require("leaving losses", "planned-leaving")
        _need_integers(bundle)
        governor = planned_leaving("planned-leaving", context)
    # A device follows one plan: of the two around the bound, the one that keeps it.
    return clock_plan_table(governor.plans.feasible, table.board)


def _need_integers(bundle: Bundle) -> None:
    manifest = bundle.manifest
    criterion = manifest.thresholds[FULL_RATIO].criterion
    dtypes = {stage.scores.dtype for stage in manifest.stages}
    if criterion == "entropy" or "float32" in dtypes:
        raise PolicyError(
            f"{manifest.name} is judged by {criterion} of {', '.join(sorted(dtypes))} scores: a "
            "microcontroller leaves by whole numbers, score-margin or top-score of integer heads; "
            "leave --plan-loss out"
        )


def _cost_table(bundle: Bundle, board: str) -> CostTable:
    path = Path(board)
    if path.is_file():
        table = CostTable.from_json(path.read_text(encoding="utf-8"))
        ours = f"{bundle.manifest.name} {bundle.manifest.version}"
        if table.bundle not in ("", ours):
            raise PolicyError(f"{path} is a cost table of {table.bundle}, this is {ours}")
        table.need_energies(f"the cost table {path}")
        return table
    with open_board(board) as place:
        found = place.cost_table(works_of(bundle))
    if found is None:
        raise PolicyError(f"{board} has no cost table: give the file of one that was measured")
    return found


def clock_plan_table(plan: Plan, board: str) -> bytes:
    """Return the table of a plan.

    Args:
        plan: of one kind of frame and one thread a point.
        board: whose cost table it was solved for; the device of that name uses it, a simulated
            board stands for its device.

    Raises:
        ImageError: the plan chooses numbers of threads, or knows the exit beforehand.
    """
    problem, chain = plan.problem, plan.problem.distribution.chain
    if len(problem.points) != len(problem.clocks_khz) or len(plan.first) != 1:
        raise ImageError("a microcontroller's plan chooses clocks alone: plan for one thread")
    name = board.removeprefix(SIMULATED).encode()
    bins = max((len(stage) for stage in plan.later), default=1)
    rows = list(_rows(plan, bins))
    rows_at = _HEADER.size + len(problem.clocks_khz) * _CLOCK.size
    at = rows_at + len(rows) * _ROW.size
    heads = b""
    for runs in rows:
        heads += _ROW.pack(at, len(runs))
        at += len(runs) * _RUN.size
    losses = b"" if chain is None else _losses(chain, pays_in(plan), bins)
    version = _CLOCKS_ALONE if chain is None else _CLOCKS_AND_LEAVING
    header = _HEADER.pack(
        b"EICP", version, problem.stages, bins, len(problem.clocks_khz),
        at + len(name) + len(losses), len(name), at, at + len(name) if losses else 0,
        problem.deadline_ns,
    )  # fmt: skip
    clocks = zip(problem.clocks_khz, problem.plan_ns, strict=True)
    parts = [header, *(_CLOCK.pack(*clock) for clock in clocks), heads]
    parts += [_RUN.pack(*run) for runs in rows for run in runs]
    return b"".join(parts) + name + losses


def _losses(chain: ExitChain, pays_in: int, bins: int) -> bytes:
    """Return what leaving loses, exit by exit, with room for the exit of the most bins."""
    numbers = [pays_in]
    for edges, forced, tuned in zip(chain.edges, chain.forced, chain.tuned.points, strict=False):
        spare = bins - len(forced.points)
        # Beyond what a score can be, one bound is as good as another.
        bounds = (min(max(math.ceil(edge), -_NEVER), _NEVER) for edge in edges)
        numbers += [*bounds, *[_NEVER] * spare]
        numbers += [*map(micro, forced.points), *[0] * spare, micro(tuned)]
    numbers.append(micro(chain.tuned.points[-1]))
    return struct.pack(f"<{len(numbers)}i", *numbers)


def _rows(plan: Plan, bins: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the runs of each row, in the table's order, `bins` for each later stage."""
    clock_of = plan.problem.clock_of
    for row in plan.first[0]:
        yield _runs([clock_of[point] for point in row], plan.ages_ns)
    for stage in plan.later:
        for of_bin in [*stage, *[stage[-1]] * (bins - len(stage))]:
            for row in of_bin:
                yield _runs([_coded(clock_of, int(choice)) for choice in row], plan.ages_ns)
    for row in plan.idle:
        yield _runs([int(clock) for clock in row], plan.ages_ns)


def _coded(clock_of: Sequence[int], choice: int) -> int:
    """Return the clock of a later stage's choice, and whether to leave before it."""
    return clock_of[choice % LEAVES] + (_LEAVES if choice >= LEAVES else 0)


def _runs(clocks: Sequence[int], ages_ns: Sequence[int]) -> list[tuple[int, int]]:
    """Return (longest time since arrival in ns, clock) of each run of equal clocks."""
    runs: list[tuple[int, int]] = []
    for age_ns, clock in zip(ages_ns, clocks, strict=True):
        if runs and runs[-1][1] == clock:
            runs[-1] = age_ns, clock
        else:
            runs.append((age_ns, clock))
    return runs

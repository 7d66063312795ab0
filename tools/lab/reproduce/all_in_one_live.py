"""All-in-One's figures on the board itself: each clock at full width and at the level ratio.

The model chooses the ratio of each clock, as `all_in_one_latency` does; then every clock runs for
real, one frame straight after the other, and the spread is that of the times that were seen.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.boards.profile import BoardProfile
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.all_in_one import CLAIMED, PAPER, SPREAD
from edge_infer.lab.reproduce.all_in_one_latency import level_of
from edge_infer.lab.reproduce.live_run import (
    FRAMES,
    LiveRun,
    clock_origin,
    live_frames,
    live_model,
    live_part,
    live_row,
    run_live,
    run_warnings,
)
from edge_infer.lab.reproduce.paper import claim
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.governors.governor import FixedGovernor
from edge_infer.runtime.stage_costs import row_name

FULL, LEVEL = "full width", "level"


def live_all_in_one(
    bundle: Bundle,
    board: Board,
    backend: Backend,
    *,
    frames: int = FRAMES,
    profile: BoardProfile | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the document of `reproduce all-in-one --live --json`.

    Args:
        bundle: prunable, of one stage.
        board: open.
        backend: its kernels.
        frames: to run at each clock and ratio: the bundle's samples in turn, or its golden vectors.
        profile: what the model is made from; the board's own profile if None.
        progress: called with what runs.

    Raises:
        InputError: the bundle has no ratios, or early exits.
        BoardError: clock or meter fail.
    """
    manifest = bundle.manifest
    if manifest.prunable is None or len(manifest.stages) > 1:
        raise InputError(f"{manifest.name} is no prunable bundle of one stage: give one")
    table, warnings = live_model(bundle, board, profile)
    clocks = sorted(board.clock.supported_khz())
    if len(clocks) < 2:
        warnings.append(f"{board.name} has one clock: no claim on latency over the clocks")
    if table is None and len(clocks) > 1:
        warnings.append("the full width alone was run: the ratio of each clock needs a model")
    data = live_frames(bundle, frames)
    runs, rows = [], []
    for name, khz, ratio in _cells(bundle, clocks, table):
        progress(f"{name}: {khz / 1000:g} MHz, ratio {ratio}, {frames} frames")
        policy = FixedGovernor(name, OperatingPoint(khz, 1))
        stages = [row_name(manifest.stages[0].name, ratio)]
        run = run_live(name, bundle, board, backend, data, stages, policy=policy, ratio=ratio)
        runs.append(run)
        rows.append(live_row(run, table) | {"clock_khz": khz, "ratio": ratio})
    return {
        "paper": PAPER,
        "bundle": manifest.name,
        "claims": list(_claims(runs, board)),
        "ratios": [],
        "levels": [],
        "bytes": None,
        "memory_bytes": None,
        "ideas": None,
        "warnings": warnings + run_warnings(runs),
        "live": live_part(
            board, frames, None if table is None else (profile or board.profile).name, rows
        ),
    }


def _cells(
    bundle: Bundle, clocks: Sequence[int], table: CostTable | None
) -> Iterator[tuple[str, int, str]]:
    """Yield what runs: its name, clock in kHz and ratio."""
    for khz in clocks:
        yield FULL, khz, FULL_RATIO
    if table is not None and len(clocks) > 1:
        for khz, ratio in level_of(bundle, table, SPREAD).ratio_of.items():
            yield LEVEL, khz, ratio


def _claims(runs: Sequence[LiveRun], board: Board) -> Iterator[dict[str, Any]]:
    """Yield the claims on the spread over the clocks, but those that the board did not keep."""
    for claimed_of, name in (
        ("latency_spread_over_clocks", LEVEL), ("latency_spread_fixed_net", FULL),
    ):  # fmt: skip
        times = [run.time_us for run in runs if run.name == name and not run.warnings]
        if len(times) > 1:
            claimed, better = CLAIMED[claimed_of]
            yield claim(claimed_of, board.name, claimed, max(times) / min(times), "", better,
                        clock_origin(board))  # fmt: skip

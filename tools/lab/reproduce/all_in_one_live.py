"""All-in-One's figures on the board itself: each clock at full width and at the level ratio.

The model chooses the ratio of each clock, as `all_in_one_latency` does; then every clock runs for
real, one frame straight after the other, and the spread is that of the times that were seen.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import OperatingPoint
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
    unmetered,
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
    ratio_of = dict.fromkeys(clocks, FULL_RATIO)
    if table is not None:
        ratio_of = dict(level_of(bundle, table, SPREAD).ratio_of)
    elif len(clocks) > 1:
        warnings.append("the full width alone was run: the ratio of each clock needs a model")
    data = live_frames(bundle, frames)
    cells = [(FULL, khz, FULL_RATIO) for khz in clocks]
    if table is not None and len(clocks) > 1:
        cells += [(LEVEL, khz, ratio_of[khz]) for khz in clocks]
    runs, rows = [], []
    for name, khz, ratio in cells:
        progress(f"{name}: {khz / 1000:g} MHz, ratio {ratio}, {frames} frames")
        policy = FixedGovernor(name, OperatingPoint(khz, 1))
        stages = [row_name(manifest.stages[0].name, ratio)]
        run = run_live(name, bundle, board, backend, data, stages, policy=policy, ratio=ratio)
        runs.append(run)
        others = {point.clock_khz for record in run.records for point in record.points} - {khz}
        if others:
            seen = ", ".join(f"{other / 1000:g}" for other in sorted(others))
            warnings.append(f"{name}: {khz / 1000:g} MHz was asked for, {seen} MHz ran too")
        rows.append(live_row(run, table) | {"clock_khz": khz, "ratio": ratio})
    return {
        "paper": PAPER,
        "bundle": manifest.name,
        "claims": list(_claims(runs, board)) if len(clocks) > 1 else [],
        "ratios": [],
        "levels": [],
        "bytes": None,
        "memory_bytes": None,
        "ideas": None,
        "warnings": warnings + unmetered(runs),
        "live": live_part(
            board, frames, None if table is None else (profile or board.profile).name, rows
        ),
    }


def _claims(runs: Sequence[LiveRun], board: Board) -> Iterator[dict[str, Any]]:
    """Yield the claims on the spread over the clocks."""
    for claimed_of, name in (
        ("latency_spread_over_clocks", LEVEL), ("latency_spread_fixed_net", FULL),
    ):  # fmt: skip
        times = [run.time_us for run in runs if run.name == name]
        if times:
            claimed, better = CLAIMED[claimed_of]
            yield claim(claimed_of, board.name, claimed, max(times) / min(times), "", better,
                        clock_origin(board))  # fmt: skip

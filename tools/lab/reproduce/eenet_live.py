"""EENet's figures on the board itself: the same frames run for real, metered, beside the model's.

Periodic frames, deadline = period, as in `eenet`. The classic net runs as a bundle of its own, at
the top clock; its measured time sets the period.
"""

import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.profile import BoardProfile
from edge_infer.lab.costs.board_costs import CLASSIC
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.eenet import CLAIMED
from edge_infer.lab.reproduce.live_run import (
    FRAMES,
    WARMUP,
    LiveRun,
    clock_origin,
    live_frames,
    live_model,
    live_part,
    live_row,
    plain_bundle,
    run_live,
    run_warnings,
    saving_claim,
)
from edge_infer.lab.reproduce.paper import claim
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import InputError

PACED = 30
"""Classic inferences that the period is taken from."""
EARLY, PLANNED = "early exit", "planned"


def live_eenet(
    bundle: Bundle,
    board: Board,
    backend: Backend,
    *,
    frames: int = FRAMES,
    load: float = 0.6,
    profile: BoardProfile | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the document of `reproduce eenet --live --json`.

    Args:
        bundle: with early exits.
        board: open.
        backend: its kernels.
        frames: to run under each policy: the bundle's samples in turn, or its golden vectors.
        load: arrival rate as a share of what the classic net does at the top clock.
        profile: what the model is made from; the board's own profile if None.
        progress: called with what runs.

    Raises:
        InputError: the bundle has no early exits.
        BoardError: clock or meter fail.
    """
    if len(bundle.manifest.stages) < 2:
        raise InputError(f"{bundle.manifest.name} is one net without early exits: give another")
    table, warnings = live_model(bundle, board, profile)
    data, stages = live_frames(bundle, frames), [stage.name for stage in bundle.manifest.stages]
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_bundle(bundle, Path(folder))
        progress("the classic net sets the period")
        period_ns = round(_classic_ns(plain, board, backend, data) / load)
        runs = {}
        for name, net, names, policy in (
            (CLASSIC, plain, [CLASSIC], "performance"), (EARLY, bundle, stages, "performance"),
            (PLANNED, bundle, stages, "planned"),
        ):  # fmt: skip
            options: dict[str, Any] = {}
            if policy == "planned":
                if table is None or len(board.clock.supported_khz()) < 2:
                    warnings.append("planned was not run: it needs a cost model and several clocks")
                    continue
                options = {"deadline_ns": period_ns, "arrivals": Periodic(1e9 / period_ns)}
                options |= {"cost_table": table}
            progress(f"{name}: {frames} frames")
            runs[name] = run_live(name, net, board, backend, data, names, policy=policy,
                                  period_ns=period_ns, **options)  # fmt: skip
    rows = [live_row(run, table) | {"misses_percent": _missed(run)} for run in runs.values()]
    model = None if table is None else (profile or board.profile).name
    return {
        "paper": "EENet, DAC 2023",
        "bundle": bundle.manifest.name,
        "static": [],
        "claims": _claims(runs, board, load),
        "warnings": warnings + run_warnings(list(runs.values())),
        "live": live_part(board, frames, model, rows) | {"period_us": period_ns / 1000},
    }


def _classic_ns(plain: Bundle, board: Board, backend: Backend, data: Sequence[Any]) -> float:
    with Engine(plain, board, backend=backend, warmup=WARMUP) as engine:
        records = [engine.infer(frame) for frame in islice(data, PACED)]
    return fmean(record.end_ns - record.start_ns for record in records)


def _claims(runs: Mapping[str, LiveRun], board: Board, load: float) -> list[dict[str, Any]]:
    best = runs.get(PLANNED, runs[EARLY])
    pairs = {"net_saving_vs_classic_percent": runs[CLASSIC]}
    if PLANNED in runs:
        pairs["net_saving_vs_early_exit_percent"] = runs[EARLY]
    found = []
    for name, rival in pairs.items():
        found += saving_claim(name, board, best, rival, CLAIMED[name], load=load, time_scale=1.0)
    claimed, unit, better = CLAIMED["deadline_misses_percent"]
    found.append(claim("deadline_misses_percent", board.name, claimed, _missed(best), unit, better,
                       clock_origin(board), load=load, time_scale=1.0))  # fmt: skip
    return found


def _missed(run: LiveRun) -> float:
    return 100 * fmean(record.missed for record in run.records)

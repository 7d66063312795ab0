"""BL-DNN's figures on the board itself: little first and big alone, run for real and metered.

One frame straight after the other at the top clock, so that the saving is end to end: decision and
runtime included.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.contract import Board
from edge_infer.boards.profile import BoardProfile
from edge_infer.lab.costs.board_costs import CLASSIC
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.big_little import LOSS_POINTS, PAPER, SAVING_PERCENT, labelled_images
from edge_infer.lab.reproduce.live_run import (
    FRAMES,
    LiveRun,
    clock_origin,
    in_turn,
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
from edge_infer.runtime.errors import InputError

ALONE, PAIR = "big alone", "little first"


def live_big_little(
    bundle: Bundle,
    board: Board,
    backend: Backend,
    *,
    frames: int = FRAMES,
    data: Path | None = None,
    profile: BoardProfile | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the document of `reproduce big-little --live --json`.

    Args:
        bundle: a little/big pair.
        board: open.
        backend: its kernels.
        frames: to run through each, in turn.
        data: folder of the data set, whose test side is used; without it the bundle's samples, or
            its golden vectors, of which nobody knows what is right.
        profile: what the model is made from; the board's own profile if None.
        progress: called with what runs.

    Raises:
        InputError: the bundle is no pair.
        SourceMissingError: there is no such folder.
        BoardError: clock or meter fail.
    """
    stages = [stage.name for stage in bundle.manifest.stages]
    if len(stages) != 2:
        raise InputError(
            f"{bundle.manifest.name} has {len(stages)} stages: wants a little/big pair"
        )
    table, warnings = live_model(bundle, board, profile)
    images, labels = _frames(bundle, data, frames)
    if labels is None:
        warnings.append(f"{bundle.manifest.name} carries no samples: no accuracies without --data")
    with tempfile.TemporaryDirectory() as folder:
        nets = {ALONE: (plain_bundle(bundle, Path(folder)), [CLASSIC]), PAIR: (bundle, stages)}
        runs = []
        for name, (net, names) in nets.items():
            progress(f"{name}: {frames} frames")
            runs.append(run_live(name, net, board, backend, images, names))
    alone, pair = runs
    rows = [live_row(run, table) | _answers(run, alone, labels) for run in runs]
    return {
        "paper": PAPER,
        "bundle": bundle.manifest.name,
        "claims": _claims(alone, pair, board, rows),
        "answers": None,
        "boards": [],
        "host": None,
        "warnings": warnings + run_warnings(runs),
        "live": live_part(
            board, frames, None if table is None else (profile or board.profile).name, rows
        ),
    }


def _frames(bundle: Bundle, data: Path | None, count: int) -> tuple[list[Any], NDArray[Any] | None]:
    """Return frames, and the right answers where they are known."""
    if data is None and bundle.samples() is None:
        return live_frames(bundle, count), None
    images, labels = labelled_images(bundle, data)
    return in_turn(images, count), np.resize(labels, count)


def _answers(run: LiveRun, alone: LiveRun, labels: NDArray[Any] | None) -> dict[str, Any]:
    big = [record.answer for record in alone.records]
    return {
        "right_percent": None if labels is None else _equal_percent(run, labels.tolist()),
        "same_as_big_percent": _equal_percent(run, big),
        "escalated_percent": 100 * fmean(record.exit == 1 for record in run.records),
    }


def _equal_percent(run: LiveRun, wanted: Sequence[int]) -> float:
    pairs = zip(run.records, wanted, strict=True)
    return 100 * fmean(record.answer == answer for record, answer in pairs)


def _claims(
    alone: LiveRun, pair: LiveRun, board: Board, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    found = saving_claim(
        "mnist_net_energy_saving_end_to_end_percent", board, pair, alone,
        (SAVING_PERCENT, "%", "higher"),
    )  # fmt: skip
    big, ours = (row["right_percent"] for row in rows)
    if ours is not None:
        found.append(claim("mnist_accuracy_loss_points", board.name, LOSS_POINTS, big - ours, "",
                           "lower", clock_origin(board)))  # fmt: skip
    return found

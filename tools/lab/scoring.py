"""Raw scores of many frames: here one after the other, or shared out in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.progress import Progress, counted, silent
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.stage import LoadedStage, load_stages

PIECE = 250
"""Frames of a cell: whoever runs it, the same frames, so that kept results are found again."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What the cells share; the backend travels by its name."""

    bundle: Bundle
    backend: str
    resolver: str
    ratio: str
    frames: Sequence[NDArray[Any]]


def score(
    bundle: Bundle,
    backend: Backend,
    frames: Sequence[NDArray[Any]],
    ratio: str = FULL_RATIO,
    *,
    unit: str = "frames",
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> tuple[NDArray[Any], ...]:
    """Run every stage of a bundle on every frame.

    Args:
        bundle: an open bundle; workers elsewhere must find it at the same place.
        backend: to run it with; an accelerator is of this computer, and so is the work then.
        frames: as its stages take them.
        ratio: pruning ratio.
        unit: what is counted, in the plural.
        progress: called with how many are done.
        work: runs pieces of them.

    Returns:
        The raw scores per stage, shape [n, labels].

    Raises:
        FrameError: the frames have another shape or dtype than the bundle takes.
        ModelError: an interpreter refuses a model.
    """
    if work.is_here or ":" in backend.name or backend.name == "edgetpu":
        stages = load_stages(bundle, backend, ratio=ratio)
        return run_all(stages, counted(frames, unit, progress))
    job = _Job(bundle, backend.name, backend.resolver, ratio, frames)
    pieces = [(at, min(at + PIECE, len(frames))) for at in range(0, len(frames), PIECE)]
    rows = work.map(_scored, job, pieces, f"pieces of {PIECE} {unit}")
    return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))


def _scored(job: _Job, piece: tuple[int, int]) -> tuple[NDArray[Any], ...]:
    return run_all(_stages(job), job.frames[slice(*piece)])


@lru_cache(maxsize=1)
def _stages(job: _Job) -> list[LoadedStage]:
    return load_stages(job.bundle, open_backend(job.backend, job.resolver), ratio=job.ratio)

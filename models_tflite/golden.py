"""How golden vectors are made: frames, the scores of every stage, and which margins are wide."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.quantization import resize_bilinear
from edge_infer.models_tflite.stage import LoadedStage, run_stages
from edge_infer.models_tflite.stage_spec import Scores, StageInput

GOLDEN_COUNT = 16
_GOLDEN_BYTES = 1 << 18
"""Large frames come in fewer vectors, four at least."""
_CANDIDATES = 4
"""Synthetic frames drawn for each one kept."""
_COARSE = 4
"""Side of the random patches that synthetic frames grow from."""
_NOISE = 0.25
_SAFETY = 4
"""A margin is wide at this many times the largest difference seen between two kernel sets."""
_LEAST_WIDE_LSB = 8
"""Kernels of one runtime differ by up to 3 LSB in the logits of small nets."""


def run_all(
    stages: Sequence[LoadedStage], frames: NDArray[Any] | Iterable[NDArray[Any]]
) -> tuple[NDArray[Any], ...]:
    """Run every stage on every frame, whatever its exit would decide.

    Args:
        stages: the loaded stages of a bundle.
        frames: shape [n, H, W, C], or as many frames.

    Returns:
        The raw scores per stage, shape [n, labels].

    Raises:
        FrameError: the frames have another shape or dtype than the bundle takes.
    """
    rows: list[list[NDArray[Any]]] = [[] for _ in stages]
    for frame in frames:
        for row, scores in zip(rows, run_stages(stages, frame), strict=True):
            row.append(scores)
    return tuple(np.stack(row) for row in rows)


def synthetic_golden(stages: Sequence[LoadedStage], seed: int) -> NDArray[Any]:
    """Return synthetic frames for golden vectors, those of many that are answered most clearly.

    A self-test under other kernels can hold a bundle to clear answers only.
    """
    frame_bytes = synthetic_frames(stages[0].spec.input, seed, 1).nbytes
    count = min(GOLDEN_COUNT, max(4, _GOLDEN_BYTES // frame_bytes))
    frames = synthetic_frames(stages[0].spec.input, seed, count * _CANDIDATES)
    ranked = np.sort(run_all(stages, frames)[-1].astype(np.float64), axis=1)
    clearest = np.argsort(ranked[:, -2] - ranked[:, -1], kind="stable")[:count]
    kept: NDArray[Any] = frames[np.sort(clearest)]
    return kept


def synthetic_frames(spec: StageInput, seed: int, count: int) -> NDArray[Any]:
    """Return seeded random frames that no data set's licence covers: smooth patches and noise.

    Args:
        spec: input of a stage that reads the frame.
        seed: same seed, same frames.
        count: number of frames.

    Returns:
        Shape [count, H, W, C] in the source dtype; 8 bits over their range, float32 over the
        quantised range of the input, or within two standard deviations for a float32 input.
    """
    random = np.random.default_rng(seed)
    shape = spec.frame_shape
    unit = np.stack([_unit_frame(random, shape) for _ in range(count)])
    assert spec.preprocess is not None, "only a stage that reads the frame has frames"
    if spec.preprocess.source != "float32":
        pixels: NDArray[Any] = np.rint(unit * 255).astype(np.uint8)
        return pixels if spec.preprocess.source == "uint8" else (pixels ^ 128).view(np.int8)
    low, high = _real_range(spec)
    mean, std = np.asarray(spec.preprocess.mean), np.asarray(spec.preprocess.std)
    frames: NDArray[Any] = ((low + unit * (high - low)) * std + mean).astype(np.float32)
    return frames


def wide_margin(scores: Scores, reference: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the margin, in score units, that a change of kernels leaves standing.

    Args:
        scores: the exit head.
        reference: scores of the reference kernels, shape [n, labels].
        other: scores of the optimised kernels for the same frames.
    """
    difference = float(np.abs(reference.astype(np.float64) - other.astype(np.float64)).max())
    if scores.dtype != "float32":
        return max(_LEAST_WIDE_LSB, _SAFETY * int(difference))
    spread = float(reference.max() - reference.min())
    return max(_SAFETY * difference, spread / 256, float(np.finfo(np.float32).tiny))


def _unit_frame(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if len(shape) == 3:
        patches = random.random((_COARSE, _COARSE, shape[2]), np.float32)
        smooth = resize_bilinear(patches, shape[0], shape[1])
    else:
        smooth = random.random(shape, np.float32)
    frame = smooth * (1 - _NOISE) + random.random(shape, np.float32) * _NOISE
    spread = max(float(frame.max() - frame.min()), 1e-6)
    unit: NDArray[np.float32] = (frame - frame.min()) / spread
    return unit


def _real_range(spec: StageInput) -> tuple[float, float]:
    if spec.dtype == "float32":
        return -2.0, 2.0
    limits = np.iinfo(spec.dtype)
    return (
        (int(limits.min) - spec.zero_point) * spec.scale,
        (int(limits.max) - spec.zero_point) * spec.scale,
    )

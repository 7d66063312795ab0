"""What a backbone makes of pictures: each exit point's tensor, pooled, in real values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.exit_points import ExitPoint
from edge_infer.models_tflite.attached_heads import NONE, Pool, Quantisation
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.cut import tap
from edge_infer.models_tflite.graph import Tensor
from edge_infer.models_tflite.quantization import FrameInput, quantize

Array = NDArray[np.float32]

_ROOM = 0.02
"""Of the range of means, beyond what was seen."""


@dataclass(frozen=True)
class PointFeatures:
    """An exit point's tensor of many pictures, pooled; kept small, 50,000 pictures are many."""

    tensor: Tensor
    mean: NDArray[Any] | None
    """Shape [n, channels], as a quantised MEAN would give it; None for a vector."""
    top: NDArray[Any]
    """The maximum over the plane, or the vector itself, shape [n, channels], as it is stored."""
    mean_as: Quantisation
    """Of the mean, whose range is a part of the tensor's."""

    def real(self, pool: Pool) -> Array:
        """Return one way of pooling in real values, shape [n, channels]."""
        values, (scale, zero_point) = self.top, self.quantisation(pool)
        if pool == "mean":
            assert self.mean is not None
            values = self.mean
        real: Array = values.astype(np.float32)
        return real if not scale else (real - np.float32(zero_point)) * np.float32(scale)

    def quantisation(self, pool: Pool) -> Quantisation:
        """Return what the integers of one way of pooling stand for."""
        own = Quantisation(self.tensor.scale, self.tensor.zero_point)
        return self.mean_as if pool == "mean" else own

    def taken(self, rows: NDArray[Any]) -> "PointFeatures":
        """Return some of the pictures, by index or mask."""
        mean = None if self.mean is None else self.mean[rows]
        return replace(self, mean=mean, top=self.top[rows])


class Extractor:
    """Runs the part of a backbone that its exit points need.

    Args:
        model: the backbone, a .tflite file.
        points: what to keep.
        scores: index of the net's own output, where its scores are wanted too.
        frame_input: makes the input tensor of a frame.
        backend: the kernels.
    """

    def __init__(
        self,
        model: bytes,
        points: Sequence[ExitPoint],
        scores: int | None,
        frame_input: FrameInput,
        backend: Backend,
    ) -> None:
        self._points, self._frame_input = points, frame_input
        kept = [point.tensor.index for point in points] + ([] if scores is None else [scores])
        self._interpreter = backend.load(tap(model, kept))
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [d["index"] for d in self._interpreter.get_output_details()]
        self._rows: list[list[tuple[Any, Any]]] = [[] for _ in points]
        self._scores: list[NDArray[Any]] = []

    def add(self, frame: NDArray[Any]) -> None:
        """Run one frame, shape [H, W, C].

        Raises:
            FrameError: it has another shape or dtype than the backbone takes.
        """
        self._interpreter.set_tensor(self._input, self._frame_input(frame))
        self._interpreter.invoke()
        values = [self._interpreter.get_tensor(output) for output in self._outputs]
        for rows, point, value in zip(self._rows, self._points, values, strict=False):
            rows.append(_pooled(point, value))
        self._scores += [value.reshape(-1) for value in values[len(self._points) :]]

    def features(self) -> tuple[PointFeatures, ...]:
        """Return what came of the frames so far, by point."""
        return tuple(map(_collected, self._points, self._rows))

    def scores(self) -> NDArray[Any] | None:
        """Return the net's own raw scores, shape [n, values], None where they are not kept."""
        return np.array(self._scores) if self._scores else None


def _pooled(point: ExitPoint, value: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
    """Return mean, in the tensor's units, and maximum of the channels; a vector has no mean."""
    if not point.pooled:
        return None, value.reshape(-1)
    plane = value.reshape(-1, point.channels)
    return plane.mean(axis=0, dtype=np.float32), plane.max(axis=0)


def _collected(point: ExitPoint, rows: Sequence[tuple[Any, NDArray[Any]]]) -> PointFeatures:
    top = np.array([top for _, top in rows])
    if not point.pooled:
        return PointFeatures(point.tensor, None, top, NONE)
    means = np.array([mean for mean, _ in rows])
    if point.tensor.dtype == "float32":
        return PointFeatures(point.tensor, means, top, NONE)
    real = (means - np.float32(point.tensor.zero_point)) * np.float32(point.tensor.scale)
    room = _ROOM * float(np.ptp(real))
    mean_as = quantisation_of(
        point.tensor.dtype, float(real.min()) - room, float(real.max()) + room
    )
    stored = quantize(real, mean_as.scale, mean_as.zero_point, point.tensor.dtype)
    return PointFeatures(point.tensor, stored, top, mean_as)


def quantisation_of(dtype: str, low: float, high: float) -> Quantisation:
    """Return scale and zero point of a range, widened to hold zero."""
    limits = np.iinfo(dtype)
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max(high - low, 1e-9) / (limits.max - limits.min)))
    zero_point = int(np.clip(round(limits.min - low / scale), limits.min, limits.max))
    return Quantisation(scale, zero_point)

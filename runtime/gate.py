"""The frame gate: an almost unchanged picture is answered from the last answer, without the net.

Pictures are compared as small grey thumbnails, in integers, by their mean absolute difference in
grey levels. The one compared with is that of the last frame that the net ran on, not that of the
frame before: so a slow change adds up until the net runs again.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.records import Frame, InferenceRecord

_SIDE = 16
"""Cells of a thumbnail in each direction, at most."""
_SAMPLES = 64
"""Pixels looked at in each direction, about: the time of a comparison has a bound."""
LEVEL = 16
"""Steps of a grey level that a thumbnail tells apart."""
_GREY = np.array([77, 150, 29], np.int32)
"""Weights of red, green and blue by ITU-R BT.601, of 256."""

Thumbnail = NDArray[np.int32]
"""Shape [rows, columns], grey levels times `LEVEL`."""


def check_gate(spec: FrameSpec) -> None:
    """Refuse a gate before a bundle of other frames than whole numbers. Raises InputError."""
    if spec.dtype.kind == "f":
        raise InputError(
            f"--gate compares frames in grey levels, the bundle takes {spec.dtype}: leave it out"
        )


def thumbnail(data: NDArray[Any]) -> Thumbnail:
    """Return the small grey picture of a frame of integers, shape [height, width, channels]."""
    picture = data.reshape(*(*data.shape, 1)[:2], -1)
    down, across = (max(1, side // _SAMPLES) for side in picture.shape[:2])
    picture = picture[::down, ::across].astype(np.int32)
    colour = picture.shape[2] == 3
    grey = (picture @ _GREY) if colour else picture.sum(axis=2, dtype=np.int32)
    weight = 256 if colour else picture.shape[2]
    (rows, heights), (columns, widths) = (_cells(side) for side in grey.shape)
    sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=0, dtype=np.int64), columns, axis=1)
    area = np.multiply.outer(heights, widths) * weight
    small: Thumbnail = ((sums * LEVEL) // area).astype(np.int32)
    return small


def _cells(side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the cells along a side begin, and how long they are."""
    count = min(side, _SIDE)
    starts = np.arange(count) * side // count
    return starts, np.diff(np.append(starts, side))


def difference(one: Thumbnail, other: Thumbnail) -> int:
    """Return the sum of absolute differences, in steps."""
    return int(np.abs(one - other).sum())


class FrameGate:
    """Says whether a frame looks like the last one that was kept.

    Args:
        threshold: mean absolute difference in grey levels up to which it does.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._kept: Thumbnail | None = None
        self._seen: Thumbnail | None = None

    def passes(self, data: NDArray[Any]) -> bool:
        """Return True for a picture that changed, or that nothing was kept to compare with."""
        self._seen = seen = thumbnail(data)
        kept = self._kept
        if kept is None or kept.shape != seen.shape:
            return True
        return difference(kept, seen) > self._threshold * LEVEL * seen.size

    def keep(self) -> None:
        """Compare with the frame last seen from now on."""
        self._kept = self._seen


class GatedEngine:
    """An engine behind a gate: a `LocalEngine` itself.

    The energy of a gated answer is that of the board in the meantime: it is among the waits, and
    its record has none of its own.

    Args:
        engine: runs where the picture changed.
        gate: says where.
        now_ns: the engine's time.
    """

    def __init__(self, engine: LocalEngine, gate: FrameGate, now_ns: Callable[[], int]) -> None:
        self._engine, self._gate, self._now_ns = engine, gate, now_ns
        self._last: InferenceRecord | None = None
        self._runs = 0
        """Frames that the engine answered."""
        self._drained = 0
        """Records of these that were returned."""
        self._gated: deque[tuple[int, InferenceRecord]] = deque()
        """Records to be returned once so many of the engine's were."""

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """Answer one frame; see `InferenceEngine`."""
        start_ns = self._now_ns()
        if self._gate.passes(frame.data) or self._last is None:
            self._last = self._engine.infer(frame, backlog)
            self._gate.keep()
            self._runs += 1
            return self._last
        record = self._repeated(self._last, frame, start_ns)
        self._gated.append((self._runs, record))
        return record

    def drain(self) -> Sequence[InferenceRecord]:
        """Return the records whose energy became known, in order."""
        return list(self._in_order(self._engine.drain()))

    def rest(self) -> None:
        """Nothing to do until the next frame."""
        self._engine.rest()

    def finish(self) -> Sequence[InferenceRecord]:
        """End the run: return the records that were still open."""
        done = list(self._in_order(self._engine.finish()))
        done += [record for _, record in self._gated]
        self._gated.clear()
        return done

    def close(self) -> None:
        """Release what the engine holds."""
        self._engine.close()

    def _repeated(self, last: InferenceRecord, frame: Frame, start_ns: int) -> InferenceRecord:
        return replace(
            last,
            number=frame.number,
            answer=last.answer if last.net_answer is None else last.net_answer,
            net_answer=None,
            arrival_ns=start_ns if frame.arrival_ns is None else frame.arrival_ns,
            start_ns=start_ns,
            end_ns=self._now_ns(),
            stage_start_ns=(),
            stage_end_ns=(),
            points=(),
            switches=0,
            invoke_ns=0,
            label=frame.label,
            deadline_ns=frame.deadline_ns,
            exit_probabilities=None,
            energy=None,
            name=frame.name,
            reading=None,
            gated=True,
        )

    def _in_order(self, records: Sequence[InferenceRecord]) -> Iterator[InferenceRecord]:
        yield from self._due()
        for record in records:
            yield record
            self._drained += 1
            yield from self._due()

    def _due(self) -> Iterator[InferenceRecord]:
        while self._gated and self._gated[0][0] <= self._drained:
            yield self._gated.popleft()[1]

"""Contracts around an engine: what answers frames, here or far away, and what watches it do so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import FrameError
from edge_infer.runtime.records import Frame, InferenceRecord


class InferenceEngine(Protocol):
    """Answers frames, here or on a board at the end of a serial line."""

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """Answer one frame; `backlog` frames wait behind it.

        Raises:
            FrameError: the frame has another shape or dtype than the bundle takes.
        """
        ...

    def close(self) -> None:
        """Release what it holds. May be called twice."""
        ...


class LocalEngine(InferenceEngine, Protocol):
    """An engine on this board, whose records get their energy when the meter covers them."""

    def drain(self) -> Sequence[InferenceRecord]:
        """Return the records whose energy became known, in order."""
        ...

    def rest(self) -> None:
        """Nothing to do until the next frame: go to the point to wait at."""
        ...

    def finish(self) -> Sequence[InferenceRecord]:
        """End the run: return the records that were still open."""
        ...


class Marker(Protocol):
    """A line that is high while an inference runs, for an external meter or an oscilloscope."""

    def set_high(self) -> None:
        """Raise it. Raises BoardError."""
        ...

    def set_low(self) -> None:
        """Lower it. Raises BoardError."""
        ...


def check_opened(bundle: object, board: object) -> None:
    """Refuse names in place of what they name. Raises TypeError that says what to open."""
    if not isinstance(bundle, Bundle):
        raise TypeError(f"the bundle is a {type(bundle).__name__}: open it first, open_bundle(...)")
    if board is None or isinstance(board, str | bytes | Path | Bundle):
        raise TypeError(f"the board is a {type(board).__name__}: open it first, open_board(...)")


def check_array(data: object) -> None:
    """Raise FrameError for data that are no array."""
    if not isinstance(data, np.ndarray):
        raise FrameError(
            f"a frame is a numpy array or a Frame, this is a {type(data).__name__}: "
            "np.asarray makes an array of numbers"
        )

"""The engine with a marker: a line that is high while an inference runs, for external meters."""

from typing import Any, Protocol

from edge_infer.boards.contract import Board
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame, InferenceRecord


class Marker(Protocol):
    """A line that a meter or an oscilloscope watches."""

    def set_high(self) -> None:
        """Raise it. Raises BoardError."""
        ...

    def set_low(self) -> None:
        """Lower it. Raises BoardError."""
        ...


class MarkedEngine(Engine):
    """An engine that holds `marker` high from before an inference to after it.

    The window holds the governor's decisions and changes of clock, as the record's own times do;
    raising and lowering the line lies outside those times. `Engine` itself knows nothing of it.
    """

    def __init__(self, bundle: Bundle, board: Board, *, marker: Marker, **options: Any) -> None:
        super().__init__(bundle, board, **options)
        self._marker = marker

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """Answer one frame, see `Engine.infer`. Raises GpioError when the line is gone."""
        marker = self._marker
        marker.set_high()
        try:
            return super().infer(frame, backlog)
        finally:
            marker.set_low()

"""Runs quantised TFLite models that adapt, on small boards, for the fewest joules per right answer.

    from edge_infer import Engine, open_board, open_bundle

Open a bundle and a board, and an `Engine` answers frames on them; each answer is an
`InferenceRecord` with its latency, its clock and its energy. `EventLoop` feeds an engine from a
source at a rate. Names are imported when they are used, so `import edge_infer` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_infer.boards import open_board
    from edge_infer.models_tflite import open_bundle
    from edge_infer.runtime import Engine, Frame, InferenceRecord

_HOMES = {
    "open_bundle": "edge_infer.models_tflite",
    "open_board": "edge_infer.boards",
    "Engine": "edge_infer.runtime",
    "Frame": "edge_infer.runtime",
    "InferenceRecord": "edge_infer.runtime",
}
"""Name -> package that it is imported from at first use."""

__all__ = ["open_bundle", "open_board", "Engine", "Frame", "InferenceRecord"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

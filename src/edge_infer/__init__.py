"""Runs quantised TFLite models that adapt, on small boards, for the fewest joules per right answer.

Open a bundle and a board, and an `Engine` answers frames on them:

    from edge_infer import Engine, open_board, open_bundle, open_samples

    bundle = open_bundle("digits-early-exit")
    with open_board("sim:raspberry-pi-5") as board, Engine(bundle, board) as engine:
        for record in engine.stream(open_samples(bundle)):
            print(record.answer_label, record.latency_ns, record.energy)

Each answer is an `InferenceRecord`, with its latency, its operating points and its energy.
`EventLoop` feeds an engine from a source at a rate. `edge_infer.boards` is what hardware can do,
`edge_infer.models_tflite` what a bundle holds, `edge_infer.runtime` what runs,
`edge_infer.firmware_bridge` the serial line, `edge_infer.lab` what compares, tunes and trains.
"""

from typing import TYPE_CHECKING

from edge_infer.lazy import exports

if TYPE_CHECKING:
    from edge_infer.boards import Board, BoardError, UnknownBoardError, board_names, open_board
    from edge_infer.firmware_bridge.errors import LinkError
    from edge_infer.models_tflite import (
        Bundle,
        BundleError,
        FrameError,
        UnknownBackendError,
        UnknownRatioError,
        open_backend,
        open_bundle,
        shipped_names,
    )
    from edge_infer.runtime import (
        Engine,
        EventLoop,
        Frame,
        Governor,
        InferenceEnergy,
        InferenceRecord,
        Periodic,
        PolicyError,
        RunError,
        RunSummary,
        SourceError,
        open_samples,
        open_source,
    )

__all__ = [
    "open_bundle",
    "open_board",
    "open_backend",
    "open_source",
    "open_samples",
    "shipped_names",
    "board_names",
    "Bundle",
    "Board",
    "Engine",
    "EventLoop",
    "Periodic",
    "Governor",
    "Frame",
    "InferenceRecord",
    "InferenceEnergy",
    "RunSummary",
    "BundleError",
    "FrameError",
    "UnknownBackendError",
    "UnknownRatioError",
    "BoardError",
    "UnknownBoardError",
    "RunError",
    "PolicyError",
    "SourceError",
    "LinkError",
]

if not TYPE_CHECKING:  # so that type checkers find a name that is not there
    __getattr__, __dir__ = exports(
        __name__,
        {
            "edge_infer.boards": "Board BoardError UnknownBoardError board_names open_board",
            "edge_infer.firmware_bridge.errors": "LinkError",
            "edge_infer.models_tflite": (
                "Bundle BundleError FrameError UnknownBackendError UnknownRatioError open_backend "
                "open_bundle shipped_names"
            ),
            "edge_infer.runtime": (
                "Engine EventLoop Frame Governor InferenceEnergy InferenceRecord Periodic "
                "PolicyError RunError RunSummary SourceError open_samples open_source"
            ),
        },
    )

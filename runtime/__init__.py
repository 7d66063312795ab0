"""What runs on a board: sources -> stages -> exit criterion -> governor -> accounting -> sinks.

`Engine` answers one frame; `EventLoop` feeds it from a source at a rate; `RunSummary` says what a
run came to. A policy's name chooses the governor (policies/), which plans operating points
(planning/); whatever compares, tunes or trains stands in the laboratory.
"""

from typing import TYPE_CHECKING

from edge_infer.lazy import exports

if TYPE_CHECKING:
    from edge_infer.runtime.arrivals import BackToBack, Periodic
    from edge_infer.runtime.engine import Engine
    from edge_infer.runtime.errors import PolicyError, RunError, SourceError, SourceMissingError
    from edge_infer.runtime.event_loop import EventLoop
    from edge_infer.runtime.frames.sources import open_samples, open_source
    from edge_infer.runtime.governors.governor import Governor
    from edge_infer.runtime.policies.context import PolicySettings
    from edge_infer.runtime.records import Frame, InferenceEnergy, InferenceRecord
    from edge_infer.runtime.summary import RunSummary

__all__ = [
    "Engine",
    "EventLoop",
    "Frame",
    "InferenceRecord",
    "InferenceEnergy",
    "Governor",
    "PolicySettings",
    "Periodic",
    "BackToBack",
    "RunSummary",
    "open_source",
    "open_samples",
    "RunError",
    "PolicyError",
    "SourceError",
    "SourceMissingError",
]

if not TYPE_CHECKING:  # so that type checkers find a name that is not there
    __getattr__, __dir__ = exports(
        __name__,
        {
            "edge_infer.runtime.arrivals": "BackToBack Periodic",
            "edge_infer.runtime.engine": "Engine",
            "edge_infer.runtime.errors": "PolicyError RunError SourceError SourceMissingError",
            "edge_infer.runtime.event_loop": "EventLoop",
            "edge_infer.runtime.frames.sources": "open_samples open_source",
            "edge_infer.runtime.governors.governor": "Governor",
            "edge_infer.runtime.policies.context": "PolicySettings",
            "edge_infer.runtime.records": "Frame InferenceEnergy InferenceRecord",
            "edge_infer.runtime.summary": "RunSummary",
        },
    )

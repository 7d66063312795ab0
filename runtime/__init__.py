"""Decides and runs: sources -> stages -> exit criterion -> governor -> accounting -> sinks.

`Engine` answers one frame; `EventLoop` feeds it from a source at a rate; `RunSummary` says what a
run came to.
"""

from edge_infer.runtime.engine import Engine
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.frames.sources import open_source
from edge_infer.runtime.records import Frame, InferenceEnergy, InferenceRecord
from edge_infer.runtime.summary import RunSummary

__all__ = [
    "Engine",
    "EventLoop",
    "Frame",
    "InferenceEnergy",
    "InferenceRecord",
    "RunSummary",
    "open_source",
]

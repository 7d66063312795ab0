"""Decides and runs: sources -> stages -> exit criterion -> governor -> accounting -> sinks.

`Engine` answers one frame; `EventLoop` feeds it from a source at a rate; `RunSummary` says what a
run came to.
"""

from runtime.engine import Engine
from runtime.event_loop import EventLoop
from runtime.frames.sources import open_source
from runtime.records import Frame, InferenceEnergy, InferenceRecord
from runtime.summary import RunSummary

__all__ = [
    "Engine",
    "EventLoop",
    "Frame",
    "InferenceEnergy",
    "InferenceRecord",
    "RunSummary",
    "open_source",
]

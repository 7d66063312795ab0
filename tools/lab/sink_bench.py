"""What a sink adds to an inference on this computer, in real time.

Rounds with a sink and without one take turns, back to back, which is the worst case: the sink's
thread has work all the time. A percentile's difference is taken round by round, and the median of
the rounds counts: so the figure holds on a machine that does other things too.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from edge_infer.boards import open_board
from edge_infer.models_tflite import Backend, Bundle
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.event_loop import DRAIN_EVERY_NS
from edge_infer.runtime.records import Frame
from edge_infer.runtime.sinks.mqtt import MqttSink
from edge_infer.runtime.sinks.mqtt_address import MqttAddress
from edge_infer.runtime.sinks.prometheus import PrometheusSink, ScrapeAddress
from edge_infer.runtime.sinks.row_files import FileSink
from edge_infer.runtime.sinks.sink import RunState, Sink
from edge_infer.runtime.sinks.sink_set import SinkSet
from edge_infer.runtime.sinks.sink_thread import SinkThread
from edge_infer.runtime.sinks.trace import TraceSink

ROUNDS = 16
RANKS = (50, 99)
_NO_STATE = RunState(0, 0, None, False, None, None, 0, 0, 0, 0)


def sinks_us(bundle: Bundle, backend: Backend, threads: int, runs: int) -> dict[str, Any]:
    """Return what each sink adds to an inference, in us: by sink, by percentile.

    Args:
        bundle: an open bundle.
        backend: the kernels.
        threads: interpreter threads.
        runs: frames to time with each sink, and without.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        open_board("host") as board,
        Engine(bundle, board, backend=backend, threads=threads, keeps_scores=True) as engine,
    ):
        frames = bundle.golden().frames
        count = max(20, runs // ROUNDS)
        _round(engine, frames, count, lambda record: None, lambda: None)
        return {
            name: _added_us(engine, frames, count, opener)
            for name, opener in _sinks(bundle, Path(folder)).items()
        }


def _sinks(bundle: Bundle, folder: Path) -> dict[str, Callable[[], Sink]]:
    """Return what opens each kind of sink: those that work, and those that do not."""
    reader = AnswerReader(bundle.manifest, 3)
    exits = tuple(stage.name for stage in bundle.manifest.stages)
    (folder / "full.jsonl").symlink_to(os.devnull.replace("null", "full"))
    nowhere = MqttAddress("localhost", 1883, "bench")

    def mqtt(up: bool) -> Sink:
        sink = MqttSink(nowhere, reader, None, lambda text: None, _Client(up))  # type: ignore[arg-type]
        sink.patience_s = 0.0 if not up else sink.patience_s
        return sink

    return {
        "file": lambda: FileSink(folder / "rows.jsonl", reader),
        "full_disk": lambda: FileSink(folder / "full.jsonl", reader),
        "mqtt": lambda: mqtt(True),
        "dead_broker": lambda: mqtt(False),
        "prometheus": lambda: PrometheusSink(ScrapeAddress("127.0.0.1", 0), reader, exits, {}),
        "trace": lambda: TraceSink(folder / "trace.json", reader, exits, "bench"),
    }


class _Client:
    """A broker that confirms at once, or is never there."""

    def __init__(self, up: bool) -> None:
        self._up, self._number = up, 0
        self.on_connect: Any = None
        self.on_publish: Any = None

    def will_set(self, *arguments: Any, **more: Any) -> None: ...

    def connect_async(self, *arguments: Any) -> None: ...

    def disconnect(self) -> None: ...

    def loop_stop(self) -> None: ...

    def loop_start(self) -> None:
        if self._up:
            self.on_connect(self, None, None, SimpleNamespace(is_failure=False), None)

    def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> Any:
        self._number += 1
        if not retain:
            self.on_publish(self, None, self._number, None, None)
        return SimpleNamespace(mid=self._number, rc=0)


def _added_us(
    engine: Engine, frames: Any, count: int, opener: Callable[[], Sink]
) -> dict[str, float]:
    with _served(opener()) as (sinks, thread):
        added = []
        for _ in range(ROUNDS):
            bare = _round(engine, frames, count, lambda record: None, lambda: None)
            told = _round(
                engine, frames, count, sinks.put, lambda: sinks.drained(0, lambda: _NO_STATE)
            )
            added.append(np.percentile(told, RANKS) - np.percentile(bare, RANKS))
            _let_catch_up(thread)
    middle = np.median(np.array(added), axis=0) / 1000
    return {f"p{rank}": float(us) for rank, us in zip(RANKS, middle, strict=True)}


@contextmanager
def _served(sink: Sink) -> Iterator[tuple[SinkSet, SinkThread]]:
    thread = SinkThread(sink)
    with SinkSet([thread]) as sinks:
        yield sinks, thread


def _let_catch_up(thread: SinkThread) -> None:
    """Wait until the sink has taken all, or takes nothing any more."""
    left = -1
    while left != (left := thread.waiting) and left:
        time.sleep(0.01)


def _round(
    engine: Engine,
    frames: Any,
    count: int,
    put: Callable[[Any], None],
    drained: Callable[[], None],
) -> list[int]:
    """Return the ns of each inference, its record handed over as a run does it."""
    clock, times = time.perf_counter_ns, []
    drain_ns = clock()
    for number in range(count):
        frame = Frame(number, frames[number % len(frames)])
        begin_ns = clock()
        engine.infer(frame)
        end_ns = clock()
        if end_ns >= drain_ns:
            for record in engine.drain():
                put(record)
            drained()
            drain_ns = clock() + DRAIN_EVERY_NS
            end_ns += clock() - end_ns  # this one waits for its turn behind the records
        times.append(end_ns - begin_ns)
    for record in engine.drain():
        put(record)
    drained()
    return times

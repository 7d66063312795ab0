"""A run as a trace that Perfetto and chrome://tracing open: the Trace Event Format's array form.

One process, a row each for inferences, stages, waits; counters of clock, power and temperature.
Written event by event, so that a run of any length takes no memory, and what was cut off still
opens: the format lets the closing bracket be missing.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_infer.boards.power import PowerSample
from edge_infer.files import RowFile
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import RunState, Sink

_PROCESS = 1
_ROWS = INFERENCES, STAGES, WAITS = 1, 2, 3
_NAMES = {INFERENCES: "inferences", STAGES: "stages and decisions", WAITS: "waits"}


class TraceSink(Sink):
    """Writes a trace; about 1 kB an inference, and 70 bytes a sample of the meter.

    Args:
        path: of the file, .json.
        reader: of the bundle.
        exit_names: of the bundle.
        title: of the process: what runs where.

    Raises:
        InputError: the suffix is another.
        OSError: the file cannot be written.
    """

    wants_power = wants_state = True

    def __init__(
        self, path: Path, reader: AnswerReader, exit_names: Sequence[str], title: str
    ) -> None:
        if path.suffix != ".json":
            raise InputError(f"{path}: a trace is JSON; name it trace.json")
        self.name = str(path)
        self._reader, self._exit_names = reader, exit_names
        self._rows = RowFile(path)
        self._waiting = 0
        self._origin_ns: int | None = None
        """Of the times in the trace: a computer's own have too many digits for whole ns."""
        self._ended_ns: int | None = None
        self._clock_khz: int | None = None
        self._closed = False
        self._rows.write("[\n")
        self._metadata("process_name", title)
        for row, name in _NAMES.items():
            self._metadata("thread_name", name, row)

    def write(self, record: InferenceRecord) -> None:
        """Write one inference: its waits, its stages, what was decided after each."""
        self._begin(record.arrival_ns)
        if self._ended_ns is not None and record.start_ns > self._ended_ns:
            self._span("wait for a frame", WAITS, self._ended_ns, record.start_ns)
        self._ended_ns = record.end_ns
        answer, energy = self._reader.read(record), record.energy
        told = {
            "name": record.name,
            "answer": answer.label,
            "confidence": answer.confidence,
            "exit": self._exit_names[record.exit],
            "latency_us": record.latency_ns / 1000,
            "missed": record.missed,
            "net_uj": None if energy is None else energy.net_nj / 1000,
        }
        self._span(f"frame {record.number}", INFERENCES, record.start_ns, record.end_ns, told)
        if record.arrival_ns < record.start_ns:
            self._queued(record)
        self._stages(record)
        self._waiting += 1

    def sampled(self, samples: Sequence[PowerSample]) -> None:
        """Write the meter's samples as a counter: each is the mean from its time on."""
        for sample in samples:
            begin_ns = sample.timestamp_ns - sample.interval_ns
            self._begin(begin_ns)
            self._counter("power", begin_ns, "W", sample.power_uw / 1e6)

    def observe(self, state: RunState) -> None:
        """Write the temperature, and the clock where nothing runs."""
        self._begin(state.at_ns)
        if state.millicelsius is not None:
            self._counter("temperature", state.at_ns, "degC", state.millicelsius / 1000)
        self._clock(state.at_ns, state.clock_khz)

    def flush(self) -> None:
        """Let events out."""
        self._rows.flush()
        self.delivered += self._waiting
        self._waiting = 0

    def close(self) -> None:
        """End the array, and close the file. May be called twice."""
        if not self._closed:
            self._closed = True
            last = {"ph": "M", "name": "process_sort_index", "pid": _PROCESS, "tid": 0}
            self._rows.write(json.dumps({**last, "args": {"sort_index": 0}}) + "\n]\n")
        self._rows.close()

    def _begin(self, at_ns: int) -> None:
        if self._origin_ns is None:
            self._origin_ns = at_ns

    def _stages(self, record: InferenceRecord) -> None:
        at_ns = record.start_ns
        for index, (begin_ns, end_ns, point) in enumerate(
            zip(record.stage_start_ns, record.stage_end_ns, record.points, strict=True)
        ):
            if begin_ns > at_ns:
                self._span("choose the clock", STAGES, at_ns, begin_ns)
            self._clock(begin_ns, point.clock_khz)
            told = {"MHz": point.clock_khz / 1000, "threads": point.threads, "ratio": record.ratio}
            self._span(self._exit_names[index], STAGES, begin_ns, end_ns, told)
            leaves = index == record.exit
            decided = {"frame": record.number, "criterion": record.confidence if leaves else None}
            self._event("i", "leave" if leaves else "stay", STAGES, end_ns, s="t", args=decided)
            at_ns = end_ns

    def _queued(self, record: InferenceRecord) -> None:
        """Write the wait in the queue; several overlap, so it is an asynchronous event."""
        more = {"cat": "queue", "id": record.number}
        self._event("b", "queued", WAITS, record.arrival_ns, **more)
        self._event("e", "queued", WAITS, record.start_ns, **more)

    def _clock(self, at_ns: int, khz: int) -> None:
        if khz and khz != self._clock_khz:
            self._clock_khz = khz
            self._counter("clock", at_ns, "MHz", khz / 1000)

    def _span(
        self, name: str, row: int, begin_ns: int, end_ns: int, args: dict[str, Any] | None = None
    ) -> None:
        duration_us = (end_ns - begin_ns) / 1000
        self._event("X", name, row, begin_ns, dur=duration_us, args=args or {})

    def _counter(self, name: str, at_ns: int, unit: str, value: float) -> None:
        self._event("C", name, 0, at_ns, args={unit: value})

    def _metadata(self, kind: str, name: str, row: int = 0) -> None:
        self._event("M", kind, row, 0, args={"name": name})

    def _event(self, phase: str, name: str, row: int, at_ns: int, **more: Any) -> None:
        ts_us = (at_ns - (self._origin_ns or at_ns)) / 1000
        event = {"ph": phase, "name": name, "pid": _PROCESS, "tid": row, "ts": ts_us}
        self._rows.write(json.dumps({**event, **more}) + ",\n")

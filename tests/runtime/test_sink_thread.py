"""Sinks behind their threads: nothing here sleeps, what blocks is let go by the test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tests.fakes.runtime_fakes import record_of

from edge_infer.boards.power import PowerSample
from edge_infer.runtime.records import Frame, InferenceRecord
from edge_infer.runtime.sinks.sink import RunState, Sink
from edge_infer.runtime.sinks.sink_set import STATE_EVERY_NS, SinkSet
from edge_infer.runtime.sinks.sink_thread import SinkThread

LONG_S = 30.0
"""A test that waits this long has failed."""


def numbered(number: int) -> InferenceRecord:
    return record_of(Frame(number, np.zeros(1)), number, number + 1)


class KeepingSink(Sink):
    """Keeps numbers; may block, or fail at a number."""

    name = "kept"
    wants_power = wants_state = True

    def __init__(self, fails_at: int | None = None) -> None:
        self.numbers: list[int] = []
        self.states: list[RunState] = []
        self.samples = 0
        self.flushes = 0
        self.closed = False
        self.fails_at = fails_at
        self.entered = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def write(self, record: InferenceRecord) -> None:
        self.entered.set()
        assert self.may_go_on.wait(LONG_S)
        if record.number == self.fails_at:
            raise OSError(28, "No space left on device")
        self.numbers.append(record.number)
        self.delivered += 1

    def observe(self, state: RunState) -> None:
        self.states.append(state)

    def sampled(self, samples: object) -> None:
        self.samples += 1

    def flush(self) -> None:
        self.flushes += 1

    def close(self) -> None:
        self.closed = True


@contextmanager
def blocked(sink: KeepingSink) -> Iterator[None]:
    sink.may_go_on.clear()
    try:
        yield
    finally:
        sink.may_go_on.set()


def state(at_ns: int = 0) -> RunState:
    return RunState(at_ns, 0, None, False, None, None, 0, 0, 0, 0)


def test_records_arrive_in_order_and_the_end_waits_for_them() -> None:
    sink = KeepingSink()
    with SinkSet([SinkThread(sink)]) as sinks:
        for number in range(1000):
            sinks.put(numbered(number))
        sinks.drained(0, state)
    assert sink.numbers == list(range(1000))
    assert sink.closed and sink.flushes > 0
    (document,) = sinks.document()
    assert document.pop("cpu_us") > 0
    assert document == {"name": "kept", "written": 1000, "dropped": 0, "error": None}


def test_a_blocked_sink_delays_no_frame_and_what_gives_way_is_counted() -> None:
    stuck, other = KeepingSink(), KeepingSink()
    threads = [SinkThread(stuck, limit=100), SinkThread(other, limit=10_000)]
    with SinkSet(threads) as sinks, blocked(stuck):
        sinks.put(numbered(0))
        sinks.drained(0, state)
        assert stuck.entered.wait(LONG_S)
        # The thread is stuck with the first one; none of these calls waits for it.
        for number in range(1, 1001):
            sinks.put(numbered(number))
            sinks.drained(number, state)
        assert stuck.numbers == []
    assert stuck.numbers == [0, *range(901, 1001)]  # the newest are kept
    assert other.numbers == list(range(1001))
    told, full = sinks.document()
    assert (told["written"], told["dropped"]) == (101, 900)
    assert (full["written"], full["dropped"]) == (1001, 0)


def test_what_comes_without_end_is_let_out_meanwhile() -> None:
    class Endless(KeepingSink):
        def write(self, record: InferenceRecord) -> None:
            super().write(record)
            if record.number < 1000:  # there is always one more
                thread.put(numbered(record.number + 1))

    sink = Endless()
    thread = SinkThread(sink)
    thread.put(numbered(0))
    thread.step()
    assert sink.numbers == list(range(1001)) and sink.flushes > 10


def test_frames_that_can_wait_do_so_for_a_sink_that_keeps_all() -> None:
    sink = KeepingSink()
    with SinkSet([SinkThread(sink, frames_wait=True, limit=10)]) as sinks:
        for number in range(2000):
            sinks.put(numbered(number))
    assert sink.numbers == list(range(2000))


def test_samples_wait_as_frames_do_and_give_way_where_nothing_waits() -> None:
    sample = [PowerSample(0, 0, 1, 5000, 1, 1)]
    sink = KeepingSink()
    with SinkSet([SinkThread(sink, frames_wait=True, limit=10)]) as sinks:
        for number in range(500):
            sinks.put(numbered(number))
            sinks.sampled(sample)
    assert (sink.samples, len(sink.numbers)) == (500, 500)
    stuck = KeepingSink()
    with SinkSet([SinkThread(stuck, limit=10)]) as sinks, blocked(stuck):
        for number in range(50):
            sinks.put(numbered(number))
            sinks.sampled(sample)
    assert stuck.samples < 10


def test_what_waits_for_a_sink_ends_with_the_run() -> None:
    sink, stopping = KeepingSink(), threading.Event()
    thread = SinkThread(sink, frames_wait=True, gives_up=stopping.is_set, limit=10)
    with SinkSet([thread]) as sinks, blocked(sink):
        stopping.set()
        for number in range(100):
            sinks.put(numbered(number))  # would wait for ever
    assert thread.dropped > 0 and len(sink.numbers) + thread.dropped == 100


def test_a_sink_that_fails_says_so_once_and_the_others_go_on() -> None:
    failing, other = KeepingSink(fails_at=5), KeepingSink()
    told: list[tuple[str, str]] = []

    def failed(sink: Sink, error: Exception) -> None:
        told.append((sink.name, str(error)))

    with SinkSet([SinkThread(one, failed=failed) for one in (failing, other)]) as sinks:
        for number in range(20):
            sinks.put(numbered(number))
    assert told == [("kept", "[Errno 28] No space left on device")]
    assert failing.closed
    first, second = sinks.document()
    assert (first["written"], first["dropped"]) == (5, 15)
    assert "No space left" in first["error"]
    assert second["dropped"] == 0


def test_the_patience_of_a_sink_ends_the_wait_for_it() -> None:
    sink = KeepingSink()
    sink.patience_s = 0.0
    thread = SinkThread(sink)
    with blocked(sink):
        thread.start()
        thread.put(numbered(0))
        thread.close()
        thread.close()  # does not wait again
        assert thread.document()["error"] == "it did not take all within 0 s"
        assert thread.dropped == 1


def test_states_come_at_most_four_times_a_second_of_the_boards_time() -> None:
    sink = KeepingSink()
    asked: list[int] = []

    def at(ns: int) -> Callable[[], RunState]:
        def told() -> RunState:
            asked.append(ns)
            return state(ns)

        return told

    with SinkSet([SinkThread(sink)]) as sinks:
        for tick in range(21):
            sinks.drained(tick * STATE_EVERY_NS // 4, at(tick))
        sinks.sampled([PowerSample(0, 1, 1, 5000, 1, 1)])
        sinks.sampled([])
    assert asked == [0, 4, 8, 12, 16, 20]
    assert [found.at_ns for found in sink.states] == asked
    assert sink.samples == 1


@pytest.mark.parametrize("sinks", [0, 2])
def test_any_number_of_sinks_is_a_set(sinks: int) -> None:
    with SinkSet([SinkThread(KeepingSink()) for _ in range(sinks)]) as opened:
        opened.put(numbered(0))
    assert [one["written"] for one in opened.document()] == [1] * sinks

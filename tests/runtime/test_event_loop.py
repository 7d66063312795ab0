from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.runtime_fakes import FakeEngine, FakeTime

from edge_infer.boards.timebase import MonotonicTimebase
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.arrivals import Arrivals, BackToBack, Periodic
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.event_loop import EventLoop, came_ns
from edge_infer.runtime.frames.source import RawFrame
from edge_infer.runtime.frames.sources import ArraySource
from edge_infer.runtime.records import Frame, InferenceRecord

MS = 1_000_000
SPEC = FrameSpec((2, 2, 1), np.dtype(np.uint8))


def source(count: int) -> ArraySource:
    return ArraySource(np.zeros((count, 2, 2, 1), np.uint8), np.arange(count), SPEC)


def loop_of(
    frames: int, busy_ns: int, rate_hz: float | None = None, **settings: object
) -> tuple[EventLoop, list[InferenceRecord], FakeEngine]:
    time, records = FakeTime(), list[InferenceRecord]()
    engine = FakeEngine(time, busy_ns)
    arrivals = BackToBack() if rate_hz is None else Periodic(rate_hz)
    loop = EventLoop(engine, time, source(frames), arrivals, records.append, **settings)  # type: ignore[arg-type]
    return loop, records, engine


def test_back_to_back_runs_every_frame_once_without_waiting() -> None:
    loop, records, _ = loop_of(5, 3 * MS)
    loop.run()
    assert [record.number for record in records] == [0, 1, 2, 3, 4]
    assert [record.label for record in records] == [0, 1, 2, 3, 4]
    assert [record.start_ns for record in records] == [0, 3 * MS, 6 * MS, 9 * MS, 12 * MS]
    assert all(record.latency_ns == 3 * MS for record in records)


def test_periodic_frames_arrive_on_the_beat_however_long_the_inference() -> None:
    loop, records, _ = loop_of(4, 3 * MS, rate_hz=100)
    loop.run()
    assert [record.arrival_ns for record in records] == [0, 10 * MS, 20 * MS, 30 * MS]
    assert all(record.busy_ns == 3 * MS == record.latency_ns for record in records)


def test_a_frame_that_waits_counts_its_wait_and_misses() -> None:
    loop, records, engine = loop_of(4, 15 * MS, rate_hz=100, deadline_ns=20 * MS)
    loop.run()
    assert [record.latency_ns for record in records] == [15 * MS, 20 * MS, 25 * MS, 30 * MS]
    assert [record.missed for record in records] == [False, False, True, True]
    assert engine.backlogs[0] == 0


@given(
    frames=st.integers(1, 40),
    busy_ms=st.integers(1, 50),
    rate_hz=st.sampled_from([10.0, 50.0, 200.0, 1000.0]),
    limit=st.integers(1, 5),
)
def test_every_arrival_is_answered_or_dropped(
    frames: int, busy_ms: int, rate_hz: float, limit: int
) -> None:
    loop, records, engine = loop_of(frames, busy_ms * MS, rate_hz, queue_limit=limit)
    loop.run()
    assert loop.counts.arrived == frames
    assert len(records) + loop.counts.dropped == frames
    numbers = [record.number for record in records]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == frames - 1  # the newest is never the one that is dropped
    assert max(engine.backlogs) < limit
    if busy_ms * MS <= 1e9 / rate_hz:
        assert loop.counts.dropped == 0


def test_the_oldest_waiting_frame_gives_way() -> None:
    loop, records, _ = loop_of(4, 100 * MS, rate_hz=100, queue_limit=1)
    loop.run()
    assert [record.number for record in records] == [0, 3]
    assert loop.counts.dropped == 2


def test_duration_repeats_whole_passes() -> None:
    loop, records, _ = loop_of(3, 10 * MS, duration_ns=70 * MS)
    loop.run()
    assert loop.counts.passes == 3  # after two passes 60 ms are over, after three 90
    assert [record.label for record in records] == [0, 1, 2] * 3
    assert [record.number for record in records] == list(range(9))


def test_max_frames_cuts_and_repeats() -> None:
    for asked in (2, 3, 7):
        loop, records, _ = loop_of(3, MS, max_frames=asked)
        loop.run()
        assert len(records) == asked


def test_stop_ends_after_the_inference_at_hand() -> None:
    loop, records, engine = loop_of(10, MS)

    def stop(frame: Frame) -> None:
        if frame.number == 2:
            loop.stop()

    engine.on_infer = stop
    loop.run()
    assert [record.number for record in records] == [0, 1, 2]


def test_what_ran_is_emitted_when_a_frame_fails() -> None:
    loop, records, engine = loop_of(10, MS)

    def fail(frame: Frame) -> None:
        if frame.number == 2:
            raise RunError("broken")

    engine.on_infer = fail
    with pytest.raises(RunError, match="broken"):
        loop.run()
    assert [record.number for record in records] == [0, 1]


def test_only_waiting_and_reading_may_be_interrupted() -> None:
    loop, _, engine = loop_of(3, MS, rate_hz=100)
    seen: list[bool] = []
    engine.on_infer = lambda frame: seen.append(loop.interruptible)
    sleeping: list[bool] = []
    sleep = loop.timebase.sleep_until_ns

    def watched(until_ns: int) -> None:
        sleeping.append(loop.interruptible)
        sleep(until_ns)

    loop.timebase.sleep_until_ns = watched  # type: ignore[method-assign]
    loop.run()
    assert seen == [False] * 3
    assert sleeping == [True] * 2


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), 1e7])
def test_a_rate_that_cannot_be_kept_is_refused(rate: float) -> None:
    with pytest.raises(RunError, match="cannot be kept"):
        Periodic(rate)


class SlowSource(ArraySource):
    """Takes time to read each frame, and says how many were read."""

    def __init__(self, count: int, time: FakeTime, reading_ns: int) -> None:
        super().__init__(np.zeros((count, 2, 2, 1), np.uint8), None, SPEC)
        self.time, self.reading_ns, self.read = time, reading_ns, 0

    def __iter__(self) -> Iterator[RawFrame]:
        for raw in super().__iter__():
            self.time.advance(self.reading_ns)
            self.read += 1
            yield raw


def slow_loop(
    arrivals: Arrivals, count: int = 3, **settings: Any
) -> tuple[EventLoop, list[InferenceRecord], FakeEngine]:
    time, records = FakeTime(), list[InferenceRecord]()
    engine = FakeEngine(time, 2 * MS)
    source = SlowSource(count, time, 8 * MS)
    return EventLoop(engine, time, source, arrivals, records.append, **settings), records, engine


@pytest.mark.parametrize("arrivals", [BackToBack(), Periodic(20)])
def test_no_latency_holds_the_reading_of_a_frame(arrivals: Arrivals) -> None:
    loop, records, _ = slow_loop(arrivals)
    loop.run()
    assert [record.latency_ns - record.busy_ns for record in records] == [0, 0, 0]
    assert loop.counts.reading_ns == 24 * MS


def test_a_live_source_is_asked_for_no_frame_too_many() -> None:
    loop, records, engine = slow_loop(BackToBack(), 10, max_frames=2)
    live = loop.source
    assert isinstance(live, SlowSource)
    live.repeatable = False
    answered_when_read: list[tuple[int, int]] = []
    engine.on_infer = lambda frame: answered_when_read.append((frame.number, live.read))
    loop.run()
    assert answered_when_read == [(0, 1), (1, 2)]
    assert live.read == 2 and len(records) == 2


def test_records_come_out_while_a_live_source_is_waited_for() -> None:
    loop, records, _ = slow_loop(BackToBack(), 3)
    loop.source.repeatable = False
    told: list[int] = []

    class Waiting(SlowSource):
        def __iter__(self) -> Iterator[RawFrame]:
            for raw in super().__iter__():
                loop.drain_while_waiting()  # as a signal handler would
                told.append(len(records))
                yield raw

    loop.source = Waiting(3, loop.timebase, 0)  # type: ignore[arg-type]
    loop.source.repeatable = False
    loop.run()
    assert told == [0, 1, 2]


def test_a_stop_in_the_middle_of_waiting_ends_the_wait_after_the_records() -> None:
    loop, records, engine = slow_loop(BackToBack(), 3)
    loop.drain_while_waiting()  # nothing: the loop does not wait
    loop.interruptible, loop.stopping = True, True
    engine.infer(Frame(0, np.zeros(1)))
    with pytest.raises(KeyboardInterrupt):
        loop.drain_while_waiting()
    assert len(records) == 1


def test_a_live_source_ends_after_the_duration() -> None:
    loop, records, _ = loop_of(50, 3 * MS, duration_ns=10 * MS)
    loop.source.repeatable = False
    loop.run()
    assert [record.number for record in records] == [0, 1, 2, 3]


def test_a_camera_s_frame_arrives_when_it_was_read_by_our_clock() -> None:
    frame = RawFrame(np.zeros((2, 2, 1), np.uint8), read_ns=7)
    assert came_ns(frame, FakeTime()) == 0  # virtual time is another clock
    ours = MonotonicTimebase()
    assert came_ns(frame, ours) == 7 < came_ns(frame._replace(read_ns=None), ours)


@pytest.mark.parametrize(("error", "stops"), [(KeyboardInterrupt(), True), (RunError("x"), False)])
def test_what_a_signal_ends_waits_for_no_sink(error: BaseException, stops: bool) -> None:
    """Sinks ask `stopping` while the last records are let out; after a fault they get all."""
    loop, _, engine = loop_of(3, MS)
    asked: list[bool] = []

    def fail(*_: object) -> InferenceRecord:
        raise error

    engine.infer = fail  # type: ignore[assignment,method-assign]
    engine.finish = lambda: asked.append(loop.stopping) or []  # type: ignore[func-returns-value,method-assign]
    with pytest.raises(type(error)):
        loop.run()
    assert asked == [stops]

import threading
from collections.abc import Callable

import pytest

from edge_infer.boards import sampler
from edge_infer.boards.errors import BusError
from edge_infer.boards.power import MeterStatistics, PowerMeter, PowerSample, SampleFlag
from edge_infer.boards.sampler import InlineSampler, ThreadSampler
from edge_infer.boards.simulated.i2c import BusTime


class ScriptedChip:
    """A chip whose polls are a script: a timestamp makes a sample, None none, an error raises."""

    gain_uncertainty_ppm, offset_uncertainty_uw, resolution_uw = 11, 22, 33

    def __init__(self, script: list[int | BusError | None], waits: Callable[[], None]) -> None:
        self.due_ns = 0
        self._script = script
        self._waits = waits
        self.polled = self.started = 0

    def start(self) -> None:
        self.started += 1

    def poll(self) -> PowerSample | None:
        if self.polled == len(self._script):
            self._waits()
            return None
        entry = self._script[self.polled]
        self.polled += 1
        if isinstance(entry, BusError):
            raise entry
        if entry is None:
            return None
        self.due_ns = entry
        return PowerSample(self.polled - 1, entry, 1, 5_000, 1, 5)

    def statistics(self) -> MeterStatistics:
        return MeterStatistics(samples=self.polled)


def never() -> bool:
    return False


def drain_all(meter: PowerMeter, until_ns: int, count: int, ready: threading.Event) -> list[int]:
    assert ready.wait(10)
    return [sample.timestamp_ns for sample in meter.drain(until_ns)]


def test_a_thread_fills_what_a_drain_empties() -> None:
    done = threading.Event()
    chip = ScriptedChip([10, None, 20, 30], done.set)
    meter = ThreadSampler(chip, never)
    meter.start()
    try:
        assert drain_all(meter, 25, 2, done) == [10, 20]
        assert [s.timestamp_ns for s in meter.drain(99)] == [30]
        assert meter.drain(99) == []
    finally:
        meter.stop()
    meter.stop()
    assert (meter.origin, meter.gain_uncertainty_ppm) == ("measured", 11)
    assert (meter.offset_uncertainty_uw, meter.resolution_uw) == (22, 33)


def test_a_bus_that_failed_is_raised_after_the_samples_before_it() -> None:
    failure = BusError("gone")
    chip = ScriptedChip([10, 20, failure], lambda: None)
    meter = ThreadSampler(chip, never)
    meter.start()
    drained: list[PowerSample] = []
    with pytest.raises(BusError, match="gone"):
        for _ in range(10**6):  # the thread may not have got so far
            drained += meter.drain(99)
    assert [sample.timestamp_ns for sample in drained] == [10, 20]
    meter.stop()


def test_samples_that_nobody_drains_in_time_count_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "BUFFER_SAMPLES", 3)
    done = threading.Event()
    meter = ThreadSampler(ScriptedChip([1, 2, 3, 4, 5], done.set), never)
    meter.start()
    assert drain_all(meter, 99, 3, done) == [3, 4, 5]
    meter.stop()
    assert (meter.statistics().samples, meter.statistics().lost) == (3, 2)


def test_a_second_start_begins_anew() -> None:
    done = threading.Event()
    chip = ScriptedChip([1, 2], done.set)
    meter = ThreadSampler(chip, never)
    meter.start()
    assert done.wait(10)
    meter.start()
    assert chip.started == 2
    assert meter.drain(99) == []
    meter.stop()


def test_the_bus_never_overtakes_the_board() -> None:
    board_ns, time = [1_000], BusTime()

    class BusyChip(ScriptedChip):
        """Holds the bus for 100 ns a poll; each sample ends when its poll does."""

        def poll(self) -> PowerSample | None:
            time.at_ns = max(time.at_ns, self.due_ns) + 100
            assert time.at_ns <= board_ns[0]
            sample = super().poll()
            self.due_ns = time.at_ns + 50
            return sample

    meter = InlineSampler(
        BusyChip([1_100, 1_250, 1_400], lambda: None),
        time,
        lambda: board_ns[0],
        100,
        "simulated",
        never,
    )
    meter.start()
    assert meter.drain(5_000) == []
    board_ns[0] = 1_249
    assert [s.timestamp_ns for s in meter.drain(5_000)] == [1_100]
    board_ns[0] = 9_000
    assert [s.timestamp_ns for s in meter.drain(1_399)] == [1_250]
    meter.stop()
    assert meter.drain(1_399) == []


def test_samples_from_a_throttled_board_are_flagged_from_drain_to_drain() -> None:
    hot, done = [False], threading.Event()
    meter = ThreadSampler(ScriptedChip([10, 20, 30, 40], done.set), lambda: hot[0])
    meter.start()
    assert done.wait(10)
    meter.stop()
    seen = []
    for until_ns, now_hot in ((10, False), (20, True), (30, False), (40, False)):
        hot[0] = now_hot
        seen += [bool(s.flags & SampleFlag.THROTTLED) for s in meter.drain(until_ns)]
    assert seen == [False, True, True, False]

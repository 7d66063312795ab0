"""A power meter made of a chip that is polled: the samples not yet drained, and its counts.

It is run in a thread of its own on a real board, on demand in virtual time.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from edge_infer.boards.errors import BusError
from edge_infer.boards.power import MeterStatistics, Origin, PowerSample, SampleFlag
from edge_infer.boards.timebase import Timebase

BUFFER_SAMPLES = 1 << 16
"""About a minute of an INA219; when nobody drains, the oldest samples go and count as lost."""


class MeterChip(Protocol):
    """A power monitor that is polled for its conversions."""

    due_ns: int
    """When `poll` will next use the bus."""

    @property
    def gain_uncertainty_ppm(self) -> int:
        """Bound of the gain error in parts per million."""
        ...

    @property
    def offset_uncertainty_uw(self) -> int:
        """Bound of the offset error in uW."""
        ...

    @property
    def resolution_uw(self) -> int:
        """Half a step of the reading in uW."""
        ...

    def start(self) -> None:
        """Reset and configure. Raises MeterError or BusError."""
        ...

    def poll(self) -> PowerSample | None:
        """Wait until `due_ns`, look once, return a new sample or None. Raises BusError."""
        ...

    def statistics(self) -> MeterStatistics:
        """Return the counts since `start`."""
        ...


class ChipMeter:
    """What every sampler shares; how the chip gets polled is the sampler's.

    Args:
        chip: the chip.
        origin: where its samples come from.
        throttled: whether the board caps its clock now; asked once a drain. Samples drained while
            it does, or did at the drain before, are flagged.
    """

    def __init__(self, chip: MeterChip, origin: Origin, throttled: Callable[[], bool]) -> None:
        self.origin: Origin = origin
        self._chip = chip
        self._throttled = throttled
        self._was_throttled = False
        self._samples: deque[PowerSample] = deque(maxlen=BUFFER_SAMPLES)
        self._overrun = 0
        self._error: BusError | None = None

    @property
    def gain_uncertainty_ppm(self) -> int:
        """Bound of the gain error in parts per million."""
        return self._chip.gain_uncertainty_ppm

    @property
    def offset_uncertainty_uw(self) -> int:
        """Bound of the offset error in uW."""
        return self._chip.offset_uncertainty_uw

    @property
    def resolution_uw(self) -> int:
        """Half a step of the reading in uW."""
        return self._chip.resolution_uw

    def statistics(self) -> MeterStatistics:
        """Return the counts since `start`; samples that nobody drained in time are lost."""
        counts = self._chip.statistics()
        return MeterStatistics(
            counts.samples - self._overrun,
            counts.lost + self._overrun,
            counts.saturated,
            counts.bus_out_of_range,
            counts.retries,
            counts.busy_ns,
        )

    def _begin(self) -> None:
        self._samples.clear()
        self._overrun, self._error = 0, None
        self._chip.start()

    def _look(self) -> None:
        """Poll once; a bus that failed for good is kept for `drain` to raise."""
        try:
            sample = self._chip.poll()
        except BusError as error:
            self._error = error
            return
        if sample is not None:
            self._overrun += len(self._samples) == BUFFER_SAMPLES
            self._samples.append(sample)

    def _take(self, until_ns: int) -> Sequence[PowerSample]:
        samples = self._samples
        taken: list[PowerSample] = []
        while samples and samples[0].timestamp_ns <= until_ns:
            taken.append(samples.popleft())
        if self._error is not None and not taken:
            raise self._error
        return self._flagged(taken)

    def _flagged(self, taken: list[PowerSample]) -> list[PowerSample]:
        now = self._throttled()
        if now or self._was_throttled:
            taken = [s._replace(flags=s.flags | SampleFlag.THROTTLED) for s in taken]
        self._was_throttled = now
        return taken


class InlineSampler(ChipMeter):
    """Runs the chip when drained, on a bus whose time stands still in between.

    A pair that ended before `until_ns` but is still on the bus then comes with a later drain, as
    from a real bus.

    Args:
        chip: the chip, on `bus_time`.
        bus_time: time on the bus; only transactions and the chip's own waits advance it.
        now_ns: time on the board, which the bus never overtakes.
        longest_poll_ns: longest time that one poll may hold the bus.
        origin: where its samples come from.
        throttled: whether the board caps its clock now.
    """

    def __init__(
        self,
        chip: MeterChip,
        bus_time: Timebase,
        now_ns: Callable[[], int],
        longest_poll_ns: int,
        origin: Origin,
        throttled: Callable[[], bool],
    ) -> None:
        super().__init__(chip, origin, throttled)
        self._bus_time = bus_time
        self._now_ns = now_ns
        self._longest_poll_ns = longest_poll_ns
        self._running = False

    def start(self) -> None:
        """Begin to sample now. Raises MeterError or BusError."""
        self._bus_time.sleep_until_ns(self._now_ns())
        self._begin()
        self._running = True

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """Return the samples read up to `until_ns`. Raises BusError."""
        last_ns = min(until_ns, self._now_ns()) - self._longest_poll_ns
        bus_now_ns, chip, look = self._bus_time.now_ns, self._chip, self._look
        while self._running and self._error is None:
            if max(bus_now_ns(), chip.due_ns) > last_ns:
                break
            look()
        return self._take(until_ns)

    def stop(self) -> None:
        """End sampling. May be called twice."""
        self._running = False


class ThreadSampler(ChipMeter):
    """Runs the chip in a thread of its own: a meter on real hardware.

    Args:
        chip: the chip.
        throttled: whether the board caps its clock now.
    """

    def __init__(self, chip: MeterChip, throttled: Callable[[], bool]) -> None:
        super().__init__(chip, "measured", throttled)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to sample. Raises MeterError or BusError."""
        self.stop()
        self._begin()
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="power-sampler", daemon=True)
        self._thread.start()

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """Return the samples read up to `until_ns`. Raises BusError."""
        return self._take(until_ns)

    def stop(self) -> None:
        """End the thread. May be called twice."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while self._error is None and not self._ending.is_set():
            self._look()

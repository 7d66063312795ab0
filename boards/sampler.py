"""Runs a meter chip: in a thread of its own on a real board, on demand in virtual time."""

import threading
from collections.abc import Callable, Sequence

from edge_infer.boards.chip_meter import ChipMeter, MeterChip
from edge_infer.boards.power import Origin, PowerSample
from edge_infer.boards.timebase import Timebase


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

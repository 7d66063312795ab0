"""All sinks of a run: each record goes to every one."""

from collections.abc import Callable, Sequence
from typing import Any

from edge_infer.boards.closing import Closing
from edge_infer.boards.power import PowerSample
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import RunState
from edge_infer.runtime.sinks.sink_thread import SinkThread

STATE_EVERY_NS = 250_000_000
"""Of the board's time."""


class SinkSet(Closing):
    """Hands records, power samples and states to the threads of all sinks.

    Args:
        threads: of the sinks; not yet started.
        missing: what was asked for and could not be opened, name and reason.
    """

    def __init__(
        self, threads: Sequence[SinkThread], missing: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.threads, self._missing = tuple(threads), missing
        self._with_power = [one for one in threads if one.sink.wants_power]
        self._with_state = [one for one in threads if one.sink.wants_state]
        self._state_due_ns = 0
        for one in self.threads:
            one.start()

    @property
    def wants_state(self) -> bool:
        """Whether any sink takes states of the run."""
        return bool(self._with_state)

    @property
    def wants_power(self) -> bool:
        """Whether any sink takes the meter's samples."""
        return bool(self._with_power)

    def put(self, record: InferenceRecord) -> None:
        """Hand a record to every sink."""
        for one in self.threads:
            one.put(record)

    def sampled(self, samples: Sequence[PowerSample]) -> None:
        """Hand the meter's samples to the sinks that take them."""
        if samples:
            for one in self._with_power:
                one.tell(samples)

    def drained(self, now_ns: int, state: Callable[[], RunState]) -> None:
        """Nothing comes for a moment: tell a state where one is due, and wake the threads."""
        if self._with_state and now_ns >= self._state_due_ns:
            self._state_due_ns = now_ns + STATE_EVERY_NS
            told = state()
            for one in self._with_state:
                one.tell(told)
        for one in self.threads:
            one.wake()

    def last_state(self, state: RunState) -> None:
        """Tell the state at the end."""
        for one in self._with_state:
            one.tell(state)

    def close(self) -> None:
        """Close all; each has its own patience."""
        for one in self.threads:
            one.close()

    def document(self) -> list[dict[str, Any]]:
        """Return what came of each: `sinks` of `run --json`."""
        missing = [
            {"name": name, "written": 0, "dropped": 0, "error": reason, "cpu_us": None}
            for name, reason in self._missing
        ]
        kept = [one.document() for one in self.threads if not one.sink.shows or one.error]
        return [*kept, *missing]

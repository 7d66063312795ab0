"""Reads a device's power log from the host: all of it, in order, over a line that may fail."""

from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import FrameError, LinkLostError, LinkTimeoutError
from edge_infer.firmware_bridge.host.clock_sync import ClockFit, ClockSync, Exchange
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire import log_batch
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.edge import LOG, TIME, LogWanted
from edge_infer.firmware_bridge.wire.log_batch import LogEntry

FROM_NOW = 1 << 62
"""Above any sequence number: the device answers with its newest."""

_SYNC_EVERY_NS = 5_000_000_000
_CAUGHT_UP_NS = 100_000_000
"""Pause when there is little to read: a small board has better to do than to answer."""
_FEW_ENTRIES = 64


@dataclass(frozen=True, slots=True)
class LogPart:
    """Consecutive entries."""

    first: int
    """Sequence number of the first entry."""
    lost: int
    """Entries before it that the device had to overwrite: never read, exactly counted."""
    entries: list[LogEntry]


class LogReader:
    """Follows the log of one device.

    Args:
        link: an open link; the reader reconnects it when it is lost.
        start: sequence number to begin at; FROM_NOW for what comes from now on, 0 for all the
            device still has (what it overwrote before counts as lost).
        patience_ns: how long a silent or unplugged device is waited for.
    """

    def __init__(
        self, link: Link, start: int = FROM_NOW, patience_ns: int = 120_000_000_000
    ) -> None:
        self._link = link
        self._next = start
        self._patience_ns = patience_ns
        self._sync = ClockSync()
        self._synced_ns = -_SYNC_EVERY_NS
        self._caught_up = False
        self.entries = 0
        self.lost = 0
        """Entries that were overwritten before they could be read."""

    def read(self) -> LogPart:
        """Return the next entries, none after a pause when there are none yet.

        Raises LinkTimeoutError or LinkLostError when the device stays away too long.
        """
        end_ns = self._link.port.now_ns() + self._patience_ns
        while True:
            try:
                if self._caught_up:
                    self._link.pause(_CAUGHT_UP_NS)
                self._synchronise()
                return self._read()
            except LinkLostError:
                self._link.reconnect(max(0, end_ns - self._link.port.now_ns()))
            except LinkTimeoutError:
                if self._link.port.now_ns() > end_ns:
                    raise

    def clock(self) -> ClockFit | None:
        """Return how device times map to this computer's monotonic time."""
        return self._sync.fit()

    def _read(self) -> LogPart:
        answer = self._link.ask(LOG, LogWanted(self._next))
        first, entries = answer.first, log_batch.decode(answer.batch)
        if len(entries) != answer.count:
            raise FrameError(f"a batch of {len(entries)} log entries claims {answer.count}")
        lost = max(0, first - self._next)
        self._next = first + len(entries)
        self._caught_up = answer.end - self._next < _FEW_ENTRIES
        self.entries += len(entries)
        self.lost += lost
        return LogPart(first, lost, entries)

    def _synchronise(self) -> None:
        """Ask for the device's time now and then; short questions bound it best."""
        sent_ns = self._link.port.now_ns()
        if sent_ns - self._synced_ns < _SYNC_EVERY_NS:
            return
        self._synced_ns = sent_ns
        answer = self._link.ask(TIME, Empty())
        received_ns = self._link.port.now_ns()
        self._sync.add(Exchange(sent_ns, answer.now_ns, received_ns))

"""Reads a device's power log from the host: all of it, in order, over a line that may fail.

The device's numbers begin anew when its agent is started; the reader's go on, so that a number
never means two entries.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from edge_infer.firmware_bridge.errors import (
    DeviceRefusedError,
    FrameError,
    LinkLostError,
    LinkTimeoutError,
)
from edge_infer.firmware_bridge.host.clock_sync import ClockFit, ClockSync, Exchange
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire import log_batch
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.edge import LOG, TIME, LogBatch, LogWanted
from edge_infer.firmware_bridge.wire.log_batch import LogEntry
from edge_infer.firmware_bridge.wire.standard import Code

_log = logging.getLogger(__name__)

FROM_NOW = 1 << 62
"""Above any sequence number: the device answers with its newest."""

_SYNC_EVERY_NS = 5_000_000_000
_CAUGHT_UP_NS = 100_000_000
"""Pause when there is little to read: a small board has better to do than to answer."""
_FEW_ENTRIES = 64

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Boot:
    """A start of the device's agent, as the reader met it."""

    number: int | None
    """The device's name for it; None where it has none."""
    base: int
    """The reader's number for entry 0 of this boot."""
    first_lost: int = 0
    """The reader's number of the first entry of the boots before that was not read."""
    lost: int = 0
    """Entries of the boots before that were not read."""
    exact: bool = True
    """False when more may have been lost: nobody knows how far the boot before came."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """Consecutive entries."""

    first: int
    """Number of the first entry."""
    lost: int
    """Entries before it that the device had to overwrite: never read, exactly counted."""
    entries: list[LogEntry]
    boot: Boot | None = None
    """Set with the first part of all, and with the first after the agent was started anew."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a log was left: the reader's number of its next entry, in which boot."""

    next: int
    boot: Boot


class LogReader:
    """Follows the log of one device.

    Args:
        link: an open link; the reader reconnects it when it is lost.
        start: number to begin at; FROM_NOW for what comes from now on, 0 for all the device
            still has (what it overwrote before counts as lost); or where another reader stopped.
        patience_ns: how long a silent or unplugged device is waited for.
    """

    def __init__(
        self,
        link: Link,
        start: int | LogPosition = FROM_NOW,
        patience_ns: int = 120_000_000_000,
    ) -> None:
        self._link = link
        self._patience_ns = patience_ns
        self._boot: Boot | None = None
        self._next = start if isinstance(start, int) else start.next - start.boot.base
        """The device's own number of the entry that is wanted."""
        if isinstance(start, LogPosition):
            self._boot = start.boot
        self._end = 0
        """The device's own number of its next entry, as far as was heard."""
        self._sync = ClockSync()
        self._synced_ns = -_SYNC_EVERY_NS
        self._caught_up = False
        self.in_outage = False
        """True while a device that does not answer is waited for."""
        self.entries = 0
        self.lost = 0
        """Entries that were overwritten before they could be read, or went with their boot."""
        self.boots = 0
        """Times the agent was started anew."""

    def read(self) -> LogPart:
        """Return the next entries, none after a pause when there are none yet.

        Raises LinkTimeoutError or LinkLostError when the device stays away too long.
        """
        return self.outlast(self._read_when_due)

    def outlast(self, ask: Callable[[], Answer]) -> Answer:
        """Return what `ask` returns, asked again for as long as patience lasts."""
        end_ns = self._link.port.now_ns() + self._patience_ns
        try:
            while True:
                try:
                    return ask()
                except (LinkLostError, LinkTimeoutError, FrameError, DeviceRefusedError) as error:
                    if not _passes(error) or self._link.port.now_ns() >= end_ns:
                        raise
                    if not self.in_outage:
                        _log.info("waiting for the device: %s", error)
                    self.in_outage = True
                    self._recover(error, end_ns)
        finally:
            self.in_outage = False

    def clock(self) -> ClockFit | None:
        """Return how device times map to this computer's monotonic time."""
        return self._sync.fit()

    def _recover(self, error: Exception, end_ns: int) -> None:
        if isinstance(error, LinkLostError):
            self._link.reconnect(max(0, end_ns - self._link.port.now_ns()))
        elif not isinstance(error, LinkTimeoutError):
            try:
                self._link.pause(_CAUGHT_UP_NS)
            except LinkLostError:
                return  # the next question finds that out

    def _read_when_due(self) -> LogPart:
        if self._caught_up:
            self._link.pause(_CAUGHT_UP_NS)
        self._synchronise()
        known = self._boot.number if self._boot else None
        answer = self._link.ask(LOG, LogWanted(self._next, known))
        entries = log_batch.decode(answer.batch)
        if len(entries) != answer.count:
            raise FrameError(f"a batch of {len(entries)} log entries claims {answer.count}")
        boot = self._boot_of(answer)
        if boot is None and answer.first < self._next:
            raise FrameError(f"asked for log entry {self._next}, the device gives {answer.first}")
        if boot is not None and self._boot is not None:
            self._forget_clock()
            self._synchronise()
        return self._taken(answer, entries, boot)

    def _taken(self, answer: LogBatch, entries: list[LogEntry], boot: Boot | None) -> LogPart:
        """Count what was read; until here nothing of the reader has changed."""
        if boot is not None and self._boot is not None:
            self.boots += 1
            self.lost += boot.lost
            self._next = self._end = 0
            _log.info("the device's log begins anew: %s", boot)
            if answer.boot is None:  # it was asked for a number of the boot before
                self._boot = boot
                return LogPart(boot.base, 0, [], boot)
        self._boot = now = boot or self._boot or Boot(answer.boot, 0)
        lost = max(0, answer.first - self._next)
        self._next = answer.first + len(entries)
        self._end = max(answer.end, self._next)
        self._caught_up = answer.end - self._next < _FEW_ENTRIES
        self.entries += len(entries)
        self.lost += lost
        return LogPart(now.base + answer.first, lost, entries, boot)

    def _boot_of(self, answer: LogBatch) -> Boot | None:
        """Return the boot that an answer is the first of, None when it goes on with one."""
        if self._boot is None:
            return Boot(answer.boot, 0)
        heard = max(self._next, self._end)
        if answer.boot == self._boot.number and (answer.boot or answer.end >= heard):
            return None
        first_lost, end, exact = self._boot.base + self._next, heard, False
        missed = 0  # entries of boots that came and went meanwhile
        for number, length in answer.before or ():
            if number == self._boot.number:
                end, exact, missed = max(heard, length), length >= heard, 0
            else:
                missed += length
        lost = end - self._next + missed
        return Boot(answer.boot, first_lost + lost, first_lost, lost, exact)

    def _forget_clock(self) -> None:
        self._sync, self._synced_ns = ClockSync(), -_SYNC_EVERY_NS

    def _synchronise(self) -> None:
        """Ask for the device's time now and then; short questions bound it best."""
        sent_ns = self._link.port.now_ns()
        if sent_ns - self._synced_ns < _SYNC_EVERY_NS:
            return
        self._synced_ns = sent_ns
        answer = self._link.ask(TIME, Empty())
        received_ns = self._link.port.now_ns()
        self._sync.add(Exchange(sent_ns, answer.now_ns, received_ns))


def _passes(error: Exception) -> bool:
    """Return True for a refusal that another moment may not bring, and for all but refusals."""
    return not isinstance(error, DeviceRefusedError) or error.code == Code.BUSY

"""The power log of a board of a fleet, written as it grows, on this computer's time axis."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge_infer.firmware_bridge.fleet.board_flash import Tell, check_profile, started
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import FROM_NOW, LogPosition, LogReader
from edge_infer.firmware_bridge.host.log_writer import Lines, LogWriter


class BoardLog(Lines, Protocol):
    """Where a board's log goes, and where one that was there ends."""

    position: LogPosition | None


@dataclass(slots=True)
class Streamed:
    """How far a board's log was read."""

    reader: LogReader
    writer: LogWriter
    heard_ns: int | None = None
    """When something was read last, on this computer's clock; None before the first answer."""

    def document(self) -> dict[str, Any]:
        """Return it for a document."""
        clock = self.reader.clock()
        return {
            "entries": self.reader.entries,
            "lost": self.reader.lost,
            "boots": self.reader.boots,
            "virtual_time": self.writer.virtual_time,
            "clock_offset_ns": clock.offset_ns if clock else None,
            "clock_drift_ppm": clock.drift_ppm if clock else None,
            "clock_bound_ns": clock.bound_ns if clock else None,
        }


class BoardStream:
    """Streams the logs of boards until a time or a stop.

    Args:
        logs: where each board's goes, by name.
        warn: called with what was lost.
        patience_ns: how long a board that is silent or unplugged is waited for.
        duration_ns: how long, on each board's line; None until stopped.
        from_start: begin with what the devices have kept.
    """

    def __init__(
        self,
        logs: Mapping[str, BoardLog],
        warn: Callable[[str], None],
        patience_ns: int,
        duration_ns: int | None,
        from_start: bool,
    ) -> None:
        self._logs, self._warn, self._patience_ns = logs, warn, patience_ns
        self._duration_ns, self._start = duration_ns, 0 if from_start else FROM_NOW
        self.streamed: dict[str, Streamed] = {}
        """By name, also of boards whose stream was stopped or failed."""

    def __call__(self, link: Link, board: FleetBoard, tell: Tell) -> None:
        """Stream one board. Raises as `LogReader.read`; WrongBoardError."""
        log = self._logs[board.name]
        reader = LogReader(link, log.position or self._start, self._patience_ns)
        writer = LogWriter(link, reader, log, lambda text: self._warn(f"{board.name}: {text}"))
        now_ns = link.port.now_ns
        mine = self.streamed[board.name] = Streamed(reader, writer)
        tell("wait", None)
        check_profile(reader.outlast(lambda: started(link)), board)
        mine.heard_ns = now_ns()
        end_ns = None if self._duration_ns is None else now_ns() + self._duration_ns
        while end_ns is None or now_ns() < end_ns:
            writer.step()
            mine.heard_ns = now_ns()
            tell(f"{reader.entries} entries, {reader.lost} lost", None)

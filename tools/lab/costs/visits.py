"""The visits of a cost measurement: when each ran, so that an outside meter's trace fits them.

A file of JSON lines: one a visit, and the table of times as the last. The line that an outside
meter sees is high during each visit, warm-up and change of clock left out.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from edge_infer.boards.cost_table import CostTable, CostTableError, OperatingPoint
from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.timebase import Timebase
from edge_infer.files import write_whole
from edge_infer.runtime.engine_contracts import Marker

LOW_NS = 5_000_000
"""The line is low for so long between two visits: an instrument of 1 kHz sees it fall."""
VisitKind = Literal["idle", "switch", "stage"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A stretch in which one thing ran: a stage at a point, changes of clock, or nothing."""

    kind: VisitKind
    stage: str
    point: OperatingPoint
    start_ns: int
    end_ns: int
    kept: bool = True
    """False where the board was throttled: it counts for nothing, but it was marked."""


@dataclass
class VisitLog:
    """Notes visits, and marks them on a line.

    Args:
        marker: the line; None for none.
    """

    marker: Marker | None = None
    visits: list[Visit] = field(default_factory=list)

    @contextmanager
    def during(
        self, kind: VisitKind, stage: str, point: OperatingPoint, timebase: Timebase
    ) -> Iterator[None]:
        """Mark what runs inside, and note it."""
        now_ns = timebase.now_ns
        if self.marker is not None:
            if self.visits:
                timebase.sleep_until_ns(self.visits[-1].end_ns + LOW_NS)
            self.marker.set_high()
        start_ns = now_ns()
        try:
            yield
        finally:
            end_ns = now_ns()
            if self.marker is not None:
                self.marker.set_low()
        self.visits.append(Visit(kind, stage, point, start_ns, end_ns))

    def discard_last(self) -> None:
        """The last visit counts for nothing."""
        last = self.visits[-1]
        self.visits[-1] = Visit(
            last.kind, last.stage, last.point, last.start_ns, last.end_ns, kept=False
        )


def save_visits(path: Path, log: VisitLog, table: CostTable) -> None:
    """Write visits and the table of their times; a reader never sees half of it."""
    rows = [json.dumps(asdict(visit)) for visit in log.visits]
    rows.append(json.dumps({"kind": "table", "table": json.loads(table.to_json())}))
    write_whole(path, "".join(f"{row}\n" for row in rows))


def read_visits(path: Path) -> tuple[tuple[Visit, ...], CostTable]:
    """Return the visits in a file, and the table of their times.

    Raises:
        TraceError: it is no such file.
        DamagedTraceError: it is cut, or a line is damaged.
        OSError: it cannot be read.
    """
    rows = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise DamagedTraceError(
                f"{path} line {number}: it is no JSON object: {error}"
            ) from None
    if not any(row.get("kind") in get_args(VisitKind) for row in rows):
        raise TraceError(f"{path} holds no visits; write it with measure --visits {path.name}")
    try:
        *visits, last = rows
        table = CostTable.from_json(json.dumps(last["table"]))
        return tuple(_visit(row) for row in visits), table
    except (KeyError, TypeError, CostTableError) as error:
        raise DamagedTraceError(
            f"{path}: it is cut short, or no file of measure --visits: {error}"
        ) from error


def _visit(row: Mapping[str, Any]) -> Visit:
    fields = dict(row)
    times = fields["start_ns"], fields["end_ns"]
    if not all(type(at) is int for at in times) or not 0 <= times[0] < times[1] < 1 << 62:
        raise TypeError(f"a visit from {times[0]!r} to {times[1]!r}")
    return Visit(**{**fields, "point": OperatingPoint(**fields["point"])})

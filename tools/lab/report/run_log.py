"""Reads a log of `edge-infer run -o`, .jsonl or .csv, and tells it from a log of power."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.power_csv import is_power_log
from edge_infer.lab.report.run_row import (
    REQUIRED,
    RunRow,
    fields_of_cells,
    fields_of_line,
    run_row,
)

_JSON_START = '{"number"'
_CSV_START = "number,"
_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20


def kind_of(path: Path) -> Literal["run", "power"]:
    """Return whether a file is a run's log or a log of power, by how it begins.

    Raises:
        TraceError: it is neither, is empty or is packed.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise TraceError(f"{path} is no file: name a log of run -o, or of power record")
    with path.open("rb") as file:
        content = file.readline(_LONGEST_LINE)
    if not content:
        raise TraceError(f"{path} is empty: write a log with run -o {path.name}")
    if content.startswith(_GZIP):
        raise TraceError(f"{path} is packed with gzip: unpack it first, gunzip -k {path}")
    line = content.decode("utf-8-sig", "replace")
    if line.startswith("{"):
        return _kind_of_object(line, path)
    if line.startswith(_CSV_START):
        return "run"
    if is_power_log(path):
        return "power"
    raise TraceError(
        f"{path} is neither a log of run -o (.jsonl, .csv) nor of power record or power stream; "
        "power report reads traces of other instruments"
    )


def _kind_of_object(line: str, path: Path) -> Literal["run", "power"]:
    try:
        found = fields_of_line(line)
    except ValueError:
        found = {}
    if {"entry", "kind"} <= found.keys():
        return "power"
    if set(REQUIRED) <= found.keys() or line.startswith(_JSON_START):
        return "run"
    raise TraceError(f"{path} holds JSON, but no inferences: write a log with run -o run.jsonl")


def read_run_log(path: Path, take: Callable[[RunRow], None]) -> str | None:
    """Hand each inference of a run's log to `take`.

    Returns:
        What of a last line that is cut was left out, in words; None if it is whole.

    Raises:
        TraceError: it holds no inferences.
        DamagedTraceError: a line is damaged, or inferences are out of order.
        OSError: it cannot be read.
    """
    lines = _Lines(path)
    count, last = 0, -1
    for fields in lines.fields():
        try:
            row = run_row(fields)
            if row.number is not None:
                last = _next_number(row.number, last)
        except (KeyError, ValueError) as error:
            raise _damaged(path, lines.number, error) from None
        take(row)
        count += 1
    if not count:
        kind = DamagedTraceError if lines.left_out else TraceError
        raise kind(f"{path} holds no whole inference; write it with run -o {path.name}")
    return lines.left_out


def _next_number(number: int, last: int) -> int:
    if number <= last:
        raise ValueError(f"frame {number} follows frame {last}: are these two logs in one?")
    return number


def _damaged(path: Path, number: int, error: Exception) -> DamagedTraceError:
    reason = f"{error} is not there" if isinstance(error, KeyError) else str(error)
    return DamagedTraceError(f"{path} line {number}: {reason}")


class _Lines:
    """The lines of a log; a last one that is cut is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = 0
        """Of the row at hand."""
        self._whole = True
        """Whether the line at hand has its end."""
        self.number = 0
        self.left_out: str | None = None

    def fields(self) -> Iterator[Mapping[str, Any]]:
        """Yield each row's fields. Raises DamagedTraceError, TraceError."""
        with self._path.open("rb") as file:
            lines = self._texts(file)
            first = next(lines, "")
            if first.startswith("{"):
                yield from self._objects(chain([first], lines))
            else:
                yield from self._cells(first, lines)

    def _texts(self, file: IO[bytes]) -> Iterator[str]:
        for line in file:
            self.number += 1
            self._bytes += len(line)
            self._whole = line.endswith(b"\n")
            # What is no text is no row either.
            yield line.decode("utf-8", "replace").removeprefix("\ufeff")

    def _objects(self, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        for line in lines:
            if line.strip():
                try:
                    fields = fields_of_line(line)
                except ValueError as error:
                    self._leave_out(error)
                    return
                yield fields
            self._bytes = 0

    def _cells(self, first: str, lines: Iterator[str]) -> Iterator[Mapping[str, Any]]:
        columns = _columns(first, self._path)
        self._bytes = 0
        rows = csv.reader(lines, strict=True)
        while True:
            try:
                cells = next(rows, None)
                if cells is None:
                    return
                if cells:
                    fields = _fields(columns, cells, self._whole)
            except (ValueError, csv.Error) as error:
                self._leave_out(error)
                return
            if cells:
                yield fields
            self._bytes = 0

    def _leave_out(self, error: Exception) -> None:
        """Leave out a last line that was cut. Raises DamagedTraceError for any other."""
        if self._whole or self._bytes > _LONGEST_LINE:
            reason = " ".join(str(error).split())[:120]
            raise _damaged(
                self._path, self.number, ValueError(f"it is no inference of run -o: {reason}")
            ) from None
        self.left_out = f"a cut last line of {self._bytes} bytes"


def _columns(heading: str, path: Path) -> list[str]:
    columns = heading.strip().split(",")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise TraceError(f"{path} has no column {missing[0]}: it is no log of run -o")
    return columns


def _fields(columns: Sequence[str], cells: Sequence[str], whole: bool) -> Mapping[str, Any]:
    """Return the fields of a row. Raises ValueError; half a number looks like one."""
    if len(cells) != len(columns):
        raise ValueError(f"it has {len(cells)} values, not {len(columns)}")
    if not whole:
        raise ValueError("its end is missing")
    return fields_of_cells(dict(zip(columns, cells, strict=True)))

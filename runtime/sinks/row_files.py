"""Logs of rows: a file of JSON lines or CSV, or JSON lines on standard output."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_infer.files import RowFile
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.row import COLUMNS, row_of
from edge_infer.runtime.sinks.sink import Sink


class FileSink(Sink):
    """A file of rows, which holds all that came whenever nothing comes for a moment."""

    def __init__(self, path: Path, reader: AnswerReader) -> None:
        """Open the file, by its suffix.

        Raises:
            InputError: the suffix is neither .jsonl nor .csv.
            OSError: the file cannot be written.
        """
        if path.suffix not in _WRITERS:
            raise InputError(
                f"{path}: records are written as .jsonl or .csv; name the file so, or - for JSON "
                "lines on standard output"
            )
        self.name = str(path)
        self._reader = reader
        self._rows = RowFile(path)
        self._write_row = _WRITERS[path.suffix](self._rows)
        self._waiting = 0

    def write(self, record: InferenceRecord) -> None:
        """Take one record."""
        self._write_row(row_of(record, self._reader))
        self._waiting += 1

    def flush(self) -> None:
        """Write what waits."""
        self._rows.flush()
        self.delivered += self._waiting
        self._waiting = 0

    def close(self) -> None:
        """Write what waits onto the disk, and close the file."""
        self._rows.close()


class StandardOutputSink(Sink):
    """JSON lines on standard output, flushed as they come."""

    name = "standard output"

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader
        self._waiting: list[str] = []

    def write(self, record: InferenceRecord) -> None:
        """Take one record."""
        self._waiting.append(json.dumps(row_of(record, self._reader)) + "\n")

    def flush(self) -> None:
        """Let all lines out."""
        try:
            sys.stdout.write("".join(self._waiting))
            sys.stdout.flush()
        except OSError as error:
            error.filename = self.name
            raise
        self.delivered += len(self._waiting)
        self._waiting.clear()

    def close(self) -> None:
        """Standard output stays open."""


def _as_json(rows: RowFile) -> Callable[[dict[str, Any]], None]:
    def write(row: dict[str, Any]) -> None:
        rows.write(json.dumps(row) + "\n")

    return write


def _as_csv(rows: RowFile) -> Callable[[dict[str, Any]], None]:
    """Write a heading, then rows: the clocks are joined by spaces, `top` is JSON."""
    writer = csv.DictWriter(rows, COLUMNS, lineterminator="\n")
    writer.writeheader()

    def write(row: dict[str, Any]) -> None:
        row["clock_khz"] = " ".join(map(str, row["clock_khz"]))
        row["top"] = json.dumps(row["top"], ensure_ascii=False)
        writer.writerow(row)

    return write


_WRITERS = {".jsonl": _as_json, ".csv": _as_csv}

"""Sinks: files that records go to, as JSON lines or CSV."""

import csv
import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

from edge_infer.boards.closing import Closing
from edge_infer.files import RowFile
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import InferenceRecord

COLUMNS = (
    "number",
    "label",
    "answer",
    "exit",
    "confidence",
    "arrival_ns",
    "start_ns",
    "end_ns",
    "latency_us",
    "deadline_missed",
    "clock_khz",
    "switches",
    "ratio",
    "energy_origin",
    "gross_nj",
    "net_nj",
    "uncertainty_nj",
    "apportioned_share",
)
"""The fields of a row, the same in both file formats; `clock_khz` has one value a stage."""


def row_of(record: InferenceRecord) -> dict[str, Any]:
    """Return a record as plain values, keyed by `COLUMNS`."""
    energy = record.energy
    return {
        "number": record.number,
        "label": record.label,
        "answer": record.answer,
        "exit": record.exit,
        "confidence": record.confidence,
        "arrival_ns": record.arrival_ns,
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "latency_us": record.latency_ns / 1000,
        "deadline_missed": record.missed,
        "clock_khz": [point.clock_khz for point in record.points],
        "switches": record.switches,
        "ratio": record.ratio,
        "energy_origin": energy.origin if energy else None,
        "gross_nj": energy.gross_nj if energy else None,
        "net_nj": energy.net_nj if energy else None,
        "uncertainty_nj": energy.uncertainty_nj if energy else None,
        "apportioned_share": round(energy.apportioned_share, 4) if energy else None,
    }


class FileSink(Closing):
    """Writes records to a log of rows. A context manager."""

    def __init__(self, rows: RowFile) -> None:
        self._rows = rows

    @abstractmethod
    def write(self, record: InferenceRecord) -> None:
        """Take one record."""

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._rows.close()

    def flush_due(self) -> None:
        """Write what has waited for half a second; called where nothing may come for longer."""
        self._rows.flush_due()


class JsonLinesSink(FileSink):
    """One JSON object a line."""

    def write(self, record: InferenceRecord) -> None:
        """Write one line."""
        self._rows.write(json.dumps(row_of(record)) + "\n")


class CsvSink(FileSink):
    """Comma-separated values with a heading; the clocks of the stages are joined by spaces."""

    def __init__(self, rows: RowFile) -> None:
        super().__init__(rows)
        self._writer = csv.DictWriter(rows, COLUMNS, lineterminator="\n")
        self._writer.writeheader()

    def write(self, record: InferenceRecord) -> None:
        """Write one row."""
        row = row_of(record)
        row["clock_khz"] = " ".join(str(khz) for khz in row["clock_khz"])
        self._writer.writerow(row)


def open_sink(path: Path) -> FileSink:
    """Open a file to log records to, by its suffix: .jsonl or .csv.

    Raises:
        RunError: the suffix is neither.
        OSError: the file cannot be written.
    """
    kinds: dict[str, type[FileSink]] = {
        ".jsonl": JsonLinesSink,
        ".csv": CsvSink,
    }
    if path.suffix not in kinds:
        raise RunError(f"{path}: records are written as .jsonl or .csv; name the file so")
    return kinds[path.suffix](RowFile(path))

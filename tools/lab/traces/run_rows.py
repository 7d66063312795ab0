"""The inferences in a log of `edge-infer run -o`: when each ran, and where it left."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.lab.traces.clock_fit import Integers

FIELDS = ("start_ns", "end_ns", "exit")


@dataclass(frozen=True)
class RunRows:
    """A run's inferences in the order of their starts.

    Args:
        name: of the log.
        spans_ns: start and end of each on the board's clock, shape [rows, 2].
        exits: index of the stage that answered, shape [rows].
        simulated: the run was on a simulated board.
    """

    name: str
    spans_ns: Integers
    exits: Integers
    simulated: bool


def read_run_rows(path: Path) -> RunRows:
    """Return the inferences in a run's log, .jsonl or .csv.

    Raises:
        TraceError: it is no such log.
        DamagedTraceError: a line is damaged, or an inference ends before it begins.
        OSError: it cannot be read.
    """
    found, origins = [], set()
    for number, row in _rows(path):
        try:
            found.append([int(row[name]) for name in FIELDS])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
            raise DamagedTraceError(
                f"{path} line {number} is no inference of run -o: {what}"
            ) from error
        origins.add(row.get("energy_origin"))
    if not found:
        raise TraceError(f"{path} holds no inferences; write it with run -o {path.name}")
    if max(abs(value) for row in found for value in row) >= 1 << 62:
        raise DamagedTraceError(f"{path}: a time or an exit that cannot be")
    table = np.array(found, np.int64)
    table = table[np.argsort(table[:, 0], kind="stable")]
    wrong = np.flatnonzero(table[:, 1] <= table[:, 0])
    if wrong.size:
        raise DamagedTraceError(f"{path}: {wrong.size} inferences end before they begin")
    if table[:, 2].min() < 0:
        raise DamagedTraceError(f"{path}: an exit of {table[:, 2].min()}")
    return RunRows(str(path), table[:, :2], table[:, 2], "simulated" in origins)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if path.suffix == ".csv":
            yield from enumerate(csv.DictReader(file), 2)
            return
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(path, number, line)


def _object(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedTraceError(
            f"{path} line {number}: it is cut short, or no JSON: {error}"
        ) from None
    if not isinstance(row, dict):
        raise DamagedTraceError(f"{path} line {number}: it is no object")
    return row

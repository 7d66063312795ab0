"""Rows of a run's log, as `run -o` writes them, made up."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def row(number: int, **other: Any) -> Row:
    """A row: a frame each 10 ms; every third goes on to a second exit, every tenth is wrong."""
    exit_, wrong = int(number % 3 == 0), number % 10 == 7
    start_ns = 1_000_000_000 + 10_000_000 * number
    true = str(number % 4)
    return {
        "number": number,
        "name": f"frame-{number}.png",
        "label": str((number + wrong) % 4),
        "confidence": round(0.5 + (number % 50) / 100, 6),
        "confidence_kind": "score",
        "top": [],
        "true_label": true,
        "answer": (number + wrong) % 4,
        "exit": exit_,
        "criterion": 40 + number % 30,
        "arrival_ns": start_ns - 1000 * (number % 5),
        "start_ns": start_ns,
        "end_ns": start_ns + 200_000 * (1 + exit_) + 10 * (number % 97),
        "latency_us": None,
        "deadline_missed": number % 50 == 49,
        "clock_khz": [1_500_000, 2_400_000][: 1 + exit_],
        "switches": exit_,
        "ratio": "1.0",
        "energy_origin": "measured",
        "gross_nj": 900_000 * (1 + exit_) + number,
        "net_nj": 100_000 * (1 + exit_) + number % 1000 - 500,
        "uncertainty_nj": 1000,
        "apportioned_share": 0.5,
        **other,
    }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path

"""Energy runs of MLPerf Tiny's Python runner (from v1.3): results.json.

A list of trials; each has the energy of each sample in J, the number of samples when each mark
came, and the iterations (mlcommons/tiny, benchmark/runner/script.py). The inferences lie between
the last two marks, as the runner itself takes them; it sets its meters to 1,000 samples a second.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.mlperf_text import read_results, text_of, trials_of
from edge_infer.boards.traces.mlperf_tiny import NAME
from edge_infer.boards.traces.trace import Published, Trace, Window, checked, uniform_edges

RATE_HZ = 1000.0
FILE = "results.json"


def is_list(path: Path) -> bool:
    """Return whether a file begins as a JSON list does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def trials_trace(path: Path) -> Trace:
    """Return the trials of a results.json, one after the other as one trace.

    Raises:
        TraceError: it holds no trial with samples of energy.
        DamagedTraceError: it is cut, or its marks do not lie in its samples.
        OSError: it cannot be read.
    """
    trials = trials_of(_document(path))
    if not trials:
        raise TraceError(f"{path} holds no trial with samples of energy, so nothing to integrate")
    parts, windows, begun = [], [], 0
    for number, trial in enumerate(trials):
        name = f"{path}, trial {number}"
        samples = _samples(trial, name)
        first, last = _marks(trial["power"].get("timestamps"), len(samples), name)
        windows.append(_window(begun + first, begun + last, trial, name))
        parts.append(samples)
        begun += len(samples)
    return checked(
        Trace(
            format=NAME,
            name=str(path),
            edges_s=uniform_edges(begun, RATE_HZ, str(path)),
            power_w=np.concatenate(parts) * RATE_HZ,
            windows=tuple(windows),
            windows_from=f"{FILE}'s marks",
            published=_published(path, len(windows)),
            assumptions=(
                f"samples are in J, {RATE_HZ:g} a second, as the runner sets its meters",
                f"{len(trials)} trials, laid one after the other",
            ),
        )
    )


def _document(path: Path) -> Any:
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise DamagedTraceError(f"{path} is no JSON, or cut short: {error}") from error


def _samples(trial: Mapping[str, Any], name: str) -> Any:
    try:
        samples = np.asarray(trial["power"].get("samples"), np.float64)
    except (TypeError, ValueError) as error:
        raise DamagedTraceError(f"{name}: its samples are no numbers: {error}") from error
    if samples.ndim != 1 or len(samples) < 2 or not np.isfinite(samples).all():
        raise DamagedTraceError(f"{name}: its samples are no list of numbers")
    return samples


def _marks(given: Any, samples: int, name: str) -> tuple[int, int]:
    """Return the last two marks: the pin may have moved before."""
    try:
        marks = [int(mark[1]) for mark in given]
        first, last = marks[-2:]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise DamagedTraceError(f"{name}: it has no two marks") from error
    if not 0 <= first < last <= samples:
        raise DamagedTraceError(
            f"{name}: the marks at samples {first} and {last} bound none of its {samples}"
        )
    return first, last


def _window(first: int, last: int, trial: Mapping[str, Any], name: str) -> Window:
    answered = trial.get("infer")
    count = answered.get("iterations") if isinstance(answered, dict) else None
    if not isinstance(count, int) or count < 1:
        raise DamagedTraceError(f"{name}: {count!r} iterations")
    return Window(first / RATE_HZ, last / RATE_HZ, count, 0.5 / RATE_HZ)


def _published(path: Path, windows: int) -> Published | None:
    results = read_results(text_of(path.parent / "results.txt"))
    each: Sequence[float | None] = [w.per_inference_uj for w in results.windows.values()]
    known = tuple(value for value in each if value is not None)
    if results.median_uj is None:
        return None
    return Published("results.txt", results.median_uj, known if len(known) == windows else ())

"""Energy runs of MLPerf Tiny: trace1-energy.bin, and the folder it lies in.

The file is the byte 0xf1, the sample rate in Hz and the energy of each sample, float32 little
endian; in uJ from an LPM01A, in J from a JS110 (github.com/petertorelli/joulescope-win32).
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.mlperf_text import read_log, read_results, text_of
from edge_infer.boards.traces.mlperf_windows import SERIAL_LATE_S, Session, session_windows
from edge_infer.boards.traces.trace import Numbers, Published, Trace, Window, checked, uniform_edges

NAME = "mlperf-tiny"
MAGIC = 0xF1
HEADER = 5
PATTERN = "*energy*.bin"
TEXTS = ("results.txt", "log.txt", "script.async")
"""What lies beside a trace."""
IN_JOULES = {"js110", "js220"}
"""Meters whose files are in J; the others' are in uJ."""
UNIT_SLACK = 2.0
"""A file's unit is taken from results.txt where the sums agree by this factor."""
DISAGREES = 0.01
"""A trace that differs so much from its own results.txt is not the one they were made from."""


def is_energy_file(path: Path) -> bool:
    """Return whether a file begins as such a trace does."""
    with path.open("rb") as file:
        head = file.read(HEADER)
    if len(head) < HEADER or head[0] != MAGIC:
        return False
    rate = float(np.frombuffer(head, "<f4", offset=1)[0])
    return bool(np.isfinite(rate)) and 0 < rate < 1e8


def energy_file(folder: Path) -> Path:
    """Return the trace in a folder, or in the one folder in it that has one. Raises TraceError."""
    found = sorted(folder.glob(PATTERN)) or sorted(folder.glob(f"*/{PATTERN}"))
    if not found:
        raise TraceError(f"{folder} holds no {PATTERN} of MLPerf Tiny, nor does a folder in it")
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise TraceError(f"{folder} holds {len(found)} traces: name one of {names}")
    return found[0]


def energy_trace(path: Path, inferences: int | None = None) -> Trace:
    """Return the trace in a file, its windows from what lies beside it.

    Args:
        path: the file.
        inferences: how many ran in each window, where nothing says so.

    Raises:
        TraceError: nothing says how many inferences ran in a window.
        DamagedTraceError: it is cut, or does not fit what lies beside it.
        OSError: it cannot be read.
    """
    rate_hz, samples = _samples(path)
    edges = uniform_edges(len(samples), rate_hz, str(path))
    session = _session(path.parent)
    windows, told = session_windows(session, str(path), 0.5 / rate_hz, inferences)
    for window in windows:
        if window.length_s <= 0:
            raise DamagedTraceError(
                f"{path}: a window of {window.length_s:g} s at {window.start_s:g} s ({told})"
            )
        if window.end_s > edges[-1] or window.start_s < 0:
            raise DamagedTraceError(
                f"{path} ends at {edges[-1]:.3f} s, inside a window from {window.start_s:.3f} to "
                f"{window.end_s:.3f} s ({told}): it is cut short, or another run's"
            )
    scale, assumed = _unit(samples, edges, windows, session, str(path))
    assumptions = [assumed]
    if session.log.dropped:
        assumptions.append(f"the meter's driver lost {session.log.dropped} packets")
    if told.startswith("log.txt's serial"):
        assumptions.append(
            f"the line's delay of {1000 * SERIAL_LATE_S:g} ms was taken off each window's end"
        )
    trace = Trace(
        format=NAME,
        name=str(path),
        edges_s=edges,
        power_w=samples * (scale * rate_hz),
        windows=windows,
        windows_from=told,
        published=_published(session, len(windows)),
        supply_v=session.log.voltage_mv / 1000 if session.log.voltage_mv else None,
        assumptions=tuple(assumptions),
    )
    _check_published(trace)
    return checked(trace)


def _samples(path: Path) -> tuple[float, Numbers]:
    data = path.read_bytes()
    if not data or data[0] != MAGIC:
        raise TraceError(
            f"{path} does not begin with {MAGIC:#x}: it is no energy file of MLPerf Tiny"
        )
    rest = (len(data) - HEADER) % 4
    if len(data) < HEADER + 8 or rest:
        raise DamagedTraceError(
            f"{path} has {len(data)} bytes, which is a heading of {HEADER} and "
            f"{max(0, len(data) - HEADER) / 4:g} samples: it is cut short"
        )
    rate = float(np.frombuffer(data, "<f4", 1, 1)[0])
    with np.errstate(invalid="ignore"):  # of what is no number, told below
        samples = np.frombuffer(data, "<f4", offset=HEADER).astype(np.float64)
    if not np.isfinite(samples).all():
        bad = np.flatnonzero(~np.isfinite(samples))
        raise DamagedTraceError(f"{path}: sample {bad[0]} is no number ({bad.size} are not)")
    return rate, samples


def _session(folder: Path) -> Session:
    log_text = text_of(folder / "log.txt")
    results = read_results(text_of(folder / "results.txt"))
    if not results.windows:
        results = read_results(log_text)
    log = read_log(log_text)
    files = sorted(folder.glob("*timestamps*.json"))
    if len(files) > 1:
        raise TraceError(f"{folder} holds {len(files)} *timestamps*.json: leave the trace's own")
    if files:
        return Session(results, log, _timestamps(files[0]), files[0].name)
    return Session(results, log, tuple(log.laps_s), "log.txt's laps of the meter's clock")


def _timestamps(path: Path) -> tuple[float, ...]:
    try:
        marks = json.loads(text_of(path))
        times = tuple(float(mark) for mark in marks)
    except (ValueError, TypeError) as error:
        raise DamagedTraceError(f"{path} is no list of times: {error}") from error
    if any(not before < after for before, after in pairwise(times)):
        raise DamagedTraceError(f"{path}: the times run backwards")
    return times


def _unit(
    samples: Numbers, edges: Numbers, windows: Sequence[Window], session: Session, name: str
) -> tuple[float, str]:
    """Return what one of a sample is in J, and why."""
    told = [w.energy_uj for w in session.results.windows.values()]
    if windows and len(told) == len(windows) and None not in told:
        sums = np.concatenate([np.zeros(1), np.cumsum(samples)])
        starts, ends = ([getattr(w, at) for w in windows] for at in ("start_s", "end_s"))
        found = np.interp(ends, edges, sums) - np.interp(starts, edges, sums)
        ratio = 1e-6 * sum(energy for energy in told if energy) / max(float(found.sum()), 1e-30)
        for scale, unit in ((1e-6, "uJ"), (1.0, "J"), (1e-3, "mJ")):
            if 1 / UNIT_SLACK < ratio / scale < UNIT_SLACK:
                return scale, f"samples are in {unit}, as results.txt's sums show"
        raise DamagedTraceError(
            f"{name}: its windows sum up to {float(found.sum()):.4g}, results.txt's to "
            f"{1e6 * ratio * float(found.sum()):.4g} uJ: in no unit are these of one run"
        )
    meter = session.log.meter
    if meter is None:
        return 1e-6, "samples are in uJ, as an LPM01A's are: nothing names the meter"
    in_joules = meter in IN_JOULES
    return (
        1.0 if in_joules else 1e-6
    ), f"samples are in {'J' if in_joules else 'uJ'}, as {meter}'s"


def _published(session: Session, windows: int) -> Published | None:
    results = session.results
    each = [w.per_inference_uj for _, w in sorted(results.windows.items())]
    known = tuple(value for value in each if value is not None)
    if len(known) != windows or not known:
        known = ()
    if results.median_uj is None and not known:
        return None
    return Published("results.txt", results.median_uj, known)


def _check_published(trace: Trace) -> None:
    """Raise DamagedTraceError where the windows are not what results.txt says of them."""
    if trace.published is None:
        return
    for window, told_uj in zip(trace.windows, trace.published.windows_uj, strict=False):
        ours = 1e6 * float(trace.energy_j(window.start_s, window.end_s)) / window.inferences
        open_share = (window.shift_s + 2 * window.edge_s) / window.length_s
        if abs(ours - told_uj) > (DISAGREES + open_share) * told_uj:
            raise DamagedTraceError(
                f"{trace.name}: {ours:.6g} uJ an inference from {window.start_s:g} s on, "
                f"{told_uj:.6g} by results.txt: they are not of one run"
            )

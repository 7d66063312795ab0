"""Where the inferences lie in an energy run of MLPerf Tiny, by what lies beside its trace.

Best first: to 1 ms by *timestamps.json or by the log's laps of the meter's own clock, to 10 ms by
results.txt, to some 10 ms by the log's times of the serial line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.mlperf_text import Results, ResultWindow, RunLog
from edge_infer.boards.traces.trace import Window

MS, TEN_MS = 0.0005, 0.005
"""Half widths of what rounding to 1 ms and to 10 ms leaves open."""
SERIAL_LATE_S, SERIAL_EDGE_S = 0.020, 0.015
""""m-infer-done" at 9600 baud, and the line's way, come 13 to 24 ms after the inferences' end."""


@dataclass(frozen=True, slots=True)
class Session:
    """What lies beside a trace."""

    results: Results
    log: RunLog
    marks_s: tuple[float, ...]
    marks_from: str


def session_windows(
    session: Session, name: str, half_step_s: float, inferences: int | None
) -> tuple[tuple[Window, ...], str]:
    """Return the windows and what told them; none where nothing does."""
    told = sorted(session.results.windows.values(), key=lambda window: window.number)
    counts = [count for _, count in session.log.begun]
    if session.marks_s:
        spans = _marked(session.marks_s, told, len(counts), name)
        edges = [(begin, end, MS + half_step_s, 0.0) for begin, end in spans]
        source = session.marks_from
    elif told and all(w.at_s is not None and w.length_s is not None for w in told):
        edges = [_told(window, half_step_s) for window in told]
        source = "results.txt"
    elif session.log.tracing_s is not None and session.log.done_s:
        edges = _by_serial_line(session.log, session.log.tracing_s)
        source = "log.txt's serial line"
    else:
        return (), ""
    each = _inferences(told, counts, len(edges), inferences, name)
    return tuple(Window(a, b, n, e, s) for (a, b, e, s), n in zip(edges, each, strict=True)), source


def _marked(
    marks: Sequence[float], told: Sequence[ResultWindow], blocks: int, name: str
) -> list[tuple[float, float]]:
    """Return the windows between marks: window N lies between mark N and the next, from 1."""
    if told and all(0 < window.number < len(marks) for window in told):
        spans = [(marks[w.number - 1], marks[w.number]) for w in told]
        for window, (begin, _) in zip(told, spans, strict=True):
            if window.at_s is not None and abs(begin - window.at_s) > 2.1 * TEN_MS:
                raise DamagedTraceError(
                    f"{name}: window {window.number} begins at {window.at_s:g} s by results.txt "
                    f"and at {begin:g} s by its mark: they are of two runs"
                )
        return spans
    # The first mark may be the one by which the runner tries the line.
    pairs = marks[len(marks) % 2 :]
    spans = list(zip(pairs[::2], pairs[1::2], strict=True))
    if blocks and len(spans) != blocks:
        raise DamagedTraceError(
            f"{name}: {len(marks)} marks do not bound the {blocks} blocks of inferences of log.txt"
        )
    return spans


def _told(window: ResultWindow, half_step_s: float) -> tuple[float, float, float, float]:
    assert window.at_s is not None and window.length_s is not None
    edge = (MS if window.exact else TEN_MS) + half_step_s
    return window.at_s, window.at_s + window.length_s, edge, TEN_MS


def _by_serial_line(log: RunLog, tracing_s: float) -> list[tuple[float, float, float, float]]:
    ends = [done - tracing_s - SERIAL_LATE_S for done in log.done_s]
    starts = [begun - tracing_s for begun, _ in log.begun[: len(ends)]]
    return [(a, b, SERIAL_EDGE_S, 0.0) for a, b in zip(starts, ends, strict=True)]


def _inferences(
    told: Sequence[ResultWindow], counts: Sequence[int], windows: int, given: int | None, name: str
) -> list[int]:
    """Return the inferences of each window, which all that tell them agree on."""
    by_results = [w.inferences for w in told if w.inferences is not None]
    for found in (by_results, list(counts)):
        if len(found) == windows and given is not None and found != [given] * windows:
            raise TraceError(
                f"{name}: its windows hold {found} inferences, not {given}: leave --inferences out"
            )
    if len(by_results) == len(counts) == windows and by_results != list(counts):
        raise DamagedTraceError(
            f"{name}: {by_results} inferences by results.txt, {list(counts)} by log.txt: "
            "they are of two runs"
        )
    each = next((f for f in (by_results, list(counts)) if len(f) == windows), None)
    if each is None:
        if given is None and told and counts:
            raise DamagedTraceError(
                f"{name}: results.txt tells {len(told)} windows, log.txt {len(counts)} blocks of "
                "inferences: one of them is cut, or of another run"
            )
        if given is None:
            raise TraceError(
                f"{name}: nothing beside it says how many inferences ran in each of its {windows} "
                "windows: give --inferences"
            )
        return [given] * windows
    if min(each, default=1) < 1:
        raise DamagedTraceError(f"{name}: a window of {min(each)} inferences")
    return each

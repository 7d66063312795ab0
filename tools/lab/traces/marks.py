"""Windows that a digital channel of a trace marks: `D0`, `D0:low`, `D0:falling`."""

from typing import Literal, get_args

import numpy as np

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.trace import Numbers, Trace, Window, high_windows

Level = Literal["high", "low", "falling"]
FORMS = "CHANNEL, CHANNEL:low, CHANNEL:falling"
"""High or low from the window's start to its end; or one falling edge at each of both."""


def marked_spans(trace: Trace, mark: str) -> Numbers:
    """Return the stretches that a channel marks, shape [windows, 2] in s of the trace.

    Args:
        trace: with digital channels.
        mark: the channel and what of it, as `FORMS`.

    Raises:
        TraceError: there is no such channel.
        DamagedTraceError: it marks nothing.
    """
    channel, _, given = mark.partition(":")
    level = next((known for known in get_args(Level) if known == (given or "high")), None)
    if level is None:
        raise TraceError(f"--channel {mark}: {given!r} is none of {', '.join(get_args(Level))}")
    if channel not in trace.channels:
        there = ", ".join(trace.channels) or "none"
        raise TraceError(f"{trace.name} has no digital channel {channel!r}; there are: {there}")
    bits = trace.channels[channel]
    spans = _falling(trace, channel) if level == "falling" else _level(trace, channel, level)
    if not len(spans):
        share = float(np.mean(bits))
        raise DamagedTraceError(
            f"{trace.name}: {channel} marks no window: it is high in {share:.0%} of the readings "
            f"and goes {level} nowhere between two others; {_toggling(trace)}"
        )
    return spans


def marked_windows(trace: Trace, mark: str, inferences: int) -> tuple[Window, ...]:
    """Return the windows that a channel marks, with so many inferences in each.

    Raises TraceError and DamagedTraceError, as `marked_spans`.
    """
    half = trace.step_s / 2
    spans = marked_spans(trace, mark)
    return tuple(Window(float(a), float(b), inferences, half) for a, b in spans)


def cut_marks(trace: Trace, mark: str) -> tuple[str, ...]:
    """Return what to say of marks whose beginning or end the trace does not show."""
    channel, _, level = mark.partition(":")
    if level == "falling":
        return ()
    bits = trace.channels[channel] if level != "low" else ~trace.channels[channel]
    places = [name for name, at in (("begins", 0), ("ends", -1)) if bits[at]]
    return tuple(f"the trace {place} inside a mark of {channel}, left out" for place in places)


def toggling(trace: Trace) -> dict[str, int]:
    """Return how often each channel goes high, of those that do."""
    found = {n: len(high_windows(bits, trace.edges_s)) for n, bits in trace.channels.items()}
    return {name: times for name, times in found.items() if times}


def _toggling(trace: Trace) -> str:
    found = toggling(trace)
    if not found:
        return "no channel moves: was the marker wired, and its ground?"
    return "there move: " + ", ".join(f"{name} ({times} times)" for name, times in found.items())


def _level(trace: Trace, channel: str, level: Level) -> Numbers:
    bits = trace.channels[channel]
    return high_windows(bits if level == "high" else ~bits, trace.edges_s)


def _falling(trace: Trace, channel: str) -> Numbers:
    bits = trace.channels[channel].astype(np.int8)
    at = trace.edges_s[np.flatnonzero(np.diff(bits) == -1) + 1]
    if len(at) % 2:
        raise DamagedTraceError(
            f"{trace.name}: {channel} falls {len(at)} times, an odd number: one edge at the start "
            "and one at the end of each window make pairs; leave one out with --between"
        )
    return np.stack([at[::2], at[1::2]], axis=1)

"""What the runners of MLPerf Tiny write about an energy run: results.txt and log.txt.

EEMBC's EnergyRunner (rounds v0.5 to v1.2) tells windows by number, place and length; the Python
runner of mlcommons/tiny (from v1.3) tells trials. Each line of the former begins with a time.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NUMBER = r"(\d{1,15}(?:\.\d{0,15})?(?:[eE][+-]?\d{1,2})?)(?![\d.])"
_FIGURE = rf"\s*:\s*{_NUMBER}"
_RESULTS = {
    "window": re.compile(
        rf"Energy data for window\s+(\d{{1,6}})\s+at time\s+{_NUMBER}\D*?for\s+{_NUMBER}\s*s"
    ),
    "trial": re.compile(r"Energy data for trial\s+(\d{1,6})"),
    "performance": re.compile(r"Performance results for window\s+(\d{1,6})"),
    "energy_uj": re.compile(rf"(?<!\w)(?:Total )?Energy{_FIGURE}\s*uJ(?!/)"),
    "power_uw": re.compile(rf"Power{_FIGURE}\s*uW"),
    "each_uj": re.compile(rf"Energy/Inf\.?{_FIGURE}\s*uJ"),
    "inferences": re.compile(r"Inferences\s*:\s*(\d{1,12})(?!\d)"),
    "length_s": re.compile(rf"(?:Runtime|Elapsed time){_FIGURE}"),
    "median_uj": re.compile(rf"Median energy cost is\s+{_NUMBER}\s*uJ"),
}
_STAMP = re.compile(r"^(\d{1,9}\.\d{3})\s")
_LAP = re.compile(r"emon: m-lap-us-(\d{1,15})(?!\d)")
_METER = re.compile(r"m-regfile-fn\[([^\]]+)\]-type\[emon\]-name\[([^\]]+)\]")
_VOLTAGE = re.compile(r"m-voltage-mv\[(\d{1,6})\]")
_BEGUN, _DONE = re.compile(r"m-infer-start-(\d{1,9})(?!\d)"), re.compile(r"m-infer-done")
_TRACING = re.compile(r"emon: m-trace\[on\]")
_DROPPED = re.compile(r"Dropped (\d{1,15}) packets")


@dataclass(slots=True)
class ResultWindow:
    """What results.txt says of one window, as far as it does."""

    number: int
    at_s: float | None = None
    """To 10 ms."""
    length_s: float | None = None
    inferences: int | None = None
    energy_uj: float | None = None
    each_uj: float | None = None
    exact: bool = False
    """The length is to 1 ms, not 10."""

    @property
    def per_inference_uj(self) -> float | None:
        """Energy of an inference: from the sum, which has more digits, if both are there."""
        if self.energy_uj is not None and self.inferences:
            return self.energy_uj / self.inferences
        return self.each_uj


@dataclass(slots=True)
class Results:
    """A results.txt."""

    windows: dict[int, ResultWindow] = field(default_factory=dict)
    median_uj: float | None = None


@dataclass(slots=True)
class RunLog:
    """A log.txt; times are the runner's, in s."""

    meter: str | None = None
    """lpm01a, js110 or n6705."""
    trace_file: str | None = None
    voltage_mv: int | None = None
    tracing_s: float | None = None
    """When the trace began."""
    laps_s: list[float] = field(default_factory=list)
    """Marks in the trace's own time; a JS110's alone are logged."""
    begun: list[tuple[float, int]] = field(default_factory=list)
    """When each block of inferences was told to begin, and how many there are."""
    done_s: list[float] = field(default_factory=list)
    dropped: int = 0
    """Packets that the meter's driver lost."""


def text_of(path: Path) -> str:
    """Return a text file's text, whatever its encoding; nothing if it is absent."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")


def read_results(text: str) -> Results:
    """Return what a results.txt says; nothing where it is another text."""
    results = Results()
    window: ResultWindow | None = None
    for kind, match in _found(text):
        if kind in ("window", "trial", "performance"):
            window = _window(results, kind, match)
        elif kind == "median_uj":
            results.median_uj = float(match[1])
        elif window is not None:
            _fill(window, kind, match[1])
    return results


def _found(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    for line in text.splitlines():
        for kind, form in _RESULTS.items():
            match = form.search(line)
            if match is not None:
                yield kind, match


def _window(results: Results, kind: str, match: re.Match[str]) -> ResultWindow:
    number = int(match[1])
    if kind == "performance":
        return results.windows.setdefault(number, ResultWindow(number))
    window = results.windows[number] = ResultWindow(number)
    if kind == "window":
        window.at_s, window.length_s = float(match[2]), float(match[3])
    return window


def _fill(window: ResultWindow, kind: str, text: str) -> None:
    value = float(text)
    if kind == "inferences":
        window.inferences = int(text)
    elif kind == "length_s":
        window.length_s, window.exact = value, True
    elif kind == "power_uw":
        if window.energy_uj is not None and value > 0 and not window.exact:
            window.length_s, window.exact = window.energy_uj / value, True
    else:
        setattr(window, kind, value)


def read_log(text: str) -> RunLog:
    """Return what a log.txt says; nothing where it is another text."""
    log = RunLog()
    for line in text.splitlines():
        stamp = _STAMP.match(line)
        _take(log, line, float(stamp[1]) if stamp else None)
    return log


def _take(log: RunLog, line: str, at_s: float | None) -> None:
    if match := _METER.search(line):
        log.trace_file, log.meter = match[1], match[2].lower()
    elif match := _LAP.search(line):
        log.laps_s.append(int(match[1]) / 1e6)
    elif match := _VOLTAGE.search(line):
        log.voltage_mv = int(match[1])
    elif match := _DROPPED.search(line):
        log.dropped = int(match[1])
    if at_s is None:
        return
    if _TRACING.search(line):
        # What came before it belongs to another trace.
        log.tracing_s, log.begun, log.done_s, log.laps_s = at_s, [], [], []
    elif match := _BEGUN.search(line):
        log.begun.append((at_s, int(match[1])))
    elif _DONE.search(line) and len(log.done_s) < len(log.begun):
        log.done_s.append(at_s)


def trials_of(document: Any) -> list[Mapping[str, Any]]:
    """Return the trials with power in a results.json of v1.3; none where it is another text."""
    if not isinstance(document, list):
        return []
    return [t for t in document if isinstance(t, dict) and isinstance(t.get("power"), dict)]

"""Tests of a serial line for a survey: a loopback plug, or a second board that answers SMP."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from edge_infer.firmware_bridge.errors import ImageError, LinkError
from edge_infer.firmware_bridge.host.flashing import flash
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import LogReader
from edge_infer.firmware_bridge.image.bundle_file import pack_bundle
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.firmware_bridge.wire.standard import ECHO, Echo
from edge_infer.lab.survey.errors import SurveyError
from edge_infer.models_tflite import open_bundle

PATTERN = b"edge-infer survey: is a plug on this line, from TX to RX?\n" * 32
PATIENCE_NS, STREAM_NS = 1_000_000_000, 3_000_000_000
ECHOES = 20
FLASHED = "digits-early-exit"
PLUG = "a loopback plug is on the line: a second board that runs edge-infer serve tests it"
LineTest = Callable[[], dict[str, Any]]


def line_tests(port: str | None, baud: int) -> Mapping[str, LineTest]:
    """Return the tests of a port by name; none without a port."""
    if port is None:
        return {}
    return {
        "echo": lambda: _echo(port, baud),
        "flash": lambda: _flash(port, baud),
        "stream": lambda: _stream(port, baud),
    }


def _echo(port: str, baud: int) -> dict[str, Any]:
    """Send a pattern; where a plug returns it count what is wrong, else ask a board for echoes."""
    with _opened(port, baud) as line:
        begin_ns = line.now_ns()
        came = _returned(line, baud)
        if came:
            return _plugged(came, line.now_ns() - begin_ns)
        link, times = Link(line), []
        for number in range(ECHOES):
            before_ns, question = line.now_ns(), Echo(f"survey {number} {'x' * 100}")
            answer = link.ask(ECHO, question)
            times.append(line.now_ns() - before_ns)
            if answer.text != question.text:
                raise SurveyError(f"{port}: asked for an echo of {question.text!r}, it said "
                                  f"{answer.text!r}")  # fmt: skip
        found = {"far_end": "board", "round_trip_us": median(times) / 1000}
        odd = f"{link.repeated} of {ECHOES} questions had to be repeated"
        return found | ({"odd": odd} if link.repeated else {})


def _flash(port: str, baud: int) -> dict[str, Any]:
    """Flash a small bundle on trial: the second board's next reset takes it back."""
    with _opened(port, baud) as line:
        if _returned(line, baud):
            return {"not_tested": PLUG}
        file = pack_bundle(open_bundle(FLASHED).path)
        report = flash(Link(line), file)
    found: dict[str, Any] = {"bytes": report.sent_bytes, "seconds": report.seconds,
                             "resent_chunks": report.resent_chunks}  # fmt: skip
    odd = f"{report.resent_chunks} chunks had to be sent again"
    return found | ({"odd": odd} if report.resent_chunks else {})


def _stream(port: str, baud: int) -> dict[str, Any]:
    """Read the second board's power log for a while."""
    with _opened(port, baud) as line:
        if _returned(line, baud):
            return {"not_tested": PLUG}
        reader, end_ns = LogReader(Link(line), patience_ns=PATIENCE_NS), line.now_ns() + STREAM_NS
        while line.now_ns() < end_ns:
            reader.read()
    found = {"entries": reader.entries, "lost": reader.lost}
    return found | ({"odd": f"{reader.lost} entries lost"} if reader.lost else {})


@contextmanager
def _opened(port: str, baud: int) -> Iterator[DescriptorPort]:
    """Open a port; what goes wrong on it fails a unit of the survey, not the survey."""
    try:
        line = DescriptorPort(port, baud)
        try:
            yield line
        finally:
            line.close()
    except (LinkError, ImageError) as error:
        raise SurveyError(f"{port}: {error}") from None


def _returned(line: DescriptorPort, baud: int) -> bytes:
    """Send the pattern and return what came back of it; nothing where a board is there."""
    line.write(PATTERN)
    end_ns = line.now_ns() + PATIENCE_NS + len(PATTERN) * 10 * 1_000_000_000 // baud
    came = b""
    while len(came) < len(PATTERN) and line.now_ns() < end_ns:
        came += line.read(end_ns)
    return came if PATTERN[:8] in came else b""


def _plugged(came: bytes, passed_ns: int) -> dict[str, Any]:
    wrong = sum(a != b for a, b in zip(came, PATTERN, strict=False))
    wrong += abs(len(PATTERN) - len(came))
    found = {"far_end": "loopback plug", "bytes": len(came),
             "bytes_per_s": len(came) * 1e9 / passed_ns}  # fmt: skip
    return found | ({"odd": f"{wrong} of {len(PATTERN)} bytes wrong or lost"} if wrong else {})

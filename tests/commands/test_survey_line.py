"""The serial line of a survey: a loopback plug, a second board, nothing at all."""

import os
import threading
import tty
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.bridge_device import BridgeDevice
from tests.fakes.cut_storage import CutStorage
from tests.fakes.pty_line import PtyLine
from tests.fakes.ready_opener import ReadyOpener

from edge_infer.commands import survey_line
from edge_infer.commands.survey_line import PLUG, line_tests
from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.lab.survey.errors import SurveyError

BAUD = 115_200


class ServedDevice(BridgeDevice):
    """A device as a protocol of a server."""

    def descriptors(self) -> list[int]:
        return []

    def __getattr__(self, name: str) -> object:
        return getattr(self.agent, name)


@pytest.fixture
def plug() -> Iterator[str]:
    """A terminal that gives back what is written to it."""
    with PtyLine() as line:
        end = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(end)

        def give_back() -> None:
            while data := os.read(end, 4096):
                if data.endswith(b"\0"):
                    return
                os.write(end, data)

        thread = threading.Thread(target=give_back)
        thread.start()
        yield line.host
        host = os.open(line.host, os.O_WRONLY | os.O_NOCTTY)
        os.write(host, b"\0")
        thread.join()
        os.close(host)
        os.close(end)


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(survey_line, "PATIENCE_NS", 10_000_000)
    with PtyLine() as line:
        yield line.host


def test_no_port_no_tests() -> None:
    assert line_tests(None, BAUD) == {}


def test_a_loopback_plug(plug: str) -> None:
    tests = line_tests(plug, BAUD)
    found = tests["echo"]()
    assert found["far_end"] == "loopback plug" and "odd" not in found
    assert tests["flash"]()["not_tested"] == tests["stream"]()["not_tested"] == PLUG


def test_nobody_answers(silence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def brief(link: Link, command: Any, request: Any) -> Any:
        return ask(link, command, request, answer_ns=10_000_000, retries=0)

    ask = Link.ask
    monkeypatch.setattr(Link, "ask", brief)
    with pytest.raises(SurveyError, match="no answer"):
        line_tests(silence, BAUD)["echo"]()


def test_no_such_port() -> None:
    with pytest.raises(SurveyError, match="ttyNONE"):
        line_tests("/dev/ttyNONE", BAUD)["echo"]()


def test_a_board_answers_echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_line, "PATIENCE_NS", 50_000_000)
    device = ServedDevice(CutStorage())
    with PtyLine() as line:
        opener = ReadyOpener(line.device)
        server = Server(device, opener)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run)
        thread.start()
        opener.wait()
        try:
            found = line_tests(line.host, BAUD)["echo"]()
        finally:
            server.stop()
            thread.join()
    assert found["far_end"] == "board" and found["round_trip_us"] > 0

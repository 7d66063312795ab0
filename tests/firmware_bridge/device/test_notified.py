import socket
from pathlib import Path

import pytest

from edge_infer.firmware_bridge.device.server import NotifiedProtocol, notified
from edge_infer.runtime.supervisor import Supervisor

WATCHDOG_US = 30_000_000


class Idle:
    """A protocol on which nothing happens for an hour."""

    def line_up(self, now_ns: int) -> bytes:
        return b"up"

    def line_lost(self) -> None: ...

    def feed(self, data: bytes, now_ns: int) -> bytes:
        return data

    def poll(self, now_ns: int) -> bytes:
        return b"polled"

    def wait_ns(self, now_ns: int) -> int:
        return 3600 * 10**9

    def descriptors(self) -> list[int]:
        return [7]


@pytest.fixture
def supervisor(tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.setblocking(False)
    return listening


def heard(supervisor: socket.socket) -> list[str]:
    texts = []
    while True:
        try:
            texts.append(supervisor.recv(100).decode())
        except BlockingIOError:
            return texts


def test_ready_once_and_a_sign_of_life_in_every_third_of_the_time(
    supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", supervisor.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_US))
    protocol = notified(Idle())
    now_ns, texts = 10**9, []
    end_ns = now_ns + 60 * 10**9
    while now_ns < end_ns:
        assert protocol.poll(now_ns) == b"polled"
        texts += heard(supervisor)
        wait_ns = protocol.wait_ns(now_ns)
        assert 0 < wait_ns <= WATCHDOG_US * 1000 // 3
        now_ns += wait_ns
    assert texts[0] == "READY=1"
    assert texts[1:] == ["WATCHDOG=1"] * 6
    assert (protocol.feed(b"x", 0), protocol.line_up(0), protocol.descriptors()) == (
        b"x",
        b"up",
        [7],
    )
    supervisor.close()


def test_it_becomes_ready_at_once(supervisor: socket.socket) -> None:
    protocol = NotifiedProtocol(Idle(), Supervisor(supervisor.getsockname(), 0))
    assert protocol.wait_ns(0) == 0
    protocol.poll(0)
    assert heard(supervisor) == ["READY=1"]
    assert protocol.wait_ns(0) == 3600 * 10**9
    supervisor.close()
    protocol.poll(1)  # a supervisor that is gone stops nothing


def test_without_systemd_nothing_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    protocol = Idle()
    assert notified(protocol) is protocol

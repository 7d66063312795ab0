"""`run` under a supervisor: signs of life while frames come or are waited for, none if it hangs."""

import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_infer.commands.root import run_line
from edge_infer.commands.run_loop import run_loop


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", listening.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "1")  # a sign is always due
    return listening


def heard(supervisor: socket.socket) -> list[str]:
    texts = []
    while True:
        try:
            texts.append(supervisor.recv(100).decode())
        except BlockingIOError:
            return texts


class Loop:
    """What run_loop needs of a loop; `steps` says of each tick whether it waits, and what came."""

    def __init__(self, steps: list[tuple[bool, int]]) -> None:
        self.steps, self.stopping, self.interruptible = steps, False, False
        self.source = SimpleNamespace(repeatable=True)
        self.counts = SimpleNamespace(arrived=0)

    def run(self) -> None:
        for waits, arrived in self.steps:
            self.interruptible, self.counts.arrived = waits, arrived
            signal.raise_signal(signal.SIGALRM)


@pytest.mark.parametrize(
    ("steps", "signs"),
    [
        ([(True, 1), (True, 1), (True, 1)], 3),  # it waits for a frame
        ([(False, 1), (False, 2), (False, 3)], 3),  # it takes frames
        ([(False, 1), (False, 1), (False, 1)], 1),  # a net that never answers
    ],
)
def test_it_is_alive_while_it_waits_or_takes_frames(
    supervisor: socket.socket, steps: list[tuple[bool, int]], signs: int
) -> None:
    loop: Any = Loop(steps)
    assert run_loop(loop, None) is None
    texts = heard(supervisor)
    assert texts[0] == "READY=1" and texts[1:] == ["WATCHDOG=1"] * signs
    supervisor.close()


@pytest.mark.parametrize("watchdog_us", ["", "soon", "-1"])
def test_a_supervisor_without_a_watchdog_hears_once(
    supervisor: socket.socket, watchdog_us: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", watchdog_us)
    loop: Any = Loop([(True, 1), (True, 1)])
    run_loop(loop, None)
    assert heard(supervisor) == ["READY=1"]
    supervisor.close()


def test_a_run_without_a_supervisor_tells_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    found = signal.getsignal(signal.SIGALRM)
    assert run_line(["run", "digits-early-exit", "--frames", "3", "--board", "host"]) == 0
    assert signal.getsignal(signal.SIGALRM) is found

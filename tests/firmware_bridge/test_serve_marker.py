"""`serve --marker`: an outside meter sees when an inference runs, whatever is spoken."""

from collections import deque
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from tests.fakes.gpio_kernel import GpioKernel

from edge_infer.boards.gpio import open_line
from edge_infer.commands import marker
from edge_infer.commands.root import run_line
from edge_infer.commands.serve import serve_command
from edge_infer.firmware_bridge.device import server
from edge_infer.firmware_bridge.device.server import LineProtocol
from edge_infer.firmware_bridge.wire.edge import RunSamples
from edge_infer.firmware_bridge.worker import worker
from edge_infer.firmware_bridge.worker.worker_pipe import Done, Job, WorkerSettings

BUNDLE = Path(__file__).parents[2] / "models_tflite" / "bundles" / "digits-early-exit"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GpioKernel:
    played = GpioKernel(tmp_path, {"gpiochip0": [""] * 4 + ["GPIO4"]})
    opener = partial(open_line, devices=played.devices, ioctl=played.ioctl)
    for module in (marker, worker):
        monkeypatch.setattr(module, "open_line", opener)
    return played


class PlayedServer:
    """Stands for the server: loads a frame, asks for two warm-ups and three inferences."""

    said = b""

    def __init__(self, served: LineProtocol, *rest: Any) -> None:
        self._served = served

    def stop(self) -> None: ...

    def run(self) -> None:
        self._served.feed(b"db load 64%" + 4 * (b"db " + b"7f" * 16 + b"%"), 0)
        PlayedServer.said = self._served.feed(b"infer 3 2%", 0)
        for _ in range(4):
            PlayedServer.said += self._served.poll(0)


def test_mlperf_tiny_raises_the_line_for_each_inference(
    kernel: GpioKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "Server", PlayedServer)
    line = ["serve", "-p", "/dev/x", "--protocol", "mlperf-tiny", "--bundle", "digits-early-exit"]
    assert run_line([*line, "--marker", "GPIO4"]) == 0
    assert b"m-infer-done" in PlayedServer.said
    assert kernel.levels == [0, *[1, 0] * 5, 0]  # the warm-up's two are marked too


class ClosingPipe:
    """Gives jobs, and closes when their answers are there."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = deque(jobs)
        self.done: list[Any] = []

    def send(self, event: Any) -> None:
        if isinstance(event, Done):
            self.done.append(event.answer)

    def poll(self, timeout: float) -> bool:
        return bool(self.jobs or self.done)

    def recv(self) -> Job:
        if not self.jobs:
            raise EOFError
        return self.jobs.popleft()


def test_the_worker_raises_the_line_and_lowers_it_at_the_end(
    kernel: GpioKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    pipe = ClosingPipe([Job(1, RunSamples(4, 1))])
    settings = WorkerSettings(str(BUNDLE), "host", marker="GPIO4")
    worker.run_worker(cast(Any, pipe), settings)
    assert pipe.done[0].frames == 4
    assert kernel.levels == [0, *[1, 0] * 4, 0]


@pytest.mark.parametrize(
    ("line", "board", "message"),
    [
        ("GPIO99", "host", "no GPIO line 'GPIO99'"),
        ("GPIO4", "sim:raspberry-pi-5", "has none here"),
        ("", "host", "no GPIO line ''"),
    ],
)
def test_a_line_that_is_not_there_is_said_before_anything_is_served(
    kernel: GpioKernel, tmp_path: Path, line: str, board: str, message: str
) -> None:
    more = ["--board", board, "--state", str(tmp_path / "state"), "--allow-unsigned"]
    done = CliRunner().invoke(serve_command, ["-p", "/dev/x", "--marker", line, *more])
    assert message in str(done.exception)
    assert not (tmp_path / "state").exists()

import json
from functools import partial
from pathlib import Path

import pytest
from tests.fakes.gpio_kernel import GpioKernel

from edge_infer.boards.gpio import open_line
from edge_infer.commands import marker
from edge_infer.commands.root import run_line


def test_the_line_is_raised_once_for_each_inference_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = GpioKernel(tmp_path, {"gpiochip0": [""] * 4 + ["GPIO4"]})
    opener = partial(open_line, devices=kernel.devices, ioctl=kernel.ioctl)
    monkeypatch.setattr(marker, "open_line", opener)
    assert (
        run_line(["run", "digits-early-exit", "--marker", "GPIO4", "--frames", "7", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["inferences"] == 7
    assert kernel.levels == [0, *[1, 0] * 7, 0]


@pytest.mark.parametrize("board", ["sim:raspberry-pi-5", "serial:/dev/ttyS0"])
def test_a_board_without_lines_here_is_refused(
    board: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["run", "digits-early-exit", "--board", board, "--marker", "GPIO4"]) == 1
    assert f"{board} has none here" in capsys.readouterr().err

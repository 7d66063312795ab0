from typing import Any

import pytest

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import edgetpu
from edge_infer.models_tflite.errors import BackendError

RUN = ["run", "digits-early-exit", "--frames", "5"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("edgetpu", {}),
        ("edgetpu:usb:1", {"device": "usb:1"}),
        ("edgetpu:pci@max", {"device": "pci", "Performance": "Max"}),
        ("edgetpu::0@low", {"device": ":0", "Performance": "Low"}),
    ],
)
def test_device_and_level_come_to_the_delegate(
    name: str,
    options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[dict[str, str]] = []

    def load(module: Any, name: str) -> Any:
        asked.append(edgetpu.delegate_options(name))
        raise BackendError("no accelerator answers")

    monkeypatch.setattr(edgetpu, "load_edgetpu", load)
    assert run_line([*RUN, "--backend", name]) == 1
    assert asked == [options]
    assert "no accelerator answers" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["edgetpu:gpu", "edgetpu@turbo", "tensorrt"])
def test_another_backend_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line([*RUN, "--backend", name]) == 2
    assert "edgetpu" in capsys.readouterr().err


def test_help_shows_the_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "[litert|tflite-runtime|edgetpu[:DEVICE][@LEVEL]]" in shown

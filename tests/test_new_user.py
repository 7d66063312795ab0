"""A new user's path: README's own commands, from a model to an answer in the broker.

On a simulated Raspberry Pi 5, with a script in the place of rpicam-vid. What systemd does with the
service, and mosquitto in the broker's place: tests/beds/vm/booted/check_camera.py.
"""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.frame_programs import write_program
from tests.fakes.mqtt_broker import FakeBroker

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

README = (Path(__file__).parents[1] / "README.md").read_text()
PICTURES = 40
ENDLESS = ("run mine camera",)
BED = "service"
"""Commands of systemd's services run in the VM bed."""


def commands_of(heading: str) -> list[str]:
    """The commands of a section, one a line of its indented code."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", README, re.S | re.M)
    return [line.split("  #")[0].strip() for line in re.findall(r"^    (.*)$", section, re.M)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, its labels and pictures of each class; a camera on the PATH."""
    image = pytest.importorskip("PIL.Image", reason="the images extra is not installed")
    bundle = open_bundle("digits-early-exit")
    samples = bundle.samples()
    assert samples is not None
    pair = open_bundle("digits-little-big")
    shutil.copy(pair.path / pair.manifest.stages[-1].file, tmp_path / "MODEL.tflite")
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in bundle.manifest.labels))
    for number, (frame, label) in enumerate(zip(*samples, strict=True)):
        if number == PICTURES:
            break
        folder = tmp_path / "test" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (frame[..., 0].astype(int) * 255 // 16).astype(np.uint8)
        image.fromarray(pixels).save(folder / f"{number}.png")
    write_program(tmp_path / "bin", "rpicam-vid", {"frames": [9] * 8, "hang": True})
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("EDGE_INFER_BOARD", "sim:raspberry-pi-5")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_a_model_to_a_service_whose_answers_are_in_the_broker(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own, service = commands_of("Your own model"), commands_of("A camera as a service")
    typed = [*own, *(line for line in service if f"edge-infer {BED} " not in line)]
    assert len(own) == 4 and len(typed) == 6
    assert len(commands_of("Install")) + len(typed) <= 11
    with FakeBroker() as broker:
        for line in typed:
            words = shlex.split(
                line.removeprefix("sudo ")
                .replace("/opt/", f"{place}/opt/")
                .replace("//broker/", f"//127.0.0.1:{broker.port}/")
            )
            if words[0] == "cp":
                shutil.copytree(place / words[2], words[3])
                continue
            assert words.pop(0) == "edge-infer"
            more = ["--frames", "2"] if line.endswith(ENDLESS) else []
            more = ["--root", str(place / "root")] if words[0] == "install-service" else more
            assert run_line([*words, *more]) == 0, capsys.readouterr().err
        out = capsys.readouterr().out
        accuracy = re.search(r"accuracy +([\d.]+) % of 40 frames", out)
        assert accuracy is not None and float(accuracy[1]) > 90
        assert "idle" in (place / "page.html").read_text()
        # What the unit runs, in the folder that it is started in.
        unit = (place / "root/etc/systemd/system/edge-infer-mine.service").read_text()
        assert f"run {place}/opt/mine\n" in unit
        monkeypatch.chdir(place / "root/etc/edge-infer/mine")
        assert run_line(["run", f"{place}/opt/mine", "--frames", "5"]) == 0
        assert broker.wait_for(lambda found: len(found.messages.get("home/door", ())) == 5)
        answer = json.loads(broker.messages["home/door"][-1])
        assert answer["label"] in "0123456789" and answer["gross_nj"] > 0
        assert b"offline" in broker.retained["home/door/availability"]

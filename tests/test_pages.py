"""Every command of README and of the pages for users is run here, or is marked with what runs it.

On a simulated Raspberry Pi 5, with a script in the place of rpicam-vid and a broker of our own.
"""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.frame_programs import write_program
from tests.fakes.mqtt_broker import FakeBroker
from tests.fakes.noisy_digits import write_noisy_digits
from tests.test_docs import lines_of

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

HOWTO = ("battery", "camera", "home-assistant", "own-model", "report", "service", "wiring")
PAGES = ["README.md", "docs/answers.md", "docs/settings.md", *(f"docs/howto/{n}.md" for n in HOWTO)]
MARKED = {
    r"(install-)?service( |$)": "systemd: tests/beds/vm/booted",
    r"power (monitor|calibrate)": "a meter: tests/commands/test_power_commands.py",
    r"run BUNDLE - |.* - --frame-size": "a pipe: tests/runtime/test_streams.py",
    r"(serve|flash|fleet)( |$)|.*serial:": "a line: tests/firmware_bridge",
    r".*--marker": "a GPIO line: tests/beds/vm/guest/check_bridge.py",
    r"(train|reproduce|adapt|boards survey|boards restore)( |$)": "tests of its own",
    r".*recording.mp4": "ffmpeg: tests/runtime/test_real_ffmpeg.py",
    r"bench ": "tests/commands/test_bench.py",
    r"run --policy (stable|planned-)": "ratios: tests/commands/test_run_policy.py",
    r"boards show$": "the name of a command",
    r"completion": "tests/commands/test_init.py",
    r"bundle (build\|cut|info|cut|.*--source int8)": "tests/commands/test_bundle_command.py",
    r"compare ": "tests/commands/test_compare.py",
    r"design |boards list|tune --keep|.*NAME|run$|report .*power": "tests/commands",
}
"""Pattern of commands that are not run here, and where they are."""
ENDLESS = re.compile(r"run \S+ camera|run .*--live")
MEANT = {
    "run --policy": "run BUNDLE --frames 20 --policy",
    "tune BUNDLE --calibration DATA": "tune BUNDLE --calibration noisy.npz --dry-run",
    "BUNDLE --deadline": "BUNDLE --frames 20 --deadline",
    "BUNDLE": "digits-early-exit",
    "INPUT": "noisy.npz",
    "CANDIDATE...": "digits-little-big",
    "DATA": "pixels.npz",
    "MODEL.tflite": "B.tflite",
    "cost MODEL": "cost B.tflite",
    "[power.csv]": "",
}


def commands(page: str) -> list[str]:
    found = [line for line in lines_of(Path(page)) if not line.startswith("```")]
    return [" ".join(line.split()) for line in found]


def is_marked(line: str) -> bool:
    return any(re.match(pattern, line) for pattern in MARKED)


def typed(line: str, port: int) -> list[str]:
    """What stands on a page, with what a reader puts in its places."""
    for word, meant in MEANT.items():
        line = line.replace(word, meant)
    line = line.replace("//broker/", f"//127.0.0.1:{port}/")
    line = re.sub(r"//127.0.0.1/", f"//127.0.0.1:{port}/", line)
    return shlex.split(re.sub(r"[\[\]]", "", line)) + ["--frames", "2"] * bool(ENDLESS.match(line))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what the pages name."""
    image = pytest.importorskip("PIL.Image", reason="the images extra is not installed")
    bundle, pair = open_bundle("digits-early-exit"), open_bundle("digits-little-big")
    noisy = write_noisy_digits(bundle, tmp_path, copies=4)
    for stage, name in zip(pair.manifest.stages, ("A", "B"), strict=True):
        shutil.copy(pair.path / stage.file, tmp_path / f"{name}.tflite")
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in bundle.manifest.labels))
    arrays = np.load(noisy)
    pixels = (arrays["frames"].astype(int) * 255 // 16).astype(np.uint8)
    np.savez(tmp_path / "pixels.npz", frames=pixels, labels=arrays["labels"])
    for number in range(20):
        folder = tmp_path / "test" / str(arrays["labels"][number])
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels[number, ..., 0]).save(folder / f"{number}.png")
    write_program(tmp_path / "bin", "rpicam-vid", {"frames": [9] * 8, "hang": True})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin")
    monkeypatch.setenv("EDGE_INFER_BOARD", "sim:raspberry-pi-5")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    for name in ("run", "before", "after"):
        assert run_line(["run", "digits-early-exit", "--frames", "30", "-o", f"{name}.jsonl"]) == 0
    yield tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs_or_is_marked(
    page: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeBroker() as broker:
        for line in commands(page):
            if is_marked(line):
                continue
            capsys.readouterr()
            code = run_line(typed(line, broker.port))
            # What is missing on this computer, doctor says by its exit code.
            assert code == 0 or line == "doctor", f"{line}: {code}: {capsys.readouterr().err}"


def test_every_mark_is_of_a_command() -> None:
    every = [line for page in PAGES for line in commands(page)]
    for pattern in MARKED:
        assert any(re.match(pattern, line) for line in every), pattern
    assert sum(map(is_marked, every)) < len(every) * 2 / 3

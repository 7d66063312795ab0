"""`run` on cameras and videos, with --gate and --smooth, and `tune --gate`; programs are fakes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from tests.fakes.frame_programs import pids, starts, write_program

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

DIGITS = "digits-early-exit"
SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def outcome(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = run_line(["run", DIGITS, *arguments])
    return code, *capsys.readouterr()


def document(out: str, name: str = "run") -> Any:
    found = json.loads(out)
    fastjsonschema.validate(json.loads((SCHEMAS / f"{name}.schema.json").read_text()), found)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("board", ["host", "sim:raspberry-pi-5"])
@pytest.mark.parametrize("named", [("camera",), ("--source", "camera:0")])
def test_a_camera_s_frames_are_answered(
    place: Path, capsys: Capture, named: tuple[str, ...], board: str
) -> None:
    write_program(place, "rpicam-vid", {"frames": [9], "hang": True})
    options = ("--frames", "1", "--rate", "5", "--board", board, "--json")
    code, out, _ = outcome(capsys, *named, *options)
    assert code == 0
    found = document(out)
    assert found["inferences"] == 1 and found["answers"][0]["name"] == "frame 0"
    assert found["input"]["kind"] == "camera" and found["input"]["restarts"] == 0
    line = starts(place)[0]
    assert line[line.index("--framerate") + 1] == "5"
    assert not alive(pids(place)[0])


@pytest.mark.parametrize(
    ("plan", "code", "message"),
    [
        ({"says": "ERROR: *** no cameras available ***\n", "code": 255}, 1, "ribbon cable"),
        ({"says": "Device or resource busy\n", "code": 1}, 1, "another program has the camera"),
        ({"code": 0}, 1, "ended with code 0"),
        ({"more": 7}, 1, "7 bytes into a frame"),
    ],
)
def test_a_camera_that_gives_nothing_is_one_line(
    place: Path, capsys: Capture, plan: dict[str, object], code: int, message: str
) -> None:
    write_program(place, "rpicam-vid", plan)
    found, out, err = outcome(capsys, "camera")
    assert (found, out) == (code, "")
    assert err.startswith("error: camera: no frame: ") and err.count("\n") == 1 and message in err


def test_what_ran_is_told_before_the_camera_is_given_up(place: Path, capsys: Capture) -> None:
    write_program(place, "rpicam-vid", {"frames": [9], "code": 5})
    code, out, err = outcome(capsys, "camera", "--strict")
    assert code == 1 and "of 1 frames" in out
    assert "error: camera: after 1 frames rpicam-vid ended with code 5" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("camera", "--labels", "y.npy"), "--labels are of a file"),
        (("camera", "--frame-format", "rgb"), "--frame-format is for raw frames"),
        (("camera", "--source", "camera"), "two inputs"),
        (("v4l2:/dev/nothing",), "apt install ffmpeg"),
        (("camera:-1",), "names no camera"),
        (("camera", "--smooth", "2/5"), "more than half"),
        (("camera", "--smooth", "three"), "write 3/5"),
        (("camera", "--gate", "nan"), "no finite number"),
        (("nothing.mp4",), "there is no input"),
    ],
)
def test_wrong_words(
    place: Path, capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    write_program(place, "rpicam-vid", {"frames": [1]})
    code, out, err = outcome(capsys, *arguments)
    assert code in (1, 2) and out == "" and message in err and "Traceback" not in err
    assert not starts(place)


def test_a_folder_of_that_name(
    place: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(place, "rpicam-vid", {"frames": [1], "hang": True})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "camera").mkdir()
    code, _, err = outcome(capsys, "camera")
    assert code == 2 and "write ./camera for that, camera:0 for the camera" in err
    assert outcome(capsys, "camera:0", "--frames", "1")[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_signal_leaves_no_child(
    place: Path, tmp_path: Path, number: signal.Signals, code: int, stubborn: bool
) -> None:
    write_program(place, "rpicam-vid", {"frames": [9], "hang": True, "stubborn": stubborn})
    done = subprocess.Popen(
        [sys.executable, "-m", "edge_infer", "run", DIGITS, "camera", "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PATH": str(place)},
        cwd=tmp_path,
    )
    assert done.stdout is not None
    assert json.loads(done.stdout.readline())["gated"] is False  # the camera is waited for now
    done.send_signal(number)
    done.communicate()
    assert done.returncode == code
    assert not any(alive(pid) for pid in pids(place))


def test_a_video_with_gate_and_smoothing(place: Path, capsys: Capture, tmp_path: Path) -> None:
    values = [0, 0, 1, 255, 0, 0]
    write_program(place, "ffmpeg", {"frames": values}, size=64)
    video, rows = tmp_path / "v.webm", tmp_path / "rows.jsonl"
    video.touch()
    options = ("--gate", "2", "--smooth", "2/3", "--json", "--board", "sim:raspberry-pi-5")
    code, out, err = outcome(capsys, str(video), *options, "-o", str(rows))
    assert code == 0, err
    found = document(out)
    assert found["inferences"] == 6 and sum(found["exits"].values()) == 3
    assert found["gate"] == {"threshold": 2.0, "gated": 3, "share": 0.5}
    assert found["smooth"]["agree"] == 2 and found["smooth"]["changed"] <= 1
    gated = [json.loads(row)["gated"] for row in rows.read_text().splitlines()]
    assert gated == [False, True, True, False, False, True]
    assert [answer["gated"] for answer in found["answers"]] == gated
    assert found["answers"][1]["net_uj"] is None
    code, out, _ = outcome(capsys, str(video), "--gate", "2", "--smooth", "2/3")
    assert "3 frames (50.0 %) answered without the net" in out and "of the last 3 frames" in out


def test_a_video_is_repeated_for_a_time(place: Path, capsys: Capture, tmp_path: Path) -> None:
    write_program(place, "ffmpeg", {"frames": [1, 2, 3]}, size=64)
    (tmp_path / "v.avi").touch()
    code, out, _ = outcome(capsys, str(tmp_path / "v.avi"), "--frames", "7", "--json")
    assert code == 0 and document(out)["inferences"] == 7 and len(starts(place)) == 3


def test_off_by_default(capsys: Capture) -> None:
    code, out, _ = outcome(capsys, "--frames", "2", "--json")
    found = document(out)
    assert code == 0 and found["gate"] is None and found["smooth"] is None


def test_tune_gate_chooses_on_a_recording(capsys: Capture, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = open_bundle(DIGITS).samples()
    assert samples is not None
    scenes = np.repeat(rng.permutation(samples[0]), 2, axis=0).astype(int)
    frames = np.clip(scenes + rng.integers(-1, 2, scenes.shape), 0, 255).astype(np.uint8)
    path = tmp_path / "recording.npy"
    np.save(path, frames)
    assert run_line(["tune", DIGITS, "--gate", str(path), "--json", "--changes", "2"]) == 0
    found = document(capsys.readouterr().out, "tune-gate")
    assert found["frames"] == len(frames) and found["threshold"] >= 1
    chosen = next(row for row in found["rows"] if row["threshold"] == found["threshold"])
    assert chosen["bound_percent"] <= 2 and chosen["gated_percent"] > 40
    assert run_line(["tune", DIGITS, "--gate", str(path), "--changes", "0.01"]) == 0
    assert "is the least" in capsys.readouterr().out


def test_tune_gate_refuses_what_is_no_recording(
    place: Path, capsys: Capture, tmp_path: Path
) -> None:
    write_program(place, "rpicam-vid", {})
    samples = open_bundle(DIGITS).samples()
    assert samples is not None
    np.save(tmp_path / "test.npy", samples[0])
    np.save(tmp_path / "one.npy", np.zeros((1, 8, 8, 1), np.uint8))
    for arguments, message in (
        (("--gate", "camera"), "a camera has no end"),
        (("--gate", str(tmp_path / "test.npy")), "test samples of the bundle"),
        (("--gate", str(tmp_path / "one.npy")), "compares two or more"),
        (("--gate", "x.npy", "--calibration", "y.npy"), "leave --calibration out"),
        (("--gate", "x.npy", "-o", "y"), "leave --output out"),
        (("--gate", "x.npy", "--check-promise", "3"), "leave --check-promise out"),
        (("--calibration", "x.npy", "--changes", "2"), "goes with --gate"),
        (("--gate", "x.npy"), "there is no input"),
    ):
        assert run_line(["tune", DIGITS, *arguments]) in (1, 2)
        out, err = capsys.readouterr()
        assert out == "" and message in err


def test_an_input_stands_over_a_source_of_the_settings(
    place: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(place, "ffmpeg", {"frames": [1, 2]}, size=64)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v.mkv").touch()
    (tmp_path / "edge-infer.toml").write_text('[run]\nsource = "camera"\nsmooth = "2/3"\n')
    code, out, _ = outcome(capsys, "v.mkv", "--json")
    found = document(out)
    assert code == 0 and found["input"]["kind"] == "video" and found["smooth"]["of"] == 3

"""Inputs of `run` that look right: what the command answers, says or refuses."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

DIGITS = "digits-early-exit"
CASES = Path(__file__).parents[3] / "shared" / "data" / "cases"
cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/data/cases is not here")
Capture = pytest.CaptureFixture[str]


def outcome(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = run_line(["run", *arguments])
    return code, *capsys.readouterr()


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@cases
@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("arrays/onehot.npz", "one-hot"),
        ("arrays/obj_labels.npz", "array labels"),
        ("arrays/range_labels.npz", "from 1 to 10"),
        ("arrays/trunc.npz", "cannot be read"),
        ("arrays/one_frame.npz", "one frame without a batch"),
        ("arrays/npy_as.npz", "an .npy file"),
        ("arrays/float_frac_labels.npz", "7.7"),
        ("float_frames/nan1.npy", "NaN"),
        ("image_alpha/s_alpha", "--background"),
    ],
)
def test_cases_that_are_refused(file: str, message: str, capsys: Capture) -> None:
    code, out, err = outcome(capsys, "mnist-early-exit", str(CASES / file))
    assert code == 2 and message in err and "accuracy" not in out


@cases
@pytest.mark.parametrize(
    "arguments",
    [
        ("image_exif/s_exif6",),
        ("image_16bit/s_p16",),
        ("image_alpha/s_alpha", "--background", "black"),
    ],
)
def test_images_that_are_answered_right(arguments: tuple[str, ...], capsys: Capture) -> None:
    folder, *options = arguments
    code, out, _ = outcome(capsys, "mnist-early-exit", str(CASES / folder), *options, "--json")
    document = json.loads(out)
    assert code == 0 and document["accuracy"] >= 29 / 30
    assert 30 in document["input"]["done"].values()


@cases
def test_mjpeg_is_never_gray_pixels(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    pipe(monkeypatch, (CASES / "raw_not_raw" / "mjpeg.bin").read_bytes())
    code, out, err = outcome(
        capsys, "mnist-early-exit", "-", "--frame-size", "28x28", "--frame-format", "gray", "--json"
    )
    assert code == 0 and json.loads(out)["input"]["kind"] == "JPEG pictures"
    assert "ended within frame 41" in err


@cases
def test_padded_rows_are_refused_or_read(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    content = (CASES / "raw_stride" / "300x300_stride320_5frames.yuv").read_bytes()
    options = ("cifar10-early-exit", "-", "--frame-size", "300x300", "--frame-format", "yuv420")
    pipe(monkeypatch, content)
    code, _, err = outcome(capsys, *options)
    assert code == 2 and "--frame-stride 320" in err and "300 for ffmpeg" in err
    pipe(monkeypatch, content)
    code, out, _ = outcome(capsys, *options, "--frame-stride", "320", "--json")
    document = json.loads(out)
    assert (code, document["inferences"], document["input"]["stride"]) == (0, 5, 320)


@cases
@pytest.mark.parametrize(("file", "message"), [("c_onehot", "one-hot"), ("c_cnt", "4 labels")])
def test_samples_that_do_not_fit_are_refused_at_build(
    file: str, message: str, tmp_path: Path, capsys: Capture
) -> None:
    model = CASES.parent / "models" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
    built = ["bundle", "build", "--single", str(model), "-o", str(tmp_path / "b")]
    code = run_line([*built, "--samples", f"{CASES}/samples/{file}.npz", "--data-license", "x"])
    assert code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_options_of_standard_input_are_refused_for_files(tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 8, 8, 1), np.uint8))
    code, _, err = outcome(capsys, DIGITS, str(tmp_path / "x.npy"), "--frame-stride", "64")
    assert code == 2 and "--frame-stride is for raw frames" in err


def test_the_summary_says_what_was_done_and_left_out(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "3"
    folder.mkdir()
    Image.new("RGB", (16, 16)).save(folder / "a.png")
    (folder / "notes.txt").write_text("x")
    code, out, _ = outcome(capsys, DIGITS, str(tmp_path))
    assert code == 0 and "input images, 1 resized; left out: 1 .txt" in " ".join(out.split())


def test_int8_frames_of_the_samples_are_the_same_pictures(tmp_path: Path, capsys: Capture) -> None:
    samples = open_bundle(DIGITS).samples()
    assert samples is not None
    np.savez(tmp_path / "i.npz", frames=samples[0].astype(np.int64), labels=samples[1][:, None])
    code, out, _ = outcome(capsys, DIGITS, str(tmp_path / "i.npz"), "--json")
    document = json.loads(out)
    assert code == 0 and document["accuracy"] > 0.9
    assert document["input"]["done"] == {"int64 frames taken as uint8": None}


def test_a_folder_of_nothing_readable_is_a_wrong_input(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "a.png").write_bytes(b"no image")
    code, _, err = outcome(capsys, DIGITS, str(tmp_path))
    assert code == 2 and "no frame could be read from the input" in err
    assert "a.png: not a readable image" in err

"""Videos through the ffmpeg that is installed: made by it, read by it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.camera import open_video

FFMPEG = shutil.which("ffmpeg")
pytestmark = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
GRAY, COLOUR = (FrameSpec((16, 24, channels), np.dtype(np.uint8)) for channels in (1, 3))
QUIET = ("-nostdin", "-loglevel", "error", "-y")


def made(path: Path, source: str, *codec: str) -> Path:
    subprocess.run([str(FFMPEG), *QUIET, "-f", "lavfi", "-i", source, *codec, path], check=True)
    return path


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4", "mov", "ts"])
def test_every_frame_comes_once_in_each_pass(tmp_path: Path, suffix: str) -> None:
    # Brightness rises by 8 a frame; limited range becomes full.
    video = made(
        tmp_path / f"a.{suffix}",
        "color=black:size=96x64:rate=10:duration=2,format=gray,geq=lum=N*8,format=yuv420p",
        "-c:v", "mpeg4", "-q:v", "2", "-bf", "0",
    )  # fmt: skip
    for spec in (GRAY, COLOUR):
        source = open_video(video, spec)
        for _ in range(2):
            levels = [float(frame.data.mean()) for frame in source]
            assert len(levels) == 20
            assert np.abs(np.array(levels) - np.arange(20) * 8).max() < 4
        assert not source.warnings()


def test_what_is_cut_off_is_told(tmp_path: Path) -> None:
    video = made(tmp_path / "a.mkv", "testsrc=size=96x64:rate=10:duration=3", "-c:v", "mpeg4")
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 6 // 10])
    source = open_video(video, GRAY)
    assert 0 < len(list(source)) < 30
    assert "damaged or cut off" in source.warnings()[0]
    with pytest.raises(InputError):
        list(open_video(video, GRAY, strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no video that ffmpeg reads"),
        (b"hello", "is no video that ffmpeg reads"),
        (b"ffconcat version 1.0\nfile '/etc/hostname'\n", "names other files|is no video"),
    ],
)
def test_what_is_no_video(tmp_path: Path, content: bytes, message: str) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(open_video(video, GRAY))


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    sound = made(tmp_path / "a.mp4", "sine=duration=1", "-c:a", "aac")
    with pytest.raises(InputError, match="no pictures, only sound"):
        list(open_video(sound, GRAY))

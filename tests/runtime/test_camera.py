"""Cameras and videos through programs that are fakes: real processes, real frames."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.frame_programs import starts, write_program

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError, SourceMissingError
from edge_infer.runtime.frames import live_child
from edge_infer.runtime.frames.camera import Programs, open_camera, open_video
from edge_infer.runtime.frames.camera_programs import block_means, capture_size
from edge_infer.runtime.frames.live_child import DROPPED, LiveChildSource
from edge_infer.runtime.frames.raw import NOTHING_STATED, RawFormat, RawOptions, camera_stride

GRAY = FrameSpec((8, 8, 1), np.dtype(np.uint8))
COLOUR = FrameSpec((96, 96, 3), np.dtype(np.uint8))
FRAME = 64
"""Bytes of a gray frame of ffmpeg."""


class Pauses:
    """Waits for nothing, and notes how long it should."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.called = threading.Event()

    def __call__(self, wait_s: float) -> bool:
        self.asked.append(wait_s)
        self.called.set()
        return False


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def camera(spec: FrameSpec = GRAY, name: str = "camera", **more: Any) -> LiveChildSource:
    return open_camera(name, spec, more.pop("raw", NOTHING_STATED), pause=Pauses(), **more)


def first(source: LiveChildSource, count: int) -> list[int]:
    """Return the value of the first pixel of so many frames, and close the source."""
    with source:
        frames = iter(source)
        return [int(next(frames).data.flat[0]) for _ in range(count)]


def test_rpicam_vid_gets_a_size_without_padding(place: Path) -> None:
    write_program(place, "rpicam-vid", {"frames": [7], "hang": True})
    source = camera(rate_hz=10)
    assert first(source, 1) == [7]
    line = starts(place)[0][1:]
    assert line == [
        "--timeout", "0", "--nopreview", "--camera", "0", "--codec", "yuv420", "--width", "320",
        "--height", "320", "--framerate", "10", "--flush", "--output", "-",
    ]  # fmt: skip
    document = source.document()
    assert document["kind"] == "camera" and document["stride"] == 320
    assert document["done"] == {
        "taken by rpicam-vid as 320x320 yuv420": None,
        "scaled to 8x8, means of blocks": None,
    }


def test_the_older_name_and_another_camera(place: Path) -> None:
    write_program(place, "libcamera-vid", {"frames": [1], "hang": True})
    assert first(camera(name="camera:1"), 1) == [1]
    line = starts(place)[0]
    assert line[line.index("--camera") + 1] == "1"


def test_a_size_of_ones_own_has_padded_rows(place: Path) -> None:
    write_program(place, "rpicam-vid", {"frames": [9], "hang": True})
    source = camera(raw=RawOptions(size=(100, 60)))
    assert first(source, 1) == [9]
    assert source.document()["stride"] == 128


@pytest.mark.parametrize(
    ("net", "taken"),
    [
        ((8, 8), (320, 320)),
        ((28, 28), (448, 448)),
        ((96, 96), (384, 384)),
        ((224, 224), (448, 448)),
        ((299, 299), (598, 598)),
        ((640, 480), (1280, 960)),
        ((49, 10), (1176, 240)),
    ],
)
def test_capture_sizes(net: tuple[int, int], taken: tuple[int, int]) -> None:
    size = capture_size(*net)
    assert size == taken
    assert size[0] % 2 == size[1] % 2 == size[0] % net[0] == size[1] % net[1] == 0


def test_block_means_are_those_of_the_pixels() -> None:
    raw = RawFormat(8, 8, "yuv420", camera_stride(8))
    rows = np.random.default_rng(0).integers(0, 256, (8, raw.row_bytes), np.uint8)
    content = rows.tobytes() + bytes([128]) * (raw.frame_bytes - rows.size)
    expected = rows[:, :8].astype(float).reshape(4, 2, 4, 2).mean(axis=(1, 3))
    means = block_means(content, raw, (4, 4, 1))[..., 0]
    assert np.abs(means - expected).max() <= 0.5
    assert (block_means(content, raw, (4, 4, 3)) == means[..., None]).all()
    other = block_means(content, raw, (3, 5, 1))  # no whole blocks: the nearest pixels
    assert other.shape == (3, 5, 1) and set(other.flat) <= set(rows[:, :8].flat)


def test_frames_that_nobody_takes_are_dropped_and_counted(place: Path) -> None:
    write_program(place, "rpicam-vid", {"frames": [1, 2, 3, 4]}, {"hang": True})
    pauses = Pauses()
    source = open_camera("camera", GRAY, pause=pauses)
    with source:
        frames = iter(source)
        seen = [next(frames)]
        assert pauses.called.wait(30)  # the program has ended: all four were read
        seen += [next(frames)] if seen[0].data.flat[0] != 4 else []
        assert seen[-1].data.flat[0] == 4
        document = source.document()
    assert len(seen) + document["left_out"].get(DROPPED, 0) == 4 == len(seen) + source.dropped
    assert pauses.asked == [1.0]


def test_each_frame_has_the_time_at_which_it_was_read(place: Path) -> None:
    write_program(place, "rpicam-vid", {"frames": [1], "hang": True})
    with open_camera("camera", GRAY, now_ns=lambda: 42) as source:
        assert next(iter(source)).read_ns == 42


def test_a_program_that_ends_is_started_again_and_the_cut_frame_is_counted(place: Path) -> None:
    gone = "ERROR: *** Device timeout detected, attempting a restart!!! ***\n"
    write_program(
        place,
        "rpicam-vid",
        {"frames": [1], "more": 99, "code": 255, "says": gone},
        {"code": 1},
        {"frames": [2], "hang": True},
    )
    pauses = Pauses()
    with open_camera("camera", GRAY, pause=pauses) as source:
        frames = iter(source)
        assert [int(next(frames).data.flat[0]) for _ in range(2)] == [1, 2]
        assert source.document()["left_out"] == {"frames cut off": 1}
        assert source.document()["restarts"] == 2 and pauses.asked == [1.0, 2.0]
        assert "started again 2 times" in source.warnings()[0]


def test_after_some_restarts_without_a_frame_it_is_given_up(place: Path) -> None:
    lost = "ERROR: *** no cameras available ***\n"
    write_program(place, "rpicam-vid", {"frames": [1]}, {"says": lost, "code": 255})
    pauses = Pauses()
    source = open_camera("camera", GRAY, pause=pauses)
    with source, pytest.raises(SourceError) as caught:
        for _ in source:
            pass
    assert "after 1 frames" in str(caught.value) and "ribbon cable" in str(caught.value)
    assert tuple(pauses.asked) == live_child.BACKOFF_S


def test_strict_starts_nothing_again(place: Path) -> None:
    write_program(place, "rpicam-vid", {"frames": [1], "code": 3})
    source = open_camera("camera", GRAY, strict=True)
    with source, pytest.raises(SourceError, match="after 1 frames rpicam-vid ended with code 3"):
        for _ in source:
            pass
    assert len(starts(place)) == 1


@pytest.mark.parametrize(
    ("says", "code", "advice"),
    [
        ("ERROR: *** no cameras available ***\n", 255, "ribbon cable"),
        ("[0:1:2.3] [27]  INFO Camera camera.cpp:839 Pipeline handler in use by another process\n"
         "ERROR: *** failed to acquire camera /base/soc ***\n", 255, "another program has"),
        ("ERROR: *** selected camera is not available ***\n", 255, "--list-cameras"),
        ("dmaHeap allocation failure\nERROR: *** failed ***\n", 255, "smaller --frame-size"),
        ("ERROR: *** unrecognised option '--flush' ***\n", 255, "too old"),
        ("open: Permission denied\n", 1, "group video"),
        ("", 1, "to see more, run: rpicam-vid"),
    ],
)  # fmt: skip
def test_a_camera_that_does_not_start(place: Path, says: str, code: int, advice: str) -> None:
    write_program(place, "rpicam-vid", {"says": says, "code": code})
    source = camera()
    with source, pytest.raises(SourceError) as caught:
        next(iter(source))
    text = str(caught.value)
    assert text.startswith(f"camera: no frame: rpicam-vid ended with code {code}")
    assert advice in text and "\n" not in text
    assert "INFO" not in text and not isinstance(caught.value, InputError)
    assert len(starts(place)) == 1


LOG = "[0:1:2.3] [27]  INFO Camera camera.cpp:1205 configuring streams: (0) {}-YUV420/sYCC (1) \
1536x864-BGGR_PISP_COMP1\n"


def test_a_camera_that_gives_another_size_is_refused(place: Path) -> None:
    write_program(place, "rpicam-vid", {"says": LOG.format("320x320"), "frames": [4], "hang": True})
    assert first(camera(), 1) == [4]
    write_program(place, "rpicam-vid", {"says": LOG.format("336x320"), "frames": [4], "hang": True})
    with camera() as source, pytest.raises(InputError, match="give --frame-size 336x320"):
        next(iter(source))


def test_a_signal_has_its_name(place: Path) -> None:
    write_program(place, "rpicam-vid", {"signal": int(signal.SIGSEGV)})
    with camera() as source, pytest.raises(SourceError, match="was ended by SIGSEGV"):
        next(iter(source))


def test_a_program_that_hangs_is_ended(place: Path) -> None:
    write_program(place, "rpicam-vid", {"hang": True, "stubborn": True, "says": "waiting\n"})
    rounds: Iterator[None] = iter([None])

    def select(selector: Any, timeout_s: float) -> list[Any]:
        return [key for key, _ in selector.select(timeout_s if next(rounds, 0) is None else 0)]

    source = open_camera("camera", GRAY, select=select)
    with source, pytest.raises(SourceError, match="wrote nothing for 10 s: waiting"):
        next(iter(source))


def test_closing_ends_the_program_and_may_be_done_twice(place: Path) -> None:
    write_program(place, "rpicam-vid", {"frames": [1], "hang": True})
    source = camera()
    frames = iter(source)
    next(frames)
    child = source.child
    assert child is not None
    source.close()
    source.close()
    assert child.ended
    assert list(frames) == []
    camera().close()  # never started


def test_what_is_not_installed(place: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="apt install rpicam-apps"):
        camera()
    with pytest.raises(SourceError, match="apt install ffmpeg"):
        camera(name=f"v4l2:{tmp_path}")
    video = tmp_path / "a.mp4"
    video.write_bytes(b"")
    with pytest.raises(SourceError, match="apt install ffmpeg"):
        open_video(video, GRAY)


def test_elsewhere_the_camera_is_ffmpegs(place: Path, tmp_path: Path) -> None:
    write_program(place, "ffmpeg", {"frames": [3], "hang": True}, size=FRAME)
    devices = Programs(devices=tmp_path)
    with pytest.raises(SourceError, match=r"no camera .*video0; none is plugged in"):
        camera(programs=devices)
    (tmp_path / "video0").touch()
    with pytest.raises(SourceError, match=r"no camera .*video1; there are .*video0"):
        camera(name="camera:1", programs=devices)
    source = camera(programs=devices, rate_hz=15, raw=RawOptions(size=(640, 480)))
    assert first(source, 1) == [3]
    line = starts(place)[0]
    begin = line.index("-f")
    assert line[begin : begin + 8] == [
        "-f", "v4l2", "-framerate", "15", "-video_size", "640x480", "-i", str(tmp_path / "video0"),
    ]  # fmt: skip
    assert line[-3:] == ["-pix_fmt", "gray", "pipe:1"]
    assert "restarts" in source.document() and "stride" not in source.document()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("v4l2:", InputError, "names no device"),
        ("v4l2:/dev/nothing", SourceMissingError, "there is no such device"),
        ("v4l2:/", InputError, "is a folder"),
        ("camera:front", InputError, "names no camera"),
        ("camera:", InputError, "names no camera"),
    ],
)
def test_names_that_are_none(place: Path, name: str, kind: type, message: str) -> None:
    write_program(place, "ffmpeg", {}, size=FRAME)
    with pytest.raises(kind, match=message):
        camera(name=name)


@pytest.mark.parametrize("raw", [RawOptions(pixels="rgb"), RawOptions(size=(101, 60))])
def test_options_that_fit_no_camera(place: Path, raw: RawOptions) -> None:
    write_program(place, "rpicam-vid", {})
    with pytest.raises(InputError):
        camera(raw=raw)


def test_a_bundle_that_takes_no_pictures(place: Path) -> None:
    for spec in (
        FrameSpec((49, 10, 1), np.dtype(np.int8)),
        FrameSpec((490,), np.dtype(np.uint8)),
        FrameSpec((8, 8, 4), np.dtype(np.uint8)),
    ):
        with pytest.raises(InputError, match="pictures of 1 or 3 channels"):
            camera(spec)


def test_a_bundle_of_float32_gets_the_pixels_as_such(place: Path, tmp_path: Path) -> None:
    write_program(place, "ffmpeg", {"frames": [200]}, size=FRAME)
    video = tmp_path / "a.mkv"
    video.touch()
    frame = next(iter(open_video(video, FrameSpec((8, 8, 1), np.dtype(np.float32)))))
    assert frame.data.dtype == np.float32 and frame.data.max() == 200


def video_of(tmp_path: Path, **more: Any) -> Any:
    path = tmp_path / "-f.MP4"
    path.touch()
    return open_video(path, GRAY, **more)


def test_a_video_gives_every_frame_in_each_pass(place: Path, tmp_path: Path) -> None:
    write_program(place, "ffmpeg", {"frames": list(range(50))}, size=FRAME)
    source = video_of(tmp_path)
    for _ in range(2):
        assert [int(frame.data.flat[0]) for frame in source] == list(range(50))
    assert source.repeatable and source.document()["left_out"] == {} and not source.warnings()
    line = starts(place)[0]
    assert line[line.index("-i") + 1] == f"file:{tmp_path}/-f.MP4"
    assert line[line.index("-protocol_whitelist") + 1] == "file"


def test_a_video_that_is_left_early_leaves_no_child(place: Path, tmp_path: Path) -> None:
    write_program(place, "ffmpeg", {"frames": [1], "hang": True}, size=FRAME)
    source = video_of(tmp_path)
    frames = iter(source)
    next(frames)
    child = source.child
    source.close()
    assert child.ended


@pytest.mark.parametrize(
    ("says", "advice"),
    [
        ("x.mp4: Invalid data found when processing input\n", "copy it again"),
        ("moov atom not found\n", "copy it again"),
        (
            "Stream map '0:v:0' matches no streams.\nTo ignore this, add a trailing '?'.\n",
            "code 1: Stream map '0:v:0' matches no streams.; it has no pictures, only sound",
        ),
        ("Unrecognized option 'fps_mode'.\n", "version 5.1"),
    ],
)
def test_a_video_that_is_none(place: Path, tmp_path: Path, says: str, advice: str) -> None:
    write_program(place, "ffmpeg", {"says": says, "code": 1}, size=FRAME)
    with pytest.raises(InputError, match="no frame: ffmpeg ended with code 1") as caught:
        list(video_of(tmp_path))
    assert advice in str(caught.value)


def test_a_damaged_video_is_told_or_refused(place: Path, tmp_path: Path) -> None:
    plan: dict[str, object] = {"frames": [1, 2], "more": 9, "says": "error while decoding MB 3 3\n"}
    write_program(place, "ffmpeg", plan, size=FRAME)
    source = video_of(tmp_path)
    assert len(list(source)) == 2
    assert "damaged or cut off" in source.warnings()[0]
    document = source.document()
    assert document["left_out"] == {"frames cut off": 1}
    assert "damaged or cut off, as ffmpeg says" in document["done"]
    with pytest.raises(InputError, match="decoding MB"):
        list(video_of(tmp_path, strict=True))
    write_program(place, "ffmpeg", {**plan, "code": 69}, size=FRAME)
    with pytest.raises(SourceError, match="after 2 frames ffmpeg ended with code 69"):
        list(video_of(tmp_path))

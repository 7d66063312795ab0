"""The command lines of programs that give frames, and what to try where they fail.

`rpicam-vid` (older: `libcamera-vid`) has no uncompressed format but yuv420, full range, with rows
padded to a multiple of 64 bytes. So a size is asked for that needs no padding and is a whole
multiple of the net's: the picture processor of the board scales it down, and means over blocks do
the rest. `ffmpeg` gives the net's own size, in its own layout.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.frames.frame_child import FrameProgram
from edge_infer.runtime.frames.raw import (
    RawFormat,
    RawOptions,
    camera_stride,
    nearest,
    scaled,
    to_rgb,
    unpack,
)

_LEAST_WIDTH, _LEAST_HEIGHT, _GREATEST = 320, 240, 1280
_NUMBERED = "settb=1/1000,setpts=N"
"""Each frame gets a time of its own: damaged or odd times would end ffmpeg, or repeat frames."""
_GROUP = "add the user to the group video: sudo usermod -aG video $USER, then log in again"
_BUSY = "another program has the camera: end it (fuser -v /dev/video* /dev/media* names it)"
_RPICAM_CAUSES = (
    (r"no cameras available", "look at the ribbon cable, then rpicam-hello --list-cameras; a USB "
     "camera is v4l2:/dev/video0"),
    (r"selected camera is not available", "rpicam-hello --list-cameras numbers the cameras"),
    (r"in use by another process|failed to acquire camera|resource busy", _BUSY),
    (r"permission denied", _GROUP),
    (r"dmaheap|allocat", "too little memory for its buffers: give a smaller --frame-size"),
    (r"unrecogni[sz]ed option", "it is too old: sudo apt install --only-upgrade rpicam-apps"),
    (r"timed out|device timeout", "the sensor stopped: look at the ribbon cable and the supply"),
    (r"\[Errno 2\]", "sudo apt install rpicam-apps"),
)  # fmt: skip
_FFMPEG_CAUSES = (
    (r"fps_mode", "it is too old: version 5.1 or newer is needed"),
    (r"\[Errno 2\]", "sudo apt install ffmpeg"),
)
_V4L2_CAUSES = (
    *_FFMPEG_CAUSES,
    (r"unknown input format", "this ffmpeg was built without cameras: sudo apt install ffmpeg"),
    (r"resource busy", _BUSY),
    (r"permission denied", _GROUP),
    (r"not a video capture|inappropriate ioctl|invalid argument|streaming i/o",
     "not a camera that gives pictures: v4l2-ctl --list-devices names them"),
    (r"no such device|no such file|input/output error",
     "is it plugged in? v4l2-ctl --list-devices names what is there"),
)  # fmt: skip
_VIDEO_CAUSES = (
    *_FFMPEG_CAUSES,
    (r"matches no streams|does not contain any stream", "it has no pictures, only sound or text"),
    (r"permission denied", "give yourself leave to read it: ls -l"),
    (r"operation not permitted|whitelist|unsafe file",
     "it names other files or the network: give the videos themselves"),
    (r"invalid data|moov atom|could not find codec|end of file|misdetection",
     "it is no video that ffmpeg reads, or is cut off: copy it again"),
)  # fmt: skip


def capture_size(width: int, height: int) -> tuple[int, int]:
    """Return a size to take pictures in for a net of another: a whole multiple, best even."""
    for times in range(1, _GREATEST + 1):
        size = wide, high = times * width, times * height
        if wide > _GREATEST or high > _GREATEST:
            break
        large = wide >= _LEAST_WIDTH and high >= _LEAST_HEIGHT
        if large and times % 2 == 0 and camera_stride(wide) == wide:
            return size
    times = max(-(-_LEAST_WIDTH // width), -(-_LEAST_HEIGHT // height))
    times += (times * width % 2 or times * height % 2) and 1
    return times * width, times * height


def block_means(content: bytes, raw: RawFormat, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a frame of yuv420, full range, as uint8 of `shape`: the mean of each block of pixels.

    Args:
        content: of one frame.
        raw: a size of 2, 4, 6 ... times that of `shape`; others are scaled to the nearest.
        shape: height, width, channels.
    """
    height, width, channels = shape
    if raw.height % (2 * height) or raw.width % (2 * width):
        return nearest(unpack(content, raw, channels), shape)
    flat = np.frombuffer(content, np.uint8)
    split = raw.row_bytes * raw.height
    luma = flat[:split].reshape(raw.height, -1)[:, : raw.width]
    luma = _means(luma, height, width)
    if channels == 1:
        return luma[..., np.newaxis]
    chroma = flat[split:].reshape(2, raw.height // 2, -1)[..., : raw.width // 2]
    blue, red = (_means(plane, height, width) for plane in chroma)
    return to_rgb(luma, blue, red)


def _means(plane: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = plane.shape[0] // height, plane.shape[1] // width
    area = rows * columns
    strips = plane.reshape(height, rows, -1).sum(axis=1, dtype=np.uint32)
    sums = strips[:, ::columns].copy()
    for at in range(1, columns):  # ten times as fast as a sum over a short last axis
        sums += strips[:, at::columns]
    means: NDArray[np.uint8] = ((sums + area // 2) // area).astype(np.uint8)
    return means


def rpicam_camera(
    program: str, number: int, spec: FrameSpec, raw: RawOptions, rate_hz: float | None
) -> FrameProgram:
    """Return rpicam-vid, or its older name, on a camera."""
    height, width = spec.shape[:2]
    size = raw.size or capture_size(width, height)
    form = RawFormat(*size, "yuv420", raw.stride or camera_stride(size[0]))
    arguments = (
        program, "--timeout", "0", "--nopreview", "--camera", str(number), "--codec", "yuv420",
        "--width", str(size[0]), "--height", str(size[1]),
        *(() if rate_hz is None else ("--framerate", f"{rate_hz:g}")),
        "--flush", "--output", "-",
    )  # fmt: skip
    blocks = not (size[1] % (2 * height) or size[0] % (2 * width))
    how = (
        {f"scaled to {width}x{height}, means of blocks": None}
        if blocks
        else scaled(*size, spec.shape)
    )
    return FrameProgram(
        program,
        arguments,
        form.frame_bytes,
        lambda content: block_means(content, form, spec.shape),
        {f"taken by {program} as {size[0]}x{size[1]} yuv420": None, **how},
        _RPICAM_CAUSES,
        form.row_bytes,
        size,
    )


def ffmpeg_camera(
    device: Path, spec: FrameSpec, size: tuple[int, int] | None, rate_hz: float | None
) -> FrameProgram:
    """Return ffmpeg on a V4L2 device."""
    source = (
        "-f", "v4l2",
        *(() if rate_hz is None else ("-framerate", f"{rate_hz:g}")),
        *(() if size is None else ("-video_size", f"{size[0]}x{size[1]}")),
        "-i", str(device),
    )  # fmt: skip
    return _ffmpeg(source, spec, _V4L2_CAUSES)


def ffmpeg_video(path: Path, spec: FrameSpec) -> FrameProgram:
    """Return ffmpeg on a file, which may name no other and nothing of the network."""
    source = ("-protocol_whitelist", "file", "-i", f"file:{path}")
    return _ffmpeg(source, spec, _VIDEO_CAUSES)


def _ffmpeg(
    source: Sequence[str], spec: FrameSpec, causes: tuple[tuple[str, str], ...]
) -> FrameProgram:
    """Return ffmpeg that gives each frame once, in the bundle's size and layout."""
    height, width, channels = spec.shape
    arguments = (
        "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", *source, "-map", "0:v:0",
        "-fps_mode", "passthrough", "-vf", f"scale={width}:{height}:flags=area,{_NUMBERED}",
        "-enc_time_base", "1:1000",
        "-f", "rawvideo", "-pix_fmt", "gray" if channels == 1 else "rgb24", "pipe:1",
    )  # fmt: skip
    return FrameProgram(
        "ffmpeg",
        arguments,
        height * width * channels,
        lambda content: np.frombuffer(content, np.uint8).reshape(spec.shape),
        {f"scaled to {width}x{height} by ffmpeg": None},
        causes,
    )

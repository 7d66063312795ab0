"""Cameras and video files by name: which program gives their frames."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError, SourceMissingError
from edge_infer.runtime.frames.camera_programs import (
    ffmpeg_camera,
    ffmpeg_video,
    rpicam_camera,
)
from edge_infer.runtime.frames.live_child import LiveChildSource
from edge_infer.runtime.frames.raw import NOTHING_STATED, RawOptions
from edge_infer.runtime.frames.video import VideoSource

_V4L2 = "v4l2:"
_CAMERA_FORM = re.compile(r"camera(?::(\d{1,2}))?")
_RPICAM = ("rpicam-vid", "libcamera-vid")


@dataclass(frozen=True)
class Programs:
    """What this computer has to take pictures with."""

    find: Callable[[str], str | None] = shutil.which
    devices: Path = Path("/dev")

    def first(self, names: Sequence[str]) -> str | None:
        """Return the first program that is installed."""
        return next((name for name in names if self.find(name)), None)


def open_camera(
    name: str,
    spec: FrameSpec,
    raw: RawOptions = NOTHING_STATED,
    *,
    rate_hz: float | None = None,
    strict: bool = False,
    programs: Programs = Programs(),
    **more: Any,
) -> LiveChildSource:
    """Open a camera; it starts when the first frame is asked for.

    Args:
        name: camera, camera:1 for the second one, or v4l2: and a device.
        spec: what the bundle takes.
        raw: size to take pictures in, and stride of its rows where it is another than known.
        rate_hz: frames per second; the camera's own if None.
        strict: raise when the program ends, instead of starting it again.
        programs: what this computer has.
        **more: for `LiveChildSource`.

    Raises:
        InputError: the bundle takes no pictures, or the name or an option is none of a camera's.
        SourceMissingError: there is no such device.
        SourceError: no program for it is installed.
    """
    _check_pictures(name, spec)
    if raw.pixels is not None:
        raise InputError(f"{name}: --frame-format is for raw frames, a camera's layout is known")
    form = _CAMERA_FORM.fullmatch(name)
    if form is None and not name.startswith(_V4L2):
        raise InputError(f"{name}: names no camera: write camera, camera:1 or v4l2:/dev/video0")
    rpicam = programs.first(_RPICAM) if form else None
    if rpicam is not None:
        assert form is not None
        program = rpicam_camera(rpicam, int(form[1] or 0), spec, raw, rate_hz)
    else:
        if raw.stride is not None:
            raise InputError(f"{name}: --frame-stride is rpicam-vid's, ffmpeg pads no rows")
        device = _device(name, form, programs)
        program = ffmpeg_camera(device, spec, raw.size, rate_hz)
    return LiveChildSource(name, "camera", program, spec, strict=strict, **more)


def open_video(
    path: Path,
    spec: FrameSpec,
    *,
    strict: bool = False,
    programs: Programs = Programs(),
) -> VideoSource:
    """Open a video file.

    Raises:
        SourceMissingError: there is no such file.
        InputError: the bundle takes no pictures, or the path is no file.
        SourceError: ffmpeg is not installed.
    """
    _check_pictures(str(path), spec)
    if not path.exists():
        raise SourceMissingError(f"there is no input {path}")
    if not path.is_file():
        raise InputError(f"{path}: is no file; - reads a pipe of raw frames, Y4M or MJPEG")
    _need_ffmpeg(str(path), programs)
    return VideoSource(path, ffmpeg_video(path, spec), spec, strict=strict)


def _device(name: str, form: re.Match[str] | None, programs: Programs) -> Path:
    """Return the device of a camera that ffmpeg reads."""
    if form is None:
        device = Path(name.removeprefix(_V4L2))
        if name == _V4L2:
            raise InputError(f"{name} names no device: write v4l2:/dev/video0")
        _need_ffmpeg(name, programs)
        if not device.exists():
            raise SourceMissingError(f"{name}: there is no such device{_others(programs)}")
        if device.is_dir():
            raise InputError(f"{name}: is a folder{_others(programs)}")
        return device
    if programs.first(("ffmpeg",)) is None:
        raise SourceError(
            f"{name}: no program to take pictures with is installed: sudo apt install rpicam-apps "
            "for a Raspberry Pi's camera, sudo apt install ffmpeg for others"
        )
    device = programs.devices / f"video{int(form[1] or 0)}"
    if not device.exists():
        raise SourceError(
            f"{name}: there is no camera {device}{_others(programs)}; a Raspberry Pi's camera "
            "needs rpicam-vid: sudo apt install rpicam-apps"
        )
    return device


def _others(programs: Programs) -> str:
    found = sorted(str(path) for path in programs.devices.glob("video[0-9]*"))
    return f"; there are {', '.join(found[:4])}" if found else "; none is plugged in"


def _need_ffmpeg(name: str, programs: Programs) -> None:
    if programs.first(("ffmpeg",)) is None:
        raise SourceError(
            f"{name}: is read by ffmpeg, which is not installed: sudo apt install ffmpeg"
        )


def _check_pictures(name: str, spec: FrameSpec) -> None:
    shape = spec.shape
    if len(shape) != 3 or shape[2] not in (1, 3) or spec.dtype == np.int8:
        raise InputError(
            f"{name}: gives pictures of 1 or 3 channels, the bundle takes {spec.dtype} "
            f"{list(shape)}"
        )

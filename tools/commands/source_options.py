"""Options that say how an input is to be read, and the source that they come to."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_infer.boards.closing import Closing
from edge_infer.commands.options import option, options_as
from edge_infer.commands.quantities import FrameSize
from edge_infer.commands.standard_streams import standard_input
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.pipe import open_pipe
from edge_infer.runtime.frames.raw import PIXEL_FORMATS, PixelFormat, RawOptions
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.frames.sources import open_samples, open_source

STANDARD_INPUT = "-"
CAMERA_NAME = re.compile(r"camera(:.*)?|v4l2:.*", re.DOTALL)
"""Inputs that are cameras; `open_camera` says which of them there are."""
_NAMED = {"black": (0,), "white": (255,), "gray": (128,), "grey": (128,)}


class Colour(click.ParamType[tuple[int, ...]]):
    """A colour as #RRGGBB, a gray of 0 to 255, black or white."""

    name = "colour"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return one value, or red, green and blue."""
        if isinstance(value, tuple):
            return value
        text = str(value).lower()
        if text in _NAMED:
            return _NAMED[text]
        if re.fullmatch("#[0-9a-f]{6}", text):
            return tuple(bytes.fromhex(text[1:]))
        if not (text.isdecimal() and int(text) <= 255):
            self.fail(
                f"{value!r} is no colour; write black, white, 0 to 255 or #RRGGBB", param, ctx
            )
        return (int(text),)


@dataclass(frozen=True)
class SourceOptions:
    """How an input is to be read."""

    labels: Path | None = None
    frame_size: tuple[int, int] | None = None
    frame_format: PixelFormat | None = None
    frame_stride: int | None = None
    background: tuple[int, ...] | None = None
    strict: bool = False

    @property
    def raw(self) -> RawOptions:
        """What is said of raw frames."""
        return RawOptions(self.frame_size, self.frame_format, self.frame_stride)


background_option = option(
    "--background",
    type=Colour(),
    help="What transparent images lie on: black, white, 0 to 255 or #RRGGBB.  [default: the "
    "bundle's; without one they are refused]",
)
raw_options = (
    option(
        "--frame-size",
        type=FrameSize(),
        help="Size of raw frames on standard input or in .bin files, as 640x480.",
    ),
    option(
        "--frame-format",
        type=click.Choice(PIXEL_FORMATS),
        help="Layout of raw frames on standard input or in .bin files; int8 are the integers of "
        "the model's own input.  [default: gray for a gray bundle, in .bin files as the bundle "
        "takes them; int8 for a bundle of --source int8]",
    ),
    option(
        "--frame-stride",
        type=click.IntRange(1, 10**6),
        help="Bytes from one row of raw frames to the next; rpicam-vid pads rows of yuv420 to a "
        "multiple of 64.  [default: no padding]",
    ),
)
"""What raw frames do not say themselves."""
source_options = options_as(
    "reading",
    SourceOptions,
    (
        option(
            "--labels",
            type=click.Path(path_type=Path),
            help="Labels of an .npy or IDX input, or of raw .bin files.  [default: found beside "
            "IDX and .bin files]",
        ),
        *raw_options,
        background_option,
        option("--strict", is_flag=True, help="Fail at the first input that cannot be read."),
    ),
)
"""Of a command that reads an input; it gets them as the argument `reading`."""


def open_input(
    bundle: Bundle, path: str | None, options: SourceOptions, rate_hz: float | None = None
) -> Source:
    """Open the input that a path names, in the frames that the bundle takes.

    Args:
        bundle: what the frames are for.
        path: of a file or folder, - for standard input, camera or v4l2:DEVICE, None for the
            bundle's samples.
        options: how to read it.
        rate_hz: frames per second that a camera shall give.

    Raises:
        click.UsageError: no input is named, and the bundle carries no samples; or an option is for
            another kind of input.
        SourceError, FrameError: the input cannot be read, or does not fit.
    """
    spec = FrameSpec.of(bundle)
    if path is None:
        if bundle.manifest.samples is None:
            raise click.UsageError(
                f"the bundle {bundle.manifest.name} carries no samples; name an INPUT"
            )
        return open_samples(bundle)
    if path == STANDARD_INPUT:
        return _pipe(options, spec)
    if CAMERA_NAME.fullmatch(path):
        return _camera(path, options, spec, rate_hz)
    return open_source(
        Path(path),
        spec,
        bundle.manifest.labels,
        labels_path=options.labels,
        strict=options.strict,
        background=options.background,
        raw=options.raw,
    )


def named_input(argument: str | None, option: str | None) -> str | None:
    """Return what INPUT or --source names. Raises click.UsageError where both do."""
    if argument is not None and option is not None:
        raise click.UsageError(f"two inputs: {argument} and --source {option}; give one of them")
    return option if argument is None else argument


def has_own_clock(source: Source) -> bool:
    """Return whether frames come when they come, each with the time at which it was read."""
    return isinstance(source, Closing) and not source.repeatable


def _camera(name: str, options: SourceOptions, spec: FrameSpec, rate_hz: float | None) -> Source:
    # Imported here: few runs start another program.
    from edge_infer.runtime.frames.camera import open_camera

    if Path(name).exists():
        raise InputError(
            f"{name} is a camera's name, and a file or folder here has it too: write ./{name} for "
            "that, camera:0 for the camera"
        )
    if options.labels is not None:
        raise InputError(f"--labels are of a file: {name} has no end to count them against")
    return open_camera(name, spec, options.raw, rate_hz=rate_hz, strict=options.strict)


def _pipe(options: SourceOptions, spec: FrameSpec) -> Source:
    if options.labels is not None:
        raise InputError("--labels are of a file: standard input has no end to count them against")
    return open_pipe(standard_input().buffer, spec, options.raw, strict=options.strict)

"""What `run` reads: a bundle's samples, a file or folder, or raw frames on standard input."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from edge_infer.models_tflite import Bundle
from edge_infer.runtime.frames.raw import PixelFormat, RawFormat
from edge_infer.runtime.frames.sources import PipeSource, Source, open_samples, open_source
from edge_infer.runtime.frames.spec import FrameSpec


@dataclass(frozen=True)
class InputOptions:
    """How the input is to be read."""

    path: str | None
    labels: Path | None
    frame_size: tuple[int, int] | None
    frame_format: PixelFormat
    strict: bool


def open_input(bundle: Bundle, options: InputOptions) -> Source:
    """Open the input that the options name, in the frames that the bundle takes.

    Raises:
        click.UsageError: no input is named, and the bundle carries no samples.
        SourceError: the input cannot be read.
    """
    spec = FrameSpec.of(bundle)
    if options.path is None:
        if bundle.samples() is None:
            raise click.UsageError(
                f"the bundle {bundle.manifest.name} carries no samples; name an INPUT"
            )
        return open_samples(bundle)
    if options.path == "-":
        return _pipe(options, spec)
    return open_source(
        Path(options.path),
        spec,
        bundle.manifest.labels,
        labels_path=options.labels,
        strict=options.strict,
    )


def _pipe(options: InputOptions, spec: FrameSpec) -> PipeSource:
    height, width = spec.shape[:2]
    size = options.frame_size or (width, height)
    return PipeSource(sys.stdin.buffer, RawFormat(*size, options.frame_format), spec)

"""Where frames come from: a bundle's own samples, array files, images, a pipe.

A source yields raw frames in the shape the bundle takes; pacing, deadlines and repeats belong to
the event loop. What a source leaves out it names in `skipped`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import FrameError
from edge_infer.runtime.errors import SourceError, SourceMissingError
from edge_infer.runtime.frames.idx import read_idx
from edge_infer.runtime.frames.images import IMAGE_SUFFIXES, list_images, read_image
from edge_infer.runtime.frames.raw import RawFormat, read_raw_frames
from edge_infer.runtime.frames.spec import FrameSpec
from edge_infer.runtime.records import Frame


class RawFrame(NamedTuple):
    """A frame before it has an arrival time."""

    data: NDArray[Any]
    """Shape [height, width, channels]."""
    label: int | None = None
    name: str = ""

    def arriving(self, number: int, arrival_ns: int, within_ns: int | None) -> Frame:
        """Return the frame that arrives now, to be answered within a time if one is given."""
        due_ns = None if within_ns is None else arrival_ns + within_ns
        return Frame(number, self.data, arrival_ns, due_ns, self.label, self.name)


class Source(Protocol):
    """Gives raw frames, again on each iteration if `repeatable`."""

    name: str
    repeatable: bool
    skipped: list[str]
    """One line for each input left out, with the reason."""

    def __iter__(self) -> Iterator[RawFrame]: ...


class ArraySource:
    """Frames from arrays in memory: samples of a bundle, .npy, .npz and IDX files."""

    repeatable = True

    def __init__(
        self,
        frames: NDArray[Any],
        labels: NDArray[Any] | None,
        spec: FrameSpec,
        name: str = "array",
    ) -> None:
        """Take frames, shape [n, height, width(, channels)], and labels, shape [n], or None.

        Raises:
            FrameError: shape or dtype differ from the spec, or the counts differ.
            SourceError: there is no frame.
        """
        if frames.ndim == 0 or len(frames) == 0:
            raise SourceError(f"{name}: holds no frame")
        if labels is not None and len(labels) != len(frames):
            raise FrameError(f"{name}: {len(frames)} frames but {len(labels)} labels")
        self.name = name
        self.skipped: list[str] = []
        self._frames = [spec.check(frame, f"{name}[{i}]") for i, frame in enumerate(frames)]
        self._labels = None if labels is None else [int(label) for label in labels]

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[RawFrame]:
        for index, data in enumerate(self._frames):
            label = None if self._labels is None else self._labels[index]
            yield RawFrame(data, label, f"{self.name}[{index}]")


@dataclass
class ImageSource:
    """Image files, or a folder of them with one subfolder a class. Needs the `images` extra."""

    paths: Sequence[tuple[Path, int | None]]
    spec: FrameSpec
    name: str
    strict: bool = False
    """Raise at the first image that cannot be read, instead of skipping it."""
    repeatable = True
    skipped: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[RawFrame]:
        self.skipped.clear()
        for path, label in self.paths:
            try:
                data = read_image(path, self.spec.shape, resize=not self.spec.any_size)
            except SourceError as error:
                if self.strict:
                    raise
                self.skipped.append(str(error))
                continue
            yield RawFrame(data.astype(self.spec.dtype), label, path.name)


@dataclass
class PipeSource:
    """Raw frames on a binary stream, for example a camera's standard output."""

    stream: BinaryIO
    raw: RawFormat
    spec: FrameSpec
    name: str = "-"
    repeatable = False
    skipped: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[RawFrame]:
        for index, data in enumerate(read_raw_frames(self.stream, self.raw, self.spec.shape)):
            yield RawFrame(self.spec.check(data, f"frame {index}"), None, f"frame {index}")


def open_samples(bundle: Bundle) -> ArraySource:
    """Return the samples that a bundle carries, with their labels.

    Raises:
        SourceError: it carries none.
    """
    samples = bundle.samples()
    name = bundle.manifest.name
    if samples is None:
        raise SourceError(f"the bundle {name} carries no samples: name an input of your own")
    return ArraySource(*samples, FrameSpec.of(bundle), f"{name} samples")


def open_source(
    path: Path,
    spec: FrameSpec,
    labels: Sequence[str],
    *,
    labels_path: Path | None = None,
    strict: bool = False,
) -> Source:
    """Open a file or folder as frames, by its kind.

    Args:
        path: .npy, .npz, an IDX file (.gz too), an image, or a folder of images.
        spec: what the bundle takes.
        labels: the bundle's class names, to match subfolders by.
        labels_path: labels of an .npy or IDX file; an IDX file's own are found beside it.
        strict: raise at the first image that cannot be read.

    Raises:
        SourceMissingError: there is no such path.
        SourceError: it is not of a kind that can be read, or holds no frame.
    """
    if not path.exists():
        raise SourceMissingError(f"there is no input {path}")
    if path.is_dir():
        return ImageSource(list_images(path, labels), spec, str(path), strict)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageSource([(path, None)], spec, str(path), strict=True)
    for suffixes, read in _ARRAY_READERS:
        if path.name.lower().endswith(suffixes):
            frames, found = read(path, labels_path)
            return ArraySource(frames, found, spec, path.name)
    raise SourceError(
        f"{path}: not a kind of input; give .npy, .npz, an IDX file (ubyte, .gz), an image "
        "or a folder of images, or - for raw frames on standard input"
    )


Arrays = tuple[NDArray[Any], NDArray[Any] | None]


def _load(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(f"{path}: cannot be read as an array: {error}") from error


def _read_npy(path: Path, labels_path: Path | None) -> Arrays:
    return _load(path), _load(labels_path) if labels_path else None


def _read_npz(path: Path, labels_path: Path | None) -> Arrays:
    with _load(path) as arrays:
        names = list(arrays)
        frames = next((n for n in ("frames", "x", "x_test", "images", "arr_0") if n in names), None)
        if frames is None:
            raise SourceError(
                f"{path}: holds {', '.join(names) or 'nothing'}; frames are looked for under "
                "frames, x, x_test, images or arr_0, labels under labels, y or y_test"
            )
        labels = next((n for n in ("labels", "y", "y_test", "arr_1") if n in names), None)
        if labels_path:
            return arrays[frames], _load(labels_path)
        return arrays[frames], arrays[labels] if labels else None


def _read_idx(path: Path, labels_path: Path | None) -> Arrays:
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if labels_path is None and beside != path and beside.exists():
        labels_path = beside
    return read_idx(path), read_idx(labels_path) if labels_path else None


_ARRAY_READERS: tuple[tuple[tuple[str, ...], Callable[[Path, Path | None], Arrays]], ...] = (
    ((".npy",), _read_npy),
    ((".npz",), _read_npz),
    (("ubyte", "ubyte.gz", ".idx", ".idx.gz", ".idx3", ".idx1"), _read_idx),
)

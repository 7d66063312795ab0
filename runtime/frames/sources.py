"""Where frames come from: a bundle's own samples, array files, images, raw files, a pipe.

A source yields raw frames in the shape the bundle takes; pacing, deadlines and repeats belong to
the event loop. What a source leaves out it names in `skipped`, what it did in `document`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import SHIFTED, FrameSpec, check_frames
from edge_infer.runtime.errors import InputError, SourceError, SourceMissingError
from edge_infer.runtime.frames.array_files import read_arrays
from edge_infer.runtime.frames.folders import (
    IMAGE_SUFFIXES,
    FolderListing,
    list_images,
)
from edge_infer.runtime.frames.images import ImageReader
from edge_infer.runtime.frames.raw_files import RawFile, list_raw_files, read_raw_file
from edge_infer.runtime.frames.source import RawFrame, Source, input_document


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
            FrameError: shape, dtype, values or the counts do not fit, or there is no frame.
        """
        checked = check_frames(frames, spec, name)
        self.name = name
        self.skipped: list[str] = []
        self._frames, self._checked = checked.frames, checked
        self._labels = None
        if labels is not None:
            self._labels = check_labels(labels, len(frames), spec.classes, name).tolist()

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[RawFrame]:
        for index, data in enumerate(self._frames):
            label = None if self._labels is None else self._labels[index]
            yield RawFrame(data, label, f"{self.name}[{index}]")

    def warnings(self) -> list[str]:
        """See Source."""
        return [self._checked.warning] if self._checked.warning else []

    def document(self) -> dict[str, Any]:
        """See Source."""
        done: dict[str, int | None] = {self._checked.done: None} if self._checked.done else {}
        unlabelled = len(self) if self._labels is None else 0
        return input_document("arrays", self.name, done, None, unlabelled)


@dataclass
class ImageSource:
    """Image files, or a folder of them with one subfolder a class. Needs the `images` extra."""

    listing: FolderListing
    spec: FrameSpec
    name: str
    strict: bool = False
    """Raise at the first image that cannot be read, instead of skipping it."""
    background: tuple[int, ...] | None = None
    """What stands behind transparent images; the bundle's if None."""
    repeatable = True
    skipped: list[str] = field(default_factory=list)
    _reader: ImageReader = field(init=False)
    _range_warning: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._reader = ImageReader(self.spec, self.background)

    def __iter__(self) -> Iterator[RawFrame]:
        self.skipped.clear()
        self._range_warning = None
        self._reader = ImageReader(self.spec, self.background)
        for path, label in self.listing.paths:
            try:
                data = self._reader.read(path, str(path))
            except InputError:
                raise
            except SourceError as error:
                if self.strict:
                    raise InputError(str(error)) from None
                self.skipped.append(str(error))
                continue
            frame = data.astype(self.spec.dtype)
            if self.spec.dtype == np.float32 and self._range_warning is None:
                self._range_warning = self.spec.range_warning(frame, str(path))
            yield RawFrame(frame, label, path.name)

    def warnings(self) -> list[str]:
        """See Source."""
        found = [*self._reader.warnings()]
        if self._range_warning:
            found.append(self._range_warning)
        lost = self.listing.unlabelled
        if 0 < lost < len(self.listing.paths):
            found.append(f"{self.name}: {lost} images lie in no class folder and have no label")
        return found

    def document(self) -> dict[str, Any]:
        """See Source."""
        left_out = self.listing.left_out.copy()
        if self.skipped:
            left_out["unreadable"] += len(self.skipped)
        done: dict[str, int | None] = dict(self._reader.done)
        return input_document("images", self.name, done, left_out, self.listing.unlabelled)


@dataclass
class RawFileSource:
    """Raw .bin files of a folder, with or without labels."""

    files: Sequence[RawFile]
    spec: FrameSpec
    name: str
    dtype: np.dtype[np.generic]
    """Of the values in the files."""
    left_out: Counter[str]
    repeatable = True
    skipped: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[RawFrame]:
        for path, label in self.files:
            values = read_raw_file(path, self.spec, self.dtype)
            yield RawFrame(self.spec.check(values, str(path)), label, path.name)

    def warnings(self) -> list[str]:
        """See Source."""
        return []

    def document(self) -> dict[str, Any]:
        """See Source."""
        shifted = self.dtype == np.int8 and self.spec.dtype == np.uint8
        done: dict[str, int | None] = {f"read as {self.dtype}": None}
        if shifted:
            done[SHIFTED] = None
        unlabelled = sum(file.label is None for file in self.files)
        return input_document("raw files", self.name, done, self.left_out, unlabelled)


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
    background: tuple[int, ...] | None = None,
    raw_int8: bool | None = None,
    labelled: bool = False,
) -> Source:
    """Open a file or folder as frames, by its kind.

    Args:
        path: .npy, .npz, an IDX file (.gz too), an image, a folder of images, or one of raw .bin
            files with y_labels.csv.
        spec: what the bundle takes.
        labels: the bundle's class names, to match subfolders by.
        labels_path: labels of an .npy or IDX file or of raw files; an IDX file's own and
            y_labels.csv are found beside them.
        strict: raise at the first image that cannot be read.
        background: what stands behind transparent images; the bundle's if None.
        raw_int8: whether raw .bin files hold int8; None if nobody said.
        labelled: refuse an input without classes.

    Raises:
        SourceMissingError: there is no such path.
        InputError: it is not of a kind that can be read, or holds no frame.
        FrameError: arrays do not fit.
    """
    if not path.exists():
        raise SourceMissingError(f"there is no input {path}")
    if path.is_dir():
        if any(path.glob("*.bin")):
            return _raw_files(path, spec, labels_path, raw_int8)
        _refuse_unused(path, labels_path, raw_int8)
        listing = list_images(path, labels)
        if labelled:
            _refuse_unlabelled(listing, path)
        return ImageSource(listing, spec, str(path), strict, background)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        _refuse_unused(path, labels_path, raw_int8)
        return ImageSource(FolderListing([(path, None)]), spec, str(path), True, background)
    _refuse_unused(path, None, raw_int8)
    arrays = read_arrays(path, labels_path)
    if arrays is not None:
        return ArraySource(*arrays, spec, path.name)
    raise InputError(
        f"{path}: not a kind of input; give .npy, .npz, an IDX file (ubyte, .gz), an image, "
        "a folder of images or of raw .bin files, or - for raw frames on standard input"
    )


def _refuse_unused(path: Path, labels_path: Path | None, raw_int8: bool | None) -> None:
    if labels_path is not None:
        raise InputError(f"{path}: images have their classes by subfolders, not by a labels file")
    if raw_int8 is not None:
        raise InputError(f"{path}: says itself what it holds; --frame-format is for raw frames")


def _refuse_unlabelled(listing: FolderListing, folder: Path) -> None:
    if listing.unlabelled:
        raise InputError(
            f"{folder}: {listing.unlabelled} of {len(listing.paths)} images lie in no class "
            "folder, and their classes are needed: make one subfolder a class"
        )


def _raw_files(
    folder: Path, spec: FrameSpec, labels_path: Path | None, raw_int8: bool | None
) -> RawFileSource:
    dtype = raw_dtype(spec, raw_int8, str(folder))
    left_out: Counter[str] = Counter()
    files = list_raw_files(folder, spec, labels_path, left_out)
    for path, _ in files[:1]:
        spec.check(read_raw_file(path, spec, dtype), str(path))
    return RawFileSource(files, spec, str(folder), dtype, left_out)


def raw_dtype(spec: FrameSpec, int8: bool | None, name: str) -> np.dtype[np.generic]:
    """Return the dtype of bytes that do not say.

    Args:
        spec: what the bundle takes.
        int8: True or False where somebody said; else the bundle's own dtype.
        name: for the message.

    Raises:
        InputError: they may be pixels or the integers of a model that takes no pixels.
    """
    if int8:
        return np.dtype(np.int8)
    if int8 is None and not spec.like_pixels:
        raise InputError(
            f"{name}: these bytes may be pixels or the model's own int8 input, whose quantisation "
            "is no image model's; say which with --frame-format int8 or gray, or build the bundle "
            "with --source int8"
        )
    return spec.dtype

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
from edge_infer.models_tflite.frame_spec import FrameSpec, check_frames
from edge_infer.runtime.errors import InputError, SourceError, SourceMissingError
from edge_infer.runtime.frames.array_files import LABEL_NAMES, read_arrays
from edge_infer.runtime.frames.folders import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    FolderListing,
    list_images,
)
from edge_infer.runtime.frames.images import ImageReader
from edge_infer.runtime.frames.raw import NOTHING_STATED, RawOptions
from edge_infer.runtime.frames.raw_files import open_raw_files
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
        unread: Sequence[str] = (),
    ) -> None:
        """Take frames, shape [n, height, width(, channels)], and labels, shape [n], or None.

        Args:
            frames: in a dtype whose values are the same picture.
            labels: class indices.
            spec: what the bundle takes.
            name: for messages.
            unread: names of arrays that lay beside these and were left out.

        Raises:
            FrameError: shape, dtype, values or the counts do not fit, or there is no frame.
        """
        checked = check_frames(frames, spec, name)
        self.name = name
        self.skipped: list[str] = []
        self._frames, self._checked, self._unread = checked.frames, checked, unread
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
        found = [self._checked.warning] if self._checked.warning else []
        if self._unread and self._labels is None:
            found.append(
                f"{self.name}: frames without labels; {', '.join(self._unread)} beside them is not "
                f"read, labels are looked for under {', '.join(LABEL_NAMES)}"
            )
        return found

    def document(self) -> dict[str, Any]:
        """See Source."""
        done: dict[str, int | None] = {self._checked.done: None} if self._checked.done else {}
        unlabelled = len(self) if self._labels is None else 0
        left_out = Counter(f"array {name}" for name in self._unread)
        return input_document("arrays", self.name, done, left_out, unlabelled)


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

    def __len__(self) -> int:
        return len(self.listing.paths)

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


def open_samples(bundle: Bundle) -> ArraySource:
    """Return the samples that a bundle carries, with their labels.

    Raises:
        InputError: it carries none.
    """
    samples = bundle.samples()
    name = bundle.manifest.name
    if samples is None:
        raise InputError(f"the bundle {name} carries no samples: name an input of your own")
    return ArraySource(*samples, FrameSpec.of(bundle), f"{name} samples")


def open_source(
    path: Path,
    spec: FrameSpec,
    labels: Sequence[str],
    *,
    labels_path: Path | None = None,
    strict: bool = False,
    background: tuple[int, ...] | None = None,
    raw: RawOptions = NOTHING_STATED,
    labelled: bool = False,
) -> Source:
    """Open a file or folder as frames, by its kind.

    Args:
        path: .npy, .npz, an IDX file (.gz too), an image, a video, a raw .bin file, a folder of
            images, or one of raw .bin files with y_labels.csv.
        spec: what the bundle takes.
        labels: the bundle's class names, to match subfolders by.
        labels_path: labels of an .npy or IDX file or of raw files; an IDX file's own and
            y_labels.csv are found beside them.
        strict: raise at the first image that cannot be read.
        background: what stands behind transparent images; the bundle's if None.
        raw: what was said of raw .bin files.
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
            return open_raw_files(path, spec, labels_path, raw)
        _refuse_unused(path, labels_path, raw)
        listing = list_images(path, labels)
        if labelled:
            _refuse_unlabelled(listing, path)
        return ImageSource(listing, spec, str(path), strict, background)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path, spec, labels_path, raw, strict, labelled)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        _refuse_unused(path, labels_path, raw)
        return ImageSource(FolderListing([(path, None)]), spec, str(path), True, background)
    if path.suffix.lower() == ".bin":
        _refuse_unused(path, labels_path, NOTHING_STATED)
        return open_raw_files(path, spec, None, raw)
    _refuse_unused(path, None, raw)
    arrays = read_arrays(path, labels_path)
    if arrays is not None:
        return ArraySource(arrays.frames, arrays.labels, spec, path.name, arrays.unread)
    raise InputError(
        f"{path}: not a kind of input; give .npy, .npz, an IDX file (ubyte, .gz), an image, "
        "a video, a folder of images or of raw .bin files, or - for raw frames, Y4M or MJPEG on "
        "standard input (- < FILE)"
    )


def _video(
    path: Path,
    spec: FrameSpec,
    labels_path: Path | None,
    raw: RawOptions,
    strict: bool,
    labelled: bool,
) -> Source:
    # Imported here: few runs start another program.
    from edge_infer.runtime.frames.camera import open_video

    _refuse_unused(path, None, raw)
    if labelled or labels_path is not None:
        raise InputError(
            f"{path}: a video has no classes: take its frames out (ffmpeg -i VIDEO %05d.png) and "
            "make one subfolder a class"
        )
    return open_video(path, spec, strict=strict)


def _refuse_unused(path: Path, labels_path: Path | None, raw: RawOptions) -> None:
    if labels_path is not None:
        raise InputError(f"{path}: images have their classes by subfolders, not by a labels file")
    for name, value in (("format", raw.pixels), ("size", raw.size), ("stride", raw.stride)):
        if value is not None:
            raise InputError(
                f"{path}: says itself what it holds; --frame-{name} is for raw frames, on "
                "standard input or in .bin files"
            )


def _refuse_unlabelled(listing: FolderListing, folder: Path) -> None:
    if listing.unlabelled:
        raise InputError(
            f"{folder}: {listing.unlabelled} of {len(listing.paths)} images lie in no class "
            "folder, and their classes are needed: make one subfolder a class"
        )

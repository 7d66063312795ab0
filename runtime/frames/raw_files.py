"""A folder of raw .bin frames with a file of labels, as the datasets of MLPerf Tiny are.

mlcommons/tiny, benchmark/evaluation/datasets/README.md: y_labels.csv has a line for each file, its
name, the number of classes and the class; ic01 and vww01 are uint8 pixels, kws01 is int8, ad01
float32, little-endian.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import SHIFTED, FrameSpec
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.raw import (
    RawFormat,
    RawOptions,
    camera_stride,
    nearest,
    scaled,
    unpack,
)
from edge_infer.runtime.frames.source import RawFrame, input_document

LABELS_FILE = "y_labels.csv"


class RawFile(NamedTuple):
    """One frame."""

    path: Path
    label: int | None


@dataclass
class RawFileSource:
    """Raw .bin files of a folder, with or without labels."""

    files: Sequence[RawFile]
    spec: FrameSpec
    name: str
    dtype: np.dtype[np.generic]
    """Of the values in the files."""
    left_out: Counter[str]
    raw: RawFormat | None = None
    """Of pictures whose layout was stated; None for frames as the bundle takes them."""
    repeatable = True
    skipped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[RawFrame]:
        for path, label in self.files:
            yield RawFrame(self.read(path), label, path.name)

    def read(self, path: Path) -> NDArray[Any]:
        """Return one frame. Raises InputError or FrameError where it does not fit."""
        if self.raw is not None:
            return read_picture_file(path, self.spec, self.raw)
        return self.spec.check(read_raw_file(path, self.spec, self.dtype), str(path))

    def warnings(self) -> list[str]:
        """See Source."""
        return []

    def document(self) -> dict[str, Any]:
        """See Source."""
        raw, spec = self.raw, self.spec
        done: dict[str, int | None] = {f"read as {raw or self.dtype}": None}
        if raw is not None:
            done |= scaled(raw.width, raw.height, spec.shape)
        elif self.dtype == np.int8 and spec.dtype == np.uint8:
            done[SHIFTED] = None
        unlabelled = sum(file.label is None for file in self.files)
        more = {} if raw is None else {"stride": raw.row_bytes}
        return input_document("raw files", self.name, done, self.left_out, unlabelled, **more)


def open_raw_files(
    folder: Path, spec: FrameSpec, labels_path: Path | None, options: RawOptions
) -> RawFileSource:
    """Open a folder of .bin files, or one of them alone.

    Args:
        folder: where they lie, or the file.
        spec: what the bundle takes.
        labels_path: the labels file; y_labels.csv of the folder if None.
        options: what was said of the files.

    Raises:
        InputError, FrameError: the files, or what was said of them, do not fit.
    """
    raw = _picture_format(folder, spec, options)
    int8 = None if options.pixels is None else options.pixels == "int8"
    dtype = raw_dtype(spec, int8, str(folder))
    left_out: Counter[str] = Counter()
    if folder.is_file():
        files = [RawFile(folder, None)]
    else:
        files = list_raw_files(folder, spec, labels_path, left_out)
    source = RawFileSource(files, spec, str(folder), dtype, left_out, raw)
    for path, _ in files[:1]:
        source.read(path)
    return source


def _picture_format(folder: Path, spec: FrameSpec, options: RawOptions) -> RawFormat | None:
    """Return how pictures in .bin files are laid out, None where nobody said."""
    if options.pixels in (None, "int8"):
        if options.size or options.stride:
            raise InputError(
                f"{folder}: --frame-size and --frame-stride go with --frame-format gray, rgb or "
                "yuv420; other .bin files hold just what the bundle takes"
            )
        return None
    plain = options.size is None and options.stride is None
    if options.pixels == "gray" and plain and spec.dtype == np.uint8 and not spec.takes_pictures:
        return None  # bytes that are no int8
    if not spec.takes_pictures:
        raise InputError(
            f"{folder}: --frame-format {options.pixels} is for pictures, the bundle takes "
            f"{spec.dtype} {list(spec.shape)}"
        )
    assert options.pixels is not None
    width, height = options.size or (spec.shape[1], spec.shape[0])
    return RawFormat(width, height, options.pixels, options.stride)


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
        known = "int8, gray or rgb" if spec.takes_pictures else "int8 or gray"
        raise InputError(
            f"{name}: these bytes may be pixels or the model's own int8 input, whose quantisation "
            f"is no image model's; say which with --frame-format {known}, or build the bundle with "
            "--source int8"
        )
    return spec.dtype


def list_raw_files(
    folder: Path, spec: FrameSpec, labels_path: Path | None, left_out: Counter[str]
) -> list[RawFile]:
    """List the .bin files of a folder that its labels file names, or all without one.

    Args:
        folder: where they lie.
        spec: what the bundle takes.
        labels_path: the labels file; y_labels.csv of the folder if None.
        left_out: counts the .bin files that the labels file does not name, and other files.

    Raises:
        InputError: the labels file cannot be read, is of another form, names files that are not
            there, or has other classes than the bundle.
    """
    labels_path = labels_path or folder / LABELS_FILE
    files = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            left_out["hidden"] += 1
        elif path.suffix == ".bin" and path.is_file():
            files.append(path)
        elif path != labels_path:
            left_out[f"{path.name}/" if path.is_dir() else path.suffix or path.name] += 1
    if not labels_path.exists():
        return [RawFile(path, None) for path in files]
    rows = _rows(labels_path)
    _check_classes(rows, spec, labels_path)
    numbers = np.array([int(row[2]) for row in rows])
    labels = check_labels(numbers, len(rows), spec.classes, str(labels_path))
    missing = [row[0] for row in rows if not (folder / row[0]).is_file()]
    if missing:
        raise InputError(
            f"{labels_path}: names {len(missing)} of {len(rows)} files that are not in {folder}: "
            f"{', '.join(missing[:3])}"
        )
    more = {path.name for path in files} - {row[0] for row in rows}
    if more:
        left_out[f".bin without a line in {labels_path.name}"] = len(more)
    return [RawFile(folder / row[0], int(label)) for row, label in zip(rows, labels, strict=True)]


def read_raw_file(path: Path, spec: FrameSpec, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Read one frame. Raises InputError where it has not the size that the bundle takes."""
    content = _content(path)
    wanted = math.prod(spec.shape) * dtype.itemsize
    if len(content) != wanted:
        raise InputError(
            f"{path}: {len(content)} bytes, the bundle takes {wanted}: {dtype} {list(spec.shape)}"
        )
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(spec.shape)


def read_picture_file(path: Path, spec: FrameSpec, raw: RawFormat) -> NDArray[np.generic]:
    """Read one picture. Raises InputError where it has not the size that was stated."""
    content = _content(path)
    if len(content) == raw.frame_bytes:
        return nearest(unpack(content, raw, spec.shape[2]), spec.shape)
    padded = replace(raw, stride=camera_stride(raw.width))
    advice = "give --frame-size, --frame-format and --frame-stride as they were written"
    if raw.stride is None and len(content) == padded.frame_bytes:
        advice = f"its rows are padded, give --frame-stride {padded.stride}"
    raise InputError(f"{path}: {len(content)} bytes, {raw} has {raw.frame_bytes}: {advice}")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    rows = [[word.strip() for word in row] for row in csv.reader(text.splitlines()) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 3 or not (row[1].isdecimal() and row[2].isdecimal()) or "/" in row[0]:
            raise InputError(
                f"{path}, line {number}: {','.join(row)[:80]!r}: wants file name, number of "
                "classes, class"
            )
    if not rows:
        raise InputError(f"{path}: holds no line")
    return rows


def _check_classes(rows: list[list[str]], spec: FrameSpec, path: Path) -> None:
    classes = {int(row[1]) for row in rows}
    if spec.classes is not None and classes != {spec.classes}:
        stated = " and ".join(map(str, sorted(classes)))
        raise InputError(f"{path}: is of {stated} classes, the bundle has {spec.classes}")

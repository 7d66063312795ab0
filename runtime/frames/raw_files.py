"""A folder of raw .bin frames with a file of labels, as the datasets of MLPerf Tiny are.

mlcommons/tiny, benchmark/evaluation/datasets/README.md: y_labels.csv has a line for each file, its
name, the number of classes and the class; ic01 and vww01 are uint8 pixels, kws01 is int8, ad01
float32, little-endian.
"""

import csv
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError

LABELS_FILE = "y_labels.csv"


class RawFile(NamedTuple):
    """One frame."""

    path: Path
    label: int | None


def list_raw_files(
    folder: Path, spec: FrameSpec, labels_path: Path | None, left_out: Counter[str]
) -> list[RawFile]:
    """List the .bin files of a folder that its labels file names, or all without one.

    Args:
        folder: where they lie.
        spec: what the bundle takes.
        labels_path: the labels file; y_labels.csv of the folder if None.
        left_out: counts the .bin files that the labels file does not name.

    Raises:
        InputError: the labels file cannot be read, is of another form, names files that are not
            there, or has other classes than the bundle.
    """
    files = sorted(path for path in folder.glob("*.bin") if not path.name.startswith("."))
    labels_path = labels_path or folder / LABELS_FILE
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
    content = path.read_bytes()
    wanted = math.prod(spec.shape) * dtype.itemsize
    if len(content) != wanted:
        raise InputError(
            f"{path}: {len(content)} bytes, the bundle takes {wanted}: {dtype} {list(spec.shape)}"
        )
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(spec.shape)


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

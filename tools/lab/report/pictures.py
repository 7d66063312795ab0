"""Thumbnails of frames: found again in a run's input by their names."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.report.kept_frames import FrameKey
from edge_infer.lab.report.png import data_address, png, reduced
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.frames.folders import IMAGE_SUFFIXES, FolderListing
from edge_infer.runtime.frames.source import RawFrame, Source
from edge_infer.runtime.frames.sources import ImageSource, open_samples, open_source

SIDE = 64
"""Greatest height and width of a thumbnail in pixels."""
_UNREADABLE = (BundleError, RunError, OSError)
_INDEX = re.compile(r"\[\d+\]$")
_ARRAYS = (".npy", ".npz", "ubyte", ".gz")


@dataclass(frozen=True)
class Pictures:
    """Thumbnails as addresses that hold them, and why some are missing."""

    of: Mapping[FrameKey, str] = field(default_factory=dict)
    missing: str | None = None


def pictures_of(wanted: Collection[FrameKey], source: Source, labels: Sequence[str]) -> Pictures:
    """Return thumbnails of the frames wanted, as far as a source gives them.

    Args:
        wanted: the frames.
        source: what the run read; it is read anew.
        labels: of the bundle.
    """
    found: dict[FrameKey, NDArray[Any]] = {}
    often: Counter[FrameKey] = Counter()
    if not source.repeatable:
        return Pictures({}, "frames of a pipe or a camera are not kept, so none can be shown")
    try:
        for frame in _narrowed(source, {key.name for key in wanted}):
            for key in _keys(frame, wanted, labels):
                found[key] = frame.data
                often[key] += 1
    except _UNREADABLE as error:
        return Pictures({}, f"frames cannot be shown: {error}")
    single = {key: data for key, data in found.items() if often[key] == 1}
    shown = _addresses(single)
    return Pictures(shown, _missing(len(wanted), len(shown), len(found) - len(single)))


def find_source(names: Collection[str], bundle: Bundle, folder: Path) -> Source | str:
    """Return the source that names of frames speak of, or in words why there is none.

    Names are looked for among the bundle's samples and in the log's own folder, nowhere else: a
    log may name anything.

    Args:
        names: of frames.
        bundle: what ran.
        folder: where the log lies.
    """
    spec, labels = FrameSpec.of(bundle), bundle.manifest.labels
    bases = {_INDEX.sub("", name) for name in names}
    try:
        if bases == {f"{bundle.manifest.name} samples"}:
            return open_samples(bundle)
        plain = [base for base in bases if base and Path(base).name == base]
        paths = [path for base in sorted(plain) if (path := folder / base).is_file()]
        if len(paths) == len(bases) == 1 and paths[0].name.lower().endswith(_ARRAYS):
            return open_source(paths[0], spec, labels)
        images = [(path, None) for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
        if images:
            return ImageSource(FolderListing(list(images)), spec, str(folder))
    except _UNREADABLE as error:
        return f"frames cannot be shown: {error}"
    return "no frame lies among the bundle's samples or beside the log: name the input, --input"


def _narrowed(source: Source, names: Collection[str]) -> Iterator[RawFrame]:
    """Yield frames of these names; images of others are not even opened."""
    if isinstance(source, ImageSource):
        paths = [(path, label) for path, label in source.listing.paths if path.name in names]
        source = replace(source, listing=FolderListing(paths), skipped=[])
    return (frame for frame in source if frame.name in names)


def _keys(
    frame: RawFrame, wanted: Collection[FrameKey], labels: Sequence[str]
) -> Iterator[FrameKey]:
    """Yield what is wanted of a frame; where both say its class they have to agree."""
    true = labels[frame.label] if frame.label is not None else None
    for key in wanted:
        if key.name == frame.name and (None in (true, key.true_label) or true == key.true_label):
            yield key


def _addresses(frames: Mapping[FrameKey, NDArray[Any]]) -> dict[FrameKey, str]:
    """Return pictures of frames, all in one range of brightness; what is no picture is left out."""
    small = {
        key: reduced(data, SIDE).astype(np.float64)
        for key, data in frames.items()
        if data.ndim == 3 and data.shape[2] in (1, 3) and data.size
    }
    if not small:
        return {}
    low = min(0.0, *(float(data.min()) for data in small.values()), 0.0)
    high = max(float(data.max()) for data in small.values())
    scale = 255 / (high - low) if high > low else 0.0
    return {
        key: data_address(
            png(np.clip(np.rint((_flat(data) - low) * scale), 0, 255).astype(np.uint8))
        )
        for key, data in small.items()
    }


def _flat(data: NDArray[Any]) -> NDArray[Any]:
    """Return a grey picture without its one channel."""
    return data[:, :, 0] if data.shape[2] == 1 else data


def _missing(wanted: int, shown: int, ambiguous: int) -> str | None:
    if shown == wanted:
        return None
    why = f", {ambiguous} of them since several frames bear one name" if ambiguous else ""
    return f"{wanted - shown} of {wanted} frames are not shown: not found, or no pictures{why}"

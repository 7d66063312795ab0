"""Logits of published nets on a folder of ImageNet pictures, computed once and kept."""

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.progress import Progress
from edge_infer.lab.reproduce.imagenet_nets import LABELS, PublishedNet
from edge_infer.lab.tuning.calibration_data import check_above_chance
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.drafts import build_single
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.stage import load_stages, run_stages
from edge_infer.runtime.answers import logits
from edge_infer.runtime.errors import InputError, SourceMissingError
from edge_infer.runtime.frames.folders import FolderListing, list_images
from edge_infer.runtime.frames.sources import ImageSource

SMALLEST = 100
"""Pictures to divide, at least."""
_TOLD_EVERY = 250


@dataclass(frozen=True)
class Pictures:
    """A folder of pictures, one subfolder a class."""

    folder: Path
    listing: FolderListing
    digest: str
    """Of all names and bytes."""


@dataclass(frozen=True)
class NetScores:
    """What one net says of the pictures that could be read."""

    net: PublishedNet
    logits: NDArray[np.float32]
    """Shape [n, 1000]."""
    labels: NDArray[np.int64]
    """Shape [n]."""
    names: tuple[str, ...]
    """File names."""
    skipped: tuple[str, ...]
    """A line for each picture that could not be read."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Shape [n]."""
        found: NDArray[np.bool_] = self.logits.argmax(axis=1) == self.labels
        return found


def open_pictures(folder: Path) -> Pictures:
    """Open a folder of pictures, or the folder `images` in it.

    Raises:
        SourceMissingError: there is no such folder.
        InputError: a subfolder is no class number, pictures lie in none, or two have one name.
    """
    if not folder.is_dir():
        raise SourceMissingError(f"there is no folder {folder}")
    folder = folder / "images" if (folder / "images").is_dir() else folder
    odd = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and path.name[0] not in "._" and path.name not in LABELS
    )
    if odd:
        raise InputError(
            f"{folder}: the subfolder {odd[0]!r} is no class: subfolders are called 0 to 999, in "
            f"the order of the WordNet ids ({len(odd)} are not)"
        )
    listing = list_images(folder, LABELS)
    if listing.unlabelled:
        raise InputError(
            f"{folder}: {listing.unlabelled} pictures lie in no class folder (0 to 999)"
        )
    names = [path.name for path, _ in listing.paths]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{folder}: {twice} lies in two class folders: one of them is wrong")
    digest = hashlib.sha256()
    for path, label in listing.paths:
        digest.update(f"{label}/{path.name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Pictures(folder, listing, digest.hexdigest())


def score_nets(
    nets: Sequence[PublishedNet],
    pictures: Pictures,
    backend: Backend,
    kept: Path,
    progress: Progress,
) -> list[NetScores]:
    """Return every net's logits; those that lie in `kept` are not computed again.

    Args:
        nets: to score.
        pictures: to score them on.
        backend: to run them with.
        kept: folder of scores; made if it is not there.
        progress: called with what is under way.

    Raises:
        InputError: fewer than `SMALLEST` pictures can be read, or `kept` is a file.
        CalibrationError: a net answers at chance.
    """
    if kept.exists() and not kept.is_dir():
        raise InputError(f"{kept}: is no folder to keep scores in")
    return [_scored(net, pictures, backend, kept, progress) for net in nets]


def _scored(
    net: PublishedNet, pictures: Pictures, backend: Backend, kept: Path, progress: Progress
) -> NetScores:
    of = json.dumps([net.sha256, pictures.digest, *asdict(backend.info).values()])
    path = kept / f"{net.name}-{hashlib.sha256(of.encode()).hexdigest()[:12]}.npz"
    arrays = _load(path)
    if arrays is None:
        arrays = _run(net, pictures, backend, progress)
        _save(path, arrays)
    found = NetScores(
        net, arrays["logits"], arrays["labels"], tuple(arrays["names"].tolist()),
        tuple(arrays["skipped"].tolist()),
    )  # fmt: skip
    if len(found.labels) < SMALLEST:
        raise InputError(
            f"{pictures.folder}: {len(found.labels)} pictures can be read: {SMALLEST} or more are "
            "divided into calibration and test"
        )
    check_above_chance(found.logits.argmax(axis=1), found.labels, net.name)
    return found


def _load(path: Path) -> dict[str, NDArray[Any]] | None:
    """Return what is kept; None where nothing is, or a damaged file: it is computed anew."""
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            found = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return found if set(found) == {"logits", "labels", "names", "skipped"} else None


def _run(
    net: PublishedNet, pictures: Pictures, backend: Backend, progress: Progress
) -> dict[str, NDArray[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        bundle = build_single(
            net.path, Path(folder) / "net", name=net.name, labels=LABELS, head=net.head
        )
        stages = load_stages(bundle, backend)
        source = ImageSource(pictures.listing, FrameSpec.of(bundle), str(pictures.folder))
        rows, labels, names = [], [], []
        for frame in _told(source, net.name, len(source), progress):
            rows.append(next(run_stages(stages, frame.data)).copy())
            labels.append(frame.label)
            names.append(frame.name)
    head = bundle.manifest.stages[0].scores
    return {
        "logits": logits(np.array(rows), head).astype(np.float32),
        "labels": np.array(labels, np.int64),
        "names": np.array(names, str),
        "skipped": np.array(source.skipped, str),
    }


def _told(frames: Iterable[Any], name: str, count: int, progress: Progress) -> Iterator[Any]:
    for number, frame in enumerate(frames):
        if number % _TOLD_EVERY == 0:
            progress(f"{name}: {number} of {count} pictures")
        yield frame


def _save(path: Path, arrays: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    part.replace(path)

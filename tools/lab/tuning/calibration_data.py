"""Labelled inputs to choose thresholds on, read and looked through before anything is run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.sources import held_back_images
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, RunError
from edge_infer.runtime.frames.raw import NOTHING_STATED, RawOptions
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.frames.sources import ArraySource, open_source

_HELD_BACK = "held-back:"
"""In front of a data set, instead of a file of inputs: held-back:data/mnist."""
_LEAST = 10
"""Inputs that even a net without a fault needs to be told from chance."""
_SPREAD = 4.0
"""Standard errors above chance that an accuracy must be."""


class CalibrationError(RunError, ValueError):
    """Inputs that no thresholds can be chosen on."""


@dataclass(frozen=True)
class CalibrationData:
    """Inputs and their classes."""

    frames: Sequence[NDArray[Any]]
    labels: NDArray[np.int64]
    """Shape [n], indices into the bundle's labels."""
    source: str
    """In words, for the manifest."""
    skipped: tuple[str, ...] = ()
    """One line for each input that was left out."""
    warnings: tuple[str, ...] = ()
    """What is odd about the inputs, a sentence each."""
    read: Mapping[str, Any] = field(default_factory=dict)
    """What was read and what was done to it, as `Source.document` has it."""
    groups: NDArray[np.int64] | None = None
    """Which inputs hang together, shape [n]; None where each stands alone."""

    def __len__(self) -> int:
        return len(self.labels)


def read_calibration(
    bundle: Bundle,
    where: str,
    labels_path: Path | None = None,
    *,
    strict: bool = False,
    background: tuple[int, ...] | None = None,
    raw: RawOptions = NOTHING_STATED,
) -> CalibrationData:
    """Read calibration inputs: a file or folder, or what the bundle's recipe held back.

    Args:
        bundle: what they are for.
        where: .npy, .npz, an IDX file, a folder of images or of raw .bin files; or held-back: and
            a data set.
        labels_path: labels of an .npy or IDX file, or of raw files; those of IDX and raw files are
            found beside them.
        strict: raise at the first image that cannot be read.
        background: what stands behind transparent images; the bundle's if None.
        raw: what raw .bin files do not say themselves.

    Raises:
        SourceError: nothing readable is there, images in no class folder, or arrays have no labels.
        FrameError: frames or labels do not fit the bundle.
        CalibrationError: they are among the bundle's own test samples.
    """
    source = _open(bundle, where, labels_path, strict, background, raw)
    unlabelled = source.document()["unlabelled"]
    found = [] if unlabelled else list(source)
    if unlabelled:
        raise InputError(
            f"{where}: {unlabelled} inputs have no label: thresholds are chosen by which answers "
            "are right; give labels beside the inputs, or one subfolder a class"
        )
    if not found:
        raise InputError(f"{where}: no input could be read: {'; '.join(source.skipped[:3])}")
    labels = np.array([frame.label for frame in found], np.int64)
    data = CalibrationData(
        [frame.data for frame in found],
        labels,
        source.name,
        tuple(source.skipped),
        tuple(source.warnings()),
        source.document(),
    )
    refuse_test_samples(bundle, [frame_digest(frame) for frame in data.frames], data.source)
    return data


def _open(
    bundle: Bundle,
    where: str,
    labels_path: Path | None,
    strict: bool,
    background: tuple[int, ...] | None,
    raw: RawOptions,
) -> Source:
    spec = FrameSpec.of(bundle)
    if where.startswith(_HELD_BACK):
        data = where.removeprefix(_HELD_BACK)
        held = held_back_images(bundle, data)
        return ArraySource(*held, spec, f"{Path(data).name}, held back from training")
    names = bundle.manifest.labels
    if where == "-":
        raise InputError("standard input has frames without labels: calibrate on files")
    return open_source(
        Path(where),
        spec,
        names,
        labels_path=labels_path,
        strict=strict,
        background=background,
        raw=raw,
        labelled=True,
    )


def check_above_chance(answers: NDArray[Any], labels: NDArray[Any], who: str) -> None:
    """Check that answers have to do with the labels.

    Args:
        answers: class answered, shape [n].
        labels: shape [n].
        who: the net that answered, for the message.

    Raises:
        CalibrationError: they agree no more often than answers drawn without looking.
    """
    classes = int(max(answers.max(), labels.max())) + 1
    shares = [np.bincount(column, minlength=classes) / len(labels) for column in (answers, labels)]
    chance = float(np.dot(*shares))
    accuracy = float((answers == labels).mean())
    if len(np.unique(labels)) < 2 or len(labels) < _LEAST:
        raise CalibrationError(
            f"{len(labels)} calibration inputs of {len(np.unique(labels))} classes tell nothing of "
            f"a net: give {_LEAST} or more, some of every class"
        )
    if accuracy <= chance + _SPREAD * (chance * (1 - chance) / len(labels)) ** 0.5:
        raise CalibrationError(
            f"{who} answers {100 * accuracy:.1f} % of {len(labels)} calibration inputs right, at "
            f"chance ({100 * chance:.1f} %): these are other data, labels in another order, or "
            "pixels that enter in another range (--mean, --std)"
        )


def frame_digest(frame: NDArray[Any]) -> bytes:
    """Return what tells a frame from others."""
    return hashlib.blake2b(frame.tobytes(), digest_size=16).digest()


def refuse_test_samples(bundle: Bundle, digests: Sequence[bytes], source: str) -> None:
    """Refuse inputs, told by `frame_digest`, of which some are a bundle's own test samples.

    Raises:
        CalibrationError: so many are.
    """
    samples = bundle.samples()
    if samples is None:
        return
    known = {frame_digest(frame) for frame in samples[0]}
    same = sum(digest in known for digest in digests)
    if same:
        raise CalibrationError(
            f"{source}: {same} of {len(digests)} inputs are test samples of the bundle "
            f"{bundle.manifest.name}: thresholds chosen on them would flatter every later test; "
            "give inputs held back from training, or leave these out"
        )

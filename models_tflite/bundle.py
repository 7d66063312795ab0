"""A bundle: a folder of stages, golden vectors and samples that its manifest vouches for."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import (
    BundleEmptyError,
    BundleNotFoundError,
    BundleVerificationError,
)
from edge_infer.models_tflite.manifest import FULL_RATIO, MANIFEST_FILE, FileInfo, Manifest
from edge_infer.models_tflite.manifest_text import LARGEST_BYTES, read_manifest
from edge_infer.models_tflite.stage_spec import Stage

_FRAME_DTYPES = ("uint8", "int8", "float32")


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """What the self-test compares with, at one pruning ratio."""

    frames: NDArray[Any]
    """Shape [n, H, W, C], in the source dtype of the bundle's frames."""
    scores: tuple[NDArray[Any], ...]
    """Per stage, shape [n, labels], raw; every stage runs, whether the one before decided or
    not."""


def scores_key(stage: int, ratio: str) -> str:
    """Return the name of a stage's scores at a pruning ratio in the golden file."""
    return f"scores_{stage}" if ratio == FULL_RATIO else f"scores_{stage}@{ratio}"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: every file had the size and hash of its manifest."""

    path: Path
    manifest: Manifest

    def stage_model(self, index: int, ratio: str = FULL_RATIO) -> bytes:
        """Return the model of a stage, verified again as it is read.

        Raises:
            BundleVerificationError: the file is not the manifest's, or cannot be pruned.
            UnknownRatioError: it has no such ratio.
        """
        model = self.read(self.manifest.stages[index].file)
        if ratio == FULL_RATIO:
            return model
        from edge_infer.models_tflite.prunable.model import PrunableModel  # few bundles need it

        return PrunableModel.open(model).materialise(ratio)

    def samples(self) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
        """Return the frames [n, H, W, C] (uint8, int8 or float32) and labels [n] that travel along.

        None if the bundle carries none.

        Raises:
            BundleVerificationError: the file does not hold what the manifest says.
        """
        samples = self.manifest.samples
        if samples is None:
            return None
        arrays = self._arrays(samples.file, "frames", "labels")
        frames, labels = arrays["frames"], arrays["labels"]
        if not frames.shape[:1] == labels.shape == (samples.count,):
            held = [array.shape[0] if array.shape else "no" for array in (frames, labels)]
            raise BundleVerificationError(
                f"{self.path}: {samples.file} holds {held[0]} frames and {held[1]} labels in "
                f"{labels.ndim} dimensions, the manifest says {samples.count}"
            )
        if frames.dtype.name not in _FRAME_DTYPES or labels.dtype.kind not in "iu":
            raise BundleVerificationError(
                f"{self.path}: {samples.file} holds frames of {frames.dtype} and labels of "
                f"{labels.dtype}: wants {' or '.join(_FRAME_DTYPES)}, and whole numbers"
            )
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(self.manifest.labels):
            raise BundleVerificationError(
                f"{self.path}: {samples.file} holds labels from {labels.min()} to {labels.max()}, "
                f"the manifest names {len(self.manifest.labels)}"
            )
        return frames, labels.astype(np.int64)

    def golden(self, ratio: str = FULL_RATIO) -> GoldenVectors:
        """Return the vectors of the self-test at a ratio; the frames are the same at each.

        Raises:
            BundleVerificationError: the file does not hold what the manifest says.
            UnknownRatioError: the bundle has no such ratio.
        """
        stages = self.manifest.stages_at(ratio)
        names = [scores_key(index, ratio) for index in range(len(stages))]
        arrays = self._arrays(self.manifest.golden.file, "frames", *names)
        vectors = GoldenVectors(arrays["frames"], tuple(arrays[name] for name in names))
        self._check_golden(vectors, stages)
        return vectors

    def _check_golden(self, vectors: GoldenVectors, stages: Sequence[Stage]) -> None:
        where, count = f"{self.path}: {self.manifest.golden.file}", self.manifest.golden.count
        if vectors.frames.shape[:1] != (count,) or vectors.frames.dtype.name not in _FRAME_DTYPES:
            raise BundleVerificationError(
                f"{where} does not hold {count} vectors, as the manifest says"
            )
        wanted = count, len(self.manifest.labels)
        for stage, scores in zip(stages, vectors.scores, strict=True):
            if scores.shape != wanted or scores.dtype.name != stage.scores.dtype:
                raise BundleVerificationError(
                    f"{where} does not hold {count} vectors, as the manifest says: scores of "
                    f"{stage.name} are {scores.dtype} {list(scores.shape)}, wants "
                    f"{stage.scores.dtype} {list(wanted)}"
                )

    def read(self, name: str) -> bytes:
        """Return a file of the bundle.

        Raises:
            BundleVerificationError: it is missing, or its size or hash is not the manifest's.
        """
        info = self.manifest.files[name]
        content = _read_file(self.path / name, info.bytes)
        _check_file(self.path / name, content, info)
        return content

    def _arrays(self, name: str, *keys: str) -> dict[str, NDArray[Any]]:
        content = self.read(name)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return {key: arrays[key] for key in keys}
        except Exception as error:  # zlib's, zipfile's, struct's, NumPy's: a hash vouches for none
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BundleVerificationError(f"{self.path / name} is not usable: {reason}") from None


def open_bundle(path_or_name: str | Path) -> Bundle:
    """Open a bundle and verify every file of it before any is used.

    Args:
        path_or_name: a bundle folder, or the name of one that ships with this package.

    Raises:
        BundleNotFoundError: nothing stands there and no shipped bundle has the name.
        BundleEmptyError: the folder is empty.
        BundleVerificationError: a file is missing, truncated or changed, or the manifest is
            unreadable or of an unknown schema (ManifestError).
    """
    path = _find(path_or_name)
    if not path.is_dir():
        raise BundleVerificationError(f"{path} is not a bundle folder")
    if not any(path.iterdir()):
        raise BundleEmptyError(
            f"the bundle folder {path} is empty: make one with edge-infer bundle build"
        )
    bundle = Bundle(path, read_manifest(_read_file(path / MANIFEST_FILE, LARGEST_BYTES)))
    for name in bundle.manifest.files:
        bundle.read(name)
    return bundle


def shipped_names() -> tuple[str, ...]:
    """Return the names of the bundles that ship with this package, sorted."""
    folder = _shipped_folder()
    return tuple(sorted(entry.parent.name for entry in folder.glob(f"*/{MANIFEST_FILE}")))


def _shipped_folder() -> Path:
    return Path(__file__).with_name("bundles")


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.exists():
        return path
    if str(path_or_name) in shipped_names():
        return _shipped_folder() / path_or_name
    raise BundleNotFoundError(
        f"no bundle at {path_or_name}: give a folder, or one that ships: "
        + (", ".join(shipped_names()) or "(none)")
    )


def _read_file(path: Path, most_bytes: int) -> bytes:
    """Return what a file holds; of a larger one, enough to see that it is."""
    if path.is_symlink() or not path.is_file():
        what = "is missing" if not path.exists() else "is not a plain file"
        raise BundleVerificationError(f"{path} {what}: get the bundle again")
    with path.open("rb") as file:
        return file.read(most_bytes + 1)


def _check_file(path: Path, content: bytes, info: FileInfo) -> None:
    if len(content) != info.bytes:
        raise BundleVerificationError(
            f"{path} has {path.stat().st_size} bytes, the manifest says {info.bytes}: get the "
            "bundle again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != info.sha256:
        raise BundleVerificationError(
            f"{path} has the SHA-256 {digest[:12]}..., the manifest says {info.sha256[:12]}...: "
            "the file was changed, get the bundle again"
        )

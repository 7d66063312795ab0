"""Write a bundle: describe its stages, compute golden vectors and hashes, all or nothing."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.bundle import Bundle, open_bundle, scores_key
from edge_infer.models_tflite.describe import StageDraft, describe_stage
from edge_infer.models_tflite.errors import BundleError, ModelNotSupportedError
from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import FrameSpec, check_frames
from edge_infer.models_tflite.golden import (
    GOLDEN_COUNT,
    run_all,
    synthetic_golden,
    wide_margin,
)
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.lint import lint_stage
from edge_infer.models_tflite.manifest import (
    FULL_RATIO,
    MANIFEST_FILE,
    BackendInfo,
    Calibration,
    ChosenOn,
    FileInfo,
    Golden,
    Kind,
    Manifest,
    Prunable,
    Samples,
    Thresholds,
    stage_at,
)
from edge_infer.models_tflite.manifest_text import manifest_text, read_manifest
from edge_infer.models_tflite.probe import vouch
from edge_infer.models_tflite.prunable.model import PrunableModel
from edge_infer.models_tflite.stage import LoadedStage, check_model
from edge_infer.models_tflite.stage_spec import Stage

GOLDEN_FILE = "golden.npz"
SAMPLES_FILE = "samples.npz"

NO_EXITS = Thresholds("score-margin", (), ChosenOn("none", "one stage, no exits", None, None, 0))
"""Thresholds of a bundle of one stage."""


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Real inputs to travel with a bundle."""

    frames: NDArray[Any]
    """Shape [n, H, W, C], uint8 or float32."""
    labels: NDArray[Any]
    """Shape [n], indices into the bundle's labels."""
    license: str


@dataclass(frozen=True)
class BundleDraft:
    """A bundle before it is written."""

    name: str
    kinds: tuple[Kind, ...]
    labels: Sequence[str]
    stages: Sequence[StageDraft]
    version: str = "1.0.0"
    description: str = ""
    license: str = ""
    ratios: tuple[str, ...] = (FULL_RATIO,)
    thresholds: Mapping[str, Thresholds] = field(default_factory=lambda: {FULL_RATIO: NO_EXITS})
    predictor: Mapping[str, Mapping[str, Any]] | None = None
    prunable: Prunable | None = None
    tuned_on: BackendInfo | None = None
    """The backend that the thresholds were chosen on; this platform's default if None."""
    samples: SampleSet | None = None
    golden_frames: NDArray[Any] | None = None
    """Inputs of the self-test, shape [n, H, W, C]; if None, the first samples, else synthetic."""
    seed: int = 0
    """Of synthetic golden frames."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Calibration] | None = None
    """What the inputs that thresholds were chosen on came to, by ratio."""
    leaving: Mapping[str, Mapping[str, Any]] | None = None


def write_bundle(out: Path, draft: BundleDraft, *, replace: bool = False) -> Bundle:
    """Write a bundle folder and open it, verified.

    The folder appears whole or not at all: it is made beside `out` and renamed.

    Args:
        out: the folder to make; its parent is made if missing.
        draft: what to write.
        replace: put the new bundle in the place of a bundle that stands at `out`.

    Raises:
        BundleError: something stands at `out` already.
        ModelError: an interpreter refuses a stage, or crashes on it.
        ModelNotSupportedError: a stage cannot be part of a bundle; the message says why.
        PrunableError: the draft has pruning ratios, a stage of it has none.
        ManifestError: the parts do not agree (labels and classes, thresholds and stages, ...).
        FrameError: samples or golden frames do not fit the first stage.
    """
    _check_place(out, replace)
    vouch(((stage.called, stage.model) for stage in draft.stages), open_backend())
    stages = tuple(_described(stage) for stage in draft.stages)
    files = {stage.file: part.model for stage, part in zip(stages, draft.stages, strict=True)}
    draft = _checked(draft, stages[0])
    files[GOLDEN_FILE], golden = _golden(draft, stages)
    samples = None
    if draft.samples is not None:
        files[SAMPLES_FILE] = _npz(frames=draft.samples.frames, labels=draft.samples.labels)
        samples = Samples(SAMPLES_FILE, len(draft.samples.frames), draft.samples.license)
    manifest = Manifest(
        name=draft.name,
        version=draft.version,
        kinds=draft.kinds,
        description=draft.description,
        license=draft.license,
        labels=tuple(draft.labels),
        ratios=draft.ratios,
        stages=stages,
        thresholds=draft.thresholds,
        predictor=draft.predictor,
        tuned_on=draft.tuned_on or open_backend().info,
        golden=golden,
        samples=samples,
        files={name: _file_info(content) for name, content in files.items()},
        provenance=draft.provenance,
        prunable=draft.prunable,
        calibration=draft.calibration,
        leaving=draft.leaving,
    )
    text = manifest_text(manifest)
    read_manifest(text)  # what a reader would refuse is refused before anything is written
    files[MANIFEST_FILE] = text.encode()
    _write_folder(out, files)
    return open_bundle(out)


def _described(draft: StageDraft) -> Stage:
    graph = Graph(draft.model)
    for finding in lint_stage(graph, draft.name):
        if finding.severity == "error":
            raise ModelNotSupportedError(f"{finding.where}: {finding.what}: {finding.advice}")
    return describe_stage(draft, graph)


def _checked(draft: BundleDraft, first: Stage) -> BundleDraft:
    """Return the draft with samples and golden frames as its first stage takes them."""
    spec = FrameSpec.of_input(first.input, len(draft.labels))
    golden, samples = draft.golden_frames, draft.samples
    if golden is not None:
        golden = np.stack(check_frames(golden, spec, "golden frames").frames)
    if samples is not None:
        frames = np.stack(check_frames(samples.frames, spec, "samples").frames)
        labels = check_labels(samples.labels, len(frames), spec.classes, "samples")
        samples = replaced(samples, frames=frames, labels=_kept(labels, samples.labels))
    return replaced(draft, golden_frames=golden, samples=samples)


def _kept(labels: NDArray[np.int64], given: NDArray[Any]) -> NDArray[Any]:
    """Return labels in the type they were given in, where that is one of whole numbers."""
    return labels.astype(given.dtype) if given.dtype.kind in "iu" else labels


def _golden(draft: BundleDraft, stages: Sequence[Stage]) -> tuple[bytes, Golden]:
    frames = draft.golden_frames
    if frames is None and draft.samples is not None:
        frames = draft.samples.frames[:GOLDEN_COUNT]
    fast, reference = open_backend(), open_backend(resolver="reference")
    for kernels in (fast, reference):
        vouch(_all_models(draft), kernels)
    if frames is None:
        frames = synthetic_golden(_load(draft, stages, fast), draft.seed)
    arrays, wide = {"frames": frames}, [0.0] * len(stages)
    for ratio in (FULL_RATIO, *(draft.prunable.ratios if draft.prunable else ())):
        expected, optimised = (
            run_all(_load(draft, stages, kernels, ratio), frames) for kernels in (reference, fast)
        )
        arrays |= {scores_key(index, ratio): scores for index, scores in enumerate(expected)}
        margins = map(wide_margin, (stage.scores for stage in stages), expected, optimised)
        wide = [max(pair) for pair in zip(wide, margins, strict=True)]
    golden = Golden(GOLDEN_FILE, len(frames), tuple(wide), reference.info)
    return _npz(**arrays), golden


def _all_models(draft: BundleDraft) -> Iterator[tuple[str, bytes]]:
    """Yield every stage at every ratio, each with what messages call it."""
    for stage in draft.stages:
        yield stage.called, stage.model
        for ratio in draft.prunable.ratios if draft.prunable else ():
            yield f"{stage.called}@{ratio}", PrunableModel.open(stage.model).materialise(ratio)


def _load(
    draft: BundleDraft, stages: Sequence[Stage], backend: Backend, ratio: str = FULL_RATIO
) -> list[LoadedStage]:
    loaded = []
    for index, (stage, part) in enumerate(zip(stages, draft.stages, strict=True)):
        spec, model = stage, part.model
        if ratio != FULL_RATIO:
            assert draft.prunable is not None
            spec = stage_at(stage, draft.prunable.ratios[ratio].stages[index])
            model = PrunableModel.open(model).materialise(ratio)
        interpreter = backend.load_vouched(model)
        check_model(spec, interpreter)
        loaded.append(LoadedStage(spec, interpreter))
    return loaded


def _npz(**arrays: Any) -> bytes:
    """Return a compressed .npz; the same arrays give the same bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _file_info(content: bytes) -> FileInfo:
    return FileInfo(hashlib.sha256(content).hexdigest(), len(content))


def _check_place(out: Path, replace: bool) -> None:
    if not out.exists():
        return
    if not replace:
        raise BundleError(f"{out} exists already: remove it or choose another place")
    if not (out / MANIFEST_FILE).is_file() and any(out.iterdir()):
        raise BundleError(f"{out} holds something that is not a bundle: choose another place")


def _write_folder(out: Path, files: Mapping[str, bytes]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        folder = partial / "new"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        _put(folder, out, partial / "old")
    finally:
        shutil.rmtree(partial)


def _put(folder: Path, out: Path, aside: Path) -> None:
    """Rename `folder` to `out`; what stood there goes aside, and comes back if that fails."""
    if out.exists():
        out.rename(aside)
    try:
        folder.rename(out)
    except OSError:
        if aside.exists():
            aside.rename(out)
        raise

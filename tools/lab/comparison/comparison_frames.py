"""The frames of a comparison: scored once, and kept apart from what predictors are fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.baselines.zero_pad import ZeroPadPredictor, fit_zero_pad
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.replay.scored_frames import ScoredFrames, scored_bundle
from edge_infer.lab.scoring import score
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.lab.tuning.chain_fitting import fit_chain
from edge_infer.lab.tuning.predictor_fitting import fit_predictor
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.errors import InputError, RunError, SourceMissingError
from edge_infer.runtime.exit_chain import ExitChain, carried_chain
from edge_infer.runtime.frames.folders import class_of
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.frames.sources import ArraySource, open_samples
from edge_infer.runtime.planning.problem import exit_shares_of
from edge_infer.runtime.predictor import ExitPredictor, carried_predictor

DATA_FOLDERS = {"cifar10": "cifar10_jpeg", "mnist": "mnist"}
"""Where a bundle's data set lies within a folder of data sets, by the first word of its name."""
SPLIT_SEED = 20
"""Of the split into frames to fit on and frames to compare on."""


@dataclass(frozen=True)
class ComparisonFrames:
    """Frames to compare on, and the predictors that were fitted on others."""

    frames: ScoredFrames
    predictor: ExitPredictor | None
    zero_pad: ZeroPadPredictor | None
    exit_shares: tuple[float, ...]
    """Of the inputs that the predictors were fitted on."""
    fitted_on: str
    """In words, for the output."""
    source: str
    read: Mapping[str, Any]
    """What was read and what was done to it, as `Source.document` has it."""
    warnings: tuple[str, ...] = ()
    """What is odd about the inputs, a sentence each."""
    chain: ExitChain | None = None
    """What leaving costs where the thresholds say stay."""


def read_frames(
    bundle: Bundle,
    backend: Backend,
    data: Path | None,
    most: int,
    ratio: str,
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> ComparisonFrames:
    """Score a bundle's samples, or the test side of a data set, and split off what is fitted on.

    With a predictor in the manifest all frames are compared on, apart from those that the
    zero-padding baseline is fitted on; without, half of them serve to fit both.

    Args:
        bundle: an open bundle.
        backend: to run its stages with.
        data: folder of the data set, or of several; the bundle's own samples if None.
        most: at most this many frames, drawn by a fixed seed.
        ratio: pruning ratio.
        progress: called with what is scored.
        work: scores pieces of them.

    Raises:
        RunError: there are too few frames.
        SourceMissingError: the folder does not exist.
        InputError: it cannot be read as a data set, or its classes are not the bundle's.
        FrameError: its frames or labels do not fit.
    """
    judged, source = _judged(bundle, backend, data, most, ratio, progress, work)
    return split_frames(bundle, judged, source, ratio)


def read_ratios(
    bundle: Bundle,
    backend: Backend,
    data: Path | None,
    most: int,
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> dict[str, ScoredFrames]:
    """Score the frames that are compared on at every ratio of a prunable bundle.

    The same frames in the same order as `read_frames` gives for the full width, which is not
    among them. Nothing for a bundle that cannot be pruned.
    """
    if bundle.manifest.prunable is None:
        return {}
    ratios = [ratio for ratio in bundle.manifest.ratios if ratio != FULL_RATIO]
    found = {}
    for ratio in ratios:
        judged = _judged(bundle, backend, data, most, ratio, progress, work)[0]
        found[ratio] = judged.taken(_compared_on(bundle, len(judged)))
    return found


def read_static(
    bundle: Bundle,
    other: Bundle,
    backend: Backend,
    data: Path | None,
    most: int,
    ratio: str,
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> ScoredFrames:
    """Score another bundle on the frames that a bundle is compared on, in the same order.

    Raises:
        InputError: it has other classes.
        FrameError: the frames do not fit it.
    """
    classes = bundle.manifest.labels
    if set(other.manifest.labels) != set(classes):
        raise InputError(
            f"{other.manifest.name} tells {len(other.manifest.labels)} classes apart, "
            f"{bundle.manifest.name} {len(classes)}, and not the same ones: it is no rival"
        )
    judged = _judged(other, backend, data, most, ratio, progress, work, of=bundle)[0]
    return judged.taken(_compared_on(bundle, len(judged)))


def _judged(
    bundle: Bundle,
    backend: Backend,
    data: Path | None,
    most: int,
    ratio: str,
    progress: Progress,
    work: CellRunner,
    of: Bundle | None = None,
) -> tuple[ScoredFrames, ArraySource]:
    """Score and judge frames, those of another bundle if one is given; return where from, too."""
    source = _source(bundle, data) if of is None else _source_of(bundle, of, data)
    frames = list(source)
    draw = np.random.default_rng(SPLIT_SEED).permutation(len(frames))[:most]
    progress(f"scoring {len(draw)} frames of {source.name} at ratio {ratio}")
    taken = [frames[i].data for i in draw]
    scores = score(bundle, backend, taken, ratio, progress=progress, work=work)
    labels = np.array([frames[i].label for i in draw], np.int64)
    return scored_bundle(bundle, scores, labels, ratio), source


def _compared_on(bundle: Bundle, frames: int) -> NDArray[np.int64]:
    """Return which frames are compared on: all, or the half that nothing is fitted on."""
    return np.arange(frames // 2 if len(bundle.manifest.stages) > 1 else 0, frames)


def split_frames(
    bundle: Bundle, judged: ScoredFrames, source: Source, ratio: str
) -> ComparisonFrames:
    """Fit what the manifest does not carry on the first half of the frames, compare on the rest."""
    stages = bundle.manifest.stages
    told = source.name, source.document(), tuple(source.warnings())
    if len(stages) == 1:
        return ComparisonFrames(judged, None, None, (1.0,), "nothing to predict", *told)
    half = len(judged) // 2
    if half < 1:
        raise RunError(f"{source.name} holds {len(judged)} frames: a comparison needs at least 2")
    fit, rest = judged.taken(np.arange(half)), judged.taken(_compared_on(bundle, len(judged)))
    scales = [(stage.scores.scale or 1.0, stage.scores.zero_point) for stage in stages]
    zero_pad = fit_zero_pad(fit.scores, fit.exits, *scales[0], scales)
    predictor = carried_predictor(bundle.manifest, ratio)
    chain = carried_chain(bundle.manifest, ratio) or _counted_chain(bundle, fit, source.name, ratio)
    if predictor is not None:
        shares = exit_shares_of(predictor)
        words = f"predictor of the manifest ({predictor.fitted_on.get('data', 'of unknown data')})"
        return ComparisonFrames(rest, predictor, zero_pad, shares, words, *told, chain)
    name = f"{half} frames of {source.name} that are not compared on"
    predictor = fit_predictor(fit.scores[0], fit.exits, len(stages), scales[0][0], name)
    return ComparisonFrames(rest, predictor, zero_pad, fit.exit_shares, name, *told, chain)


def _counted_chain(bundle: Bundle, fit: ScoredFrames, source: str, ratio: str) -> ExitChain | None:
    """Count the exit chain on frames that are not compared on; None where they have no labels."""
    if fit.labels is None:
        return None
    thresholds = bundle.manifest.thresholds[ratio]
    scales = [stage.scores.scale or 1.0 for stage in bundle.manifest.stages_at(ratio)]
    outcomes = ExitOutcomes.of_scores(fit.scores, fit.labels, thresholds.criterion, scales)
    name = f"{len(fit)} frames of {source} that are not compared on"
    return fit_chain(outcomes, fit.exits, name)


def _source(bundle: Bundle, data: Path | None) -> ArraySource:
    if data is None:
        if bundle.manifest.samples is None:
            raise InputError(
                f"the bundle {bundle.manifest.name} carries no samples: name a data set with --data"
            )
        return open_samples(bundle)
    if not data.exists():
        raise SourceMissingError(f"{data}: no such folder of data")
    inside = data / DATA_FOLDERS.get(bundle.manifest.name.partition("-")[0], ".")
    data = inside if inside.is_dir() else data
    return _test_side(data, FrameSpec.of(bundle), bundle.manifest.labels)


def _source_of(bundle: Bundle, of: Bundle, data: Path | None) -> ArraySource:
    """Return the source of another bundle's frames, as this bundle takes and counts them."""
    if data is not None:
        return _source(bundle, data)
    samples = of.samples()
    if samples is None:
        return _source(of, data)  # says what is missing
    order = np.array([bundle.manifest.labels.index(name) for name in of.manifest.labels])
    name = f"samples of {of.manifest.name}"
    return ArraySource(samples[0], order[samples[1]], FrameSpec.of(bundle), name)


@lru_cache(maxsize=1)
def _test_side(data: Path, spec: FrameSpec, names: tuple[str, ...]) -> ArraySource:
    """Return the test side of a data set; read once for all the ratios of a bundle."""
    from edge_infer.lab.train.sources import open_source

    found = open_source(str(data))
    if found.test is None:
        where = "x_test and y_test" if data.is_file() else f"a folder {data / 'test'}"
        raise InputError(f"{data}: has no test side to compare on: add {where}")
    # A data set counts its classes in the order of their names, a bundle may have another.
    try:
        order = np.array([class_of(name, names) for name in found.class_names])
    except InputError as error:
        raise InputError(f"{data}: {error}") from None
    labels = check_labels(found.test.labels, len(found.test), len(order), str(data))
    return ArraySource(found.test.images, order[labels], spec, f"{data.name}, test side")

"""Tune a bundle: score calibration inputs once, choose thresholds, see whether it pays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.costs.board_costs import ExitCosts, read_costs
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.scoring import score
from edge_infer.lab.tuning import (
    CalibrationSplit,
    ExitOutcomes,
    LossBound,
    ThresholdChoice,
    TooFewSamplesError,
    choose_thresholds,
    split_calibration,
)
from edge_infer.lab.tuning.calibration_data import (
    CalibrationData,
    check_above_chance,
    read_calibration,
)
from edge_infer.lab.tuning.calibration_record import calibrated
from edge_infer.lab.tuning.chain_fitting import fit_chain
from edge_infer.lab.tuning.grouped_split import split_groups
from edge_infer.lab.tuning.predictor_fitting import fit_predictor
from edge_infer.lab.tuning.temperature import fitted_temperatures
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.build import NO_EXITS, BundleDraft
from edge_infer.models_tflite.manifest import (
    FULL_RATIO,
    BackendInfo,
    Calibration,
    ChosenOn,
    Criterion,
    Thresholds,
    threshold_value,
)
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_chain import ExitChain
from edge_infer.runtime.frames.raw import NOTHING_STATED, RawOptions
from edge_infer.runtime.predictor import SoftmaxPredictor

RULE = (
    "least expected net energy; Learn then Test (arXiv 2110.01052): fixed sequence of thresholds, "
    "exact trinomial test of the loss against the last exit"
)
CURVE_POINTS = (0.05, 0.1, 0.12, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Bounds, in percentage points, that the trade-off curve shows beside the asked one."""
USUAL = LossBound(loss=0.01, confidence=0.95)


@dataclass(frozen=True)
class CurvePoint:
    """What another loss_bound would have given."""

    allowed_loss: float
    choice: ThresholdChoice


@dataclass(frozen=True)
class Tuning:
    """What was chosen, and from what."""

    bundle: Bundle
    data: CalibrationData
    scores: tuple[NDArray[Any], ...]
    """Raw scores of the calibration inputs, by exit."""
    outcomes: ExitOutcomes
    split: CalibrationSplit
    criterion: Criterion
    loss_bound: LossBound
    costs: ExitCosts
    backend: BackendInfo
    choice: ThresholdChoice | None
    """None: no thresholds can be shown to keep the loss_bound."""
    curve: tuple[CurvePoint, ...]
    seed: int

    @property
    def pays(self) -> bool:
        """Whether the adaptive net is expected to cost less than the plain one."""
        return self.choice is not None and self.choice.energy_nj < self.costs.plain.energy_nj

    @property
    def values(self) -> tuple[float, ...]:
        """The chosen thresholds as the manifest states them."""
        assert self.choice is not None
        stages = self.bundle.manifest.stages
        return tuple(
            threshold_value(self.criterion, confidence, stage.scores.dtype)
            for confidence, stage in zip(self.choice.thresholds, stages, strict=False)
        )


def tune(
    bundle: Bundle,
    calibration: str,
    labels_path: Path | None = None,
    *,
    board: str = "sim:raspberry-pi-5",
    cost_table: Path | None = None,
    clock_mhz: int | None = None,
    loss_bound: LossBound = USUAL,
    criterion: Criterion | None = None,
    seed: int = 0,
    strict: bool = False,
    background: tuple[int, ...] | None = None,
    raw: RawOptions = NOTHING_STATED,
    backend: Backend | None = None,
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> Tuning:
    """Read calibration inputs and choose the thresholds of a bundle for a board.

    Args:
        bundle: with two exits or more.
        calibration: inputs that no weight was trained on, as `read_calibration` takes them.
        labels_path: labels of an .npy or IDX file.
        board: name of a board with a cost table.
        cost_table: a table that was measured on the board, instead.
        clock_mhz: one of the board's clocks; the highest if None.
        loss_bound: loss of accuracy allowed against the last exit, and the confidence.
        criterion: how an exit is judged; the bundle's own if None.
        seed: of the split into inputs to learn and to test on.
        strict: raise at the first input that cannot be read.
        background: what stands behind transparent images; the bundle's if None.
        raw: what raw .bin files do not say themselves.
        backend: kernels to run it on; the default if None.
        progress: called with what is under way.
        work: scores pieces of the inputs.

    Raises:
        RunError, CalibrationError, TooFewSamplesError: as `read_costs`, `read_calibration` and
            `tune_bundle` do.
    """
    backend = backend or open_backend()
    costs = read_costs(bundle, board, backend.info, cost_table, clock_mhz)
    data = read_calibration(
        bundle, calibration, labels_path, strict=strict, background=background, raw=raw
    )
    return tune_bundle(
        bundle, backend, data, costs, loss_bound, criterion, seed, progress, work=work
    )


def tune_bundle(
    bundle: Bundle,
    backend: Backend,
    data: CalibrationData,
    costs: ExitCosts,
    loss_bound: LossBound,
    criterion: Criterion | None = None,
    seed: int = 0,
    progress: Progress = silent,
    scores: tuple[NDArray[Any], ...] | None = None,
    work: CellRunner = IN_PROCESS,
) -> Tuning:
    """Choose the thresholds of a bundle.

    Args:
        bundle: with two exits or more.
        backend: kernels to run it on; thresholds hold for these.
        data: inputs that no weight was trained on.
        costs: of the board it is to run on.
        loss_bound: loss of accuracy allowed against the last exit, and the confidence.
        criterion: how an exit is judged; the bundle's own if None.
        seed: of the split into inputs to learn and to test on.
        progress: called with what is under way.
        scores: raw scores of the inputs by exit, where they are known already: then their frames
            are not looked at.
        work: scores pieces of the inputs.

    Raises:
        RunError: the bundle has one exit.
        CalibrationError: a net answers at chance.
        TooFewSamplesError: the inputs are too few to promise anything.
    """
    stages = bundle.manifest.stages
    if len(stages) < 2:
        raise RunError(f"{bundle.manifest.name} has one exit: there is no threshold to choose")
    if scores is None:
        progress(f"scoring {len(data)} inputs of {data.source}")
        scores = score(bundle, backend, data.frames, unit="inputs", progress=progress, work=work)
    for stage, rows in zip(stages, scores, strict=True):
        if stage.input.reads == "frame" or stage is stages[-1]:
            check_above_chance(rows.argmax(axis=1), data.labels, f"the net of {stage.name}")
    criterion = criterion or bundle.manifest.thresholds[FULL_RATIO].criterion
    scales = [stage.scores.scale for stage in stages]
    outcomes = ExitOutcomes.of_scores(scores, data.labels, criterion, scales)
    random = np.random.default_rng(seed)
    if data.groups is None:
        split = split_calibration(outcomes, costs.energy_nj, random)
    else:
        split = split_groups(outcomes, data.groups, costs.energy_nj, random)
    choice = choose_thresholds(split, costs.energy_nj, loss_bound)
    curve = _curve(split, costs.energy_nj, loss_bound)
    return Tuning(
        bundle, data, scores, outcomes, split, criterion, loss_bound, costs, backend.info, choice,
        curve, seed,
    )  # fmt: skip


def fitted_predictor(tuning: Tuning) -> SoftmaxPredictor:
    """Fit the exit predictor to the chosen thresholds."""
    assert tuning.choice is not None
    first = tuning.bundle.manifest.stages[0].scores
    exits = tuning.outcomes.exits(tuning.choice.thresholds)
    return fit_predictor(
        tuning.scores[0], exits, len(tuning.scores), first.scale or 1.0, tuning.data.source
    )


def counted_chain(tuning: Tuning) -> ExitChain:
    """Count what leaving costs where the chosen thresholds say stay."""
    assert tuning.choice is not None
    exits = tuning.outcomes.exits(tuning.choice.thresholds)
    return fit_chain(tuning.outcomes, exits, tuning.data.source)


def tuned_draft(tuning: Tuning, figures: dict[str, Any]) -> BundleDraft:
    """Return the draft of the tuned bundle, or of the plain net where tuning does not pay.

    Args:
        tuning: what was chosen.
        figures: for the provenance, under "tuning".
    """
    draft = redraft(tuning.bundle)
    # What training said of its own thresholds is true no more.
    kept = {key: value for key, value in draft.provenance.items() if key != "adaptive"}
    provenance = {**kept, "tuning": figures}
    if not tuning.pays:
        return replace(
            draft,
            kinds=("single",),
            stages=[plain_net(tuning.bundle)],
            thresholds={FULL_RATIO: _last_exit_alone(tuning)},
            predictor=None,
            leaving=None,
            provenance=provenance,
            calibration={FULL_RATIO: _calibration(tuning, -1, NO_EXITS)},
        )
    predictor, thresholds = fitted_predictor(tuning).to_document(), _thresholds(tuning)
    return replace(
        draft,
        thresholds={**draft.thresholds, FULL_RATIO: thresholds},
        predictor={**(draft.predictor or {}), FULL_RATIO: predictor},
        tuned_on=tuning.backend,
        provenance=provenance,
        calibration={**(draft.calibration or {}), FULL_RATIO: _calibration(tuning, 0, thresholds)},
        leaving={**(draft.leaving or {}), FULL_RATIO: counted_chain(tuning).to_document()},
    )


def _thresholds(tuning: Tuning) -> Thresholds:
    chosen_on = ChosenOn(
        data=f"{tuning.data.source}, {len(tuning.data)} inputs",
        rule=RULE,
        allowed_loss_points=100 * tuning.loss_bound.loss,
        confidence=tuning.loss_bound.confidence,
        samples=len(tuning.split.tested),
    )
    assert tuning.choice is not None
    exits, stages = tuning.outcomes.exits(tuning.choice.thresholds), tuning.bundle.manifest.stages
    temperatures = fitted_temperatures(tuning.scores, tuning.data.labels, stages, exits)
    return Thresholds(tuning.criterion, tuning.values, chosen_on, temperatures)


def _last_exit_alone(tuning: Tuning) -> Thresholds:
    last = np.zeros(len(tuning.data), np.int64)
    stages = tuning.bundle.manifest.stages[-1:]
    temperatures = fitted_temperatures(tuning.scores[-1:], tuning.data.labels, stages, last)
    return replace(NO_EXITS, temperatures=temperatures)


def _calibration(tuning: Tuning, first: int, thresholds: Thresholds) -> Calibration:
    """Return what the inputs come to in the stages from `first` on."""
    scales = [stage.scores.scale for stage in tuning.bundle.manifest.stages][first:]
    scores, data = tuning.scores[first:], tuning.data
    return calibrated(scores, data.labels, scales, thresholds, data.source)


def _curve(
    split: CalibrationSplit, energy_nj: Sequence[float], asked: LossBound
) -> tuple[CurvePoint, ...]:
    points = []
    for loss in sorted({asked.loss, *(points / 100 for points in CURVE_POINTS)}):
        try:
            choice = choose_thresholds(split, energy_nj, replace(asked, loss=loss))
        except TooFewSamplesError:
            continue
        if choice is not None:
            points.append(CurvePoint(loss, choice))
    return tuple(points)

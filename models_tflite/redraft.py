"""A bundle as a draft again, to be written with something changed: at one of its ratios, say."""

from dataclasses import replace
from pathlib import Path

from edge_infer.models_tflite.build import BundleDraft, SampleSet, write_bundle
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.manifest import FULL_RATIO


def redraft(bundle: Bundle) -> BundleDraft:
    """Return the draft that writes an equal bundle; change it with `dataclasses.replace`."""
    manifest = bundle.manifest
    stages = [
        StageDraft(
            name=stage.name,
            model=bundle.stage_model(index),
            reads=stage.input.reads,
            features=stage.features,
            preprocess=stage.input.preprocess,
            output=stage.scores.output,
            label_offset=stage.scores.label_offset,
        )
        for index, stage in enumerate(manifest.stages)
    ]
    samples, kept = bundle.samples(), None
    if samples is not None and manifest.samples is not None:
        kept = SampleSet(*samples, manifest.samples.license)
    return BundleDraft(
        name=manifest.name,
        kinds=manifest.kinds,
        labels=manifest.labels,
        stages=stages,
        version=manifest.version,
        description=manifest.description,
        license=manifest.license,
        ratios=manifest.ratios,
        thresholds=manifest.thresholds,
        predictor=manifest.predictor,
        prunable=manifest.prunable,
        tuned_on=manifest.tuned_on,
        samples=kept,
        golden_frames=bundle.golden().frames,
        provenance=manifest.provenance,
        calibration=manifest.calibration,
        leaving=manifest.leaving,
    )


def bundle_at(bundle: Bundle, ratio: str, folder: Path) -> Bundle:
    """Write a ratio as a bundle of its own, whose only ratio is its full width.

    Thresholds and predictor are the ratio's. Golden vectors are computed anew.

    Args:
        bundle: prunable, or not: then it is copied.
        ratio: one of its ratios.
        folder: where to write it, in a folder of the bundle's name.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
    """
    draft, manifest = redraft(bundle), bundle.manifest
    stages = [
        replace(stage, model=bundle.stage_model(index, ratio))
        for index, stage in enumerate(draft.stages)
    ]
    kinds = tuple(kind for kind in manifest.kinds if kind != "prunable")
    predictor = (manifest.predictor or {}).get(ratio)
    calibration = (manifest.calibration or {}).get(ratio)
    leaving = (manifest.leaving or {}).get(ratio)
    plain = replace(
        draft,
        kinds=kinds or ("single",),
        stages=stages,
        ratios=(FULL_RATIO,),
        thresholds={FULL_RATIO: manifest.thresholds[ratio]},
        predictor=None if predictor is None else {FULL_RATIO: predictor},
        prunable=None,
        calibration=None if calibration is None else {FULL_RATIO: calibration},
        leaving=None if leaving is None else {FULL_RATIO: leaving},
    )
    return write_bundle(folder / manifest.name, plain, replace=True)


def ratio_bytes(bundle: Bundle) -> dict[str, int]:
    """Return the bytes that each ratio of a prunable bundle would take as stage files of its own.

    Raises:
        BackendError: writing a model needs ai-edge-litert.
    """
    manifest, stages = bundle.manifest, range(len(bundle.manifest.stages))
    assert manifest.prunable is not None
    files = sum(stage.bytes for stage in manifest.stages)
    return {
        ratio: files - manifest.prunable.auxiliary_bytes
        if ratio == FULL_RATIO
        # Written anew, without the bytes that a ratio leaves unused.
        else sum(len(pack(unpack(bundle.stage_model(index, ratio)))) for index in stages)
        for ratio in manifest.ratios
    }

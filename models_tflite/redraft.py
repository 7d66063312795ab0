"""A bundle as a draft again, to be written with something changed."""

from edge_infer.models_tflite.build import BundleDraft, SampleSet
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.describe import StageDraft


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
    )

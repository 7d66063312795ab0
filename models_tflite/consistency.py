"""What a schema cannot say of a manifest: the parts must agree with each other."""

from collections.abc import Iterator

from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest import (
    FULL_RATIO,
    Calibration,
    Manifest,
    Prunable,
    RatioSpec,
    RatioStage,
    Thresholds,
)
from edge_infer.models_tflite.stage_spec import Scores, Stage

_LEAST_SCALE = 1e-30
"""A smaller one is lost in float32."""


def check_consistency(manifest: Manifest) -> None:
    """Check that the parts of a manifest agree.

    Raises:
        ManifestError: names the first key that disagrees, and with what.
    """
    for problem in _problems(manifest):
        raise ManifestError(f"manifest.json: {problem}")


def _problems(manifest: Manifest) -> Iterator[str]:
    yield from _kind_problems(manifest)
    yield from _file_problems(manifest)
    for index, stage in enumerate(manifest.stages):
        before = manifest.stages[index - 1] if index else None
        for problem in _stage_problems(manifest, stage, before):
            yield f"stages[{index}].{problem}"
    if manifest.stages[-1].features:
        yield "stages: the last one has features, but no stage follows to take them"
    yield from _ratio_problems(manifest)
    yield from _prunable_problems(manifest)


def _kind_problems(manifest: Manifest) -> Iterator[str]:
    kinds, stages = manifest.kinds, len(manifest.stages)
    if "single" in kinds and (stages != 1 or set(kinds) - {"single", "prunable"}):
        yield f"kinds is {list(kinds)} with {stages} stages: single means one stage and no exits"
    if stages > 1 and not {"early-exit", "little-big"} & set(kinds):
        yield f"kinds is {list(kinds)}: {stages} stages want early-exit or little-big among them"
    names = [stage.name for stage in manifest.stages]
    if len(set(names)) != len(names):
        yield f"stages: the names {names} are not unique"
    if "1.0" not in manifest.ratios:
        yield f"ratios is {list(manifest.ratios)}: wants the full width 1.0 among them"
    if len(manifest.golden.wide) != stages:
        yield f"golden.wide has {len(manifest.golden.wide)} values: wants {stages}, one per stage"


def _file_problems(manifest: Manifest) -> Iterator[str]:
    wanted = {f"stages[{i}].file": stage.file for i, stage in enumerate(manifest.stages)}
    wanted["golden.file"] = manifest.golden.file
    if manifest.samples:
        wanted["samples.file"] = manifest.samples.file
    for key, name in wanted.items():
        if name not in manifest.files:
            yield f"{key} is {name!r}: wants a name that stands in files"
    if "manifest.json" in manifest.files:
        yield "files names manifest.json: it cannot hold its own hash"


def _stage_problems(manifest: Manifest, stage: Stage, before: Stage | None) -> Iterator[str]:
    yield from _input_problems(stage, before)
    yield from _head_problems(stage.scores, len(manifest.labels))
    scales = {f"input.tensors[{i}]": (t.dtype, t.scale) for i, t in enumerate(stage.input.tensors)}
    scales["scores"] = stage.scores.dtype, stage.scores.scale
    for key, (dtype, scale) in scales.items():
        if (dtype == "float32") != (scale == 0):
            yield f"{key}.scale is {scale} for {dtype}: wants 0 for float32 and for nothing else"
        if 0 < scale < _LEAST_SCALE:
            yield f"{key}.scale is {scale}: wants {_LEAST_SCALE} at least"
    if stage.macs != sum(op.macs for op in stage.ops):
        yield f"macs is {stage.macs}, its ops add up to {sum(op.macs for op in stage.ops)}"
    if stage.file in manifest.files and stage.bytes != manifest.files[stage.file].bytes:
        yield f"bytes is {stage.bytes}, files says {manifest.files[stage.file].bytes}"


def _input_problems(stage: Stage, before: Stage | None) -> Iterator[str]:
    given = len(before.features) if before else 0
    if stage.input.reads == "frame":
        if stage.input.preprocess is None:
            yield "input.preprocess is null: wants one, the stage reads the frame"
        if len(stage.input.tensors) != 1:
            yield f"input.tensors has {len(stage.input.tensors)}: a frame fills one"
        if given:
            yield f"input.from is frame, but the stage before hands on {given} features"
    elif before is None:
        yield "input.from is previous: wants frame, no stage is before it"
    else:
        if stage.input.preprocess is not None:
            yield "input.preprocess wants null: only a frame is preprocessed"
        if len(stage.input.tensors) != given:
            yield (
                f"input.tensors has {len(stage.input.tensors)}, the stage before hands on {given}"
            )
    yield from _preprocess_problems(stage)


def _preprocess_problems(stage: Stage) -> Iterator[str]:
    preprocess, shape = stage.input.preprocess, stage.input.frame_shape
    if preprocess is None:
        return
    channels = shape[-1] if shape else 1
    for key, values in (("mean", preprocess.mean), ("std", preprocess.std)):
        if len(values) not in (1, channels):
            yield f"input.preprocess.{key} has {len(values)} values: wants 1 or {channels}"
    if len(shape) != 3 and (preprocess.resize != "none" or preprocess.layout == "NCHW"):
        yield f"input.preprocess resizes or transposes, which wants [H, W, C], not {list(shape)}"


def _head_problems(scores: Scores, labels: int) -> Iterator[str]:
    if scores.classes - scores.label_offset != labels:
        yield (
            f"scores.classes is {scores.classes} with label_offset {scores.label_offset}: wants "
            f"{labels} more than the offset, one per label"
        )


def _ratio_problems(manifest: Manifest) -> Iterator[str]:
    known = set(manifest.ratios)
    if known - set(manifest.thresholds):
        yield f"thresholds lacks the ratios {sorted(known - set(manifest.thresholds))}"
    by_ratio = {
        "thresholds": manifest.thresholds,
        "predictor": manifest.predictor,
        "leaving": manifest.leaving,
        "calibration": manifest.calibration,
    }
    for key, keyed in by_ratio.items():
        if set(keyed or ()) - known:
            yield f"{key} has {sorted(set(keyed or ()) - known)}: wants ratios that ratios lists"
    for ratio, thresholds in manifest.thresholds.items():
        for problem in _threshold_problems(manifest, thresholds):
            yield f"thresholds.{ratio}.{problem}"
    for ratio, calibration in (manifest.calibration or {}).items():
        for problem in _calibration_problems(calibration, len(manifest.stages)):
            yield f"calibration.{ratio}.{problem}"


def _prunable_problems(manifest: Manifest) -> Iterator[str]:
    prunable = manifest.prunable
    if (prunable is None) == ("prunable" in manifest.kinds):
        yield f"prunable is {prunable and prunable.format}, kinds is {list(manifest.kinds)}"
    given = {FULL_RATIO, *(prunable.ratios if prunable else ())}
    if given != set(manifest.ratios):
        yield f"ratios is {list(manifest.ratios)}: wants 1.0 and those of prunable, {sorted(given)}"
    if prunable is None:
        return
    for ratio, spec in prunable.ratios.items():
        for problem in _ratio_stage_problems(manifest, prunable, spec):
            yield f"prunable.ratios.{ratio}.{problem}"


def _ratio_stage_problems(manifest: Manifest, prunable: Prunable, spec: RatioSpec) -> Iterator[str]:
    channels = [group.channels for group in prunable.groups]
    if len(spec.keep) != len(channels) or any(map(int.__gt__, spec.keep, channels)):
        yield f"keep is {list(spec.keep)}: wants one count per group, at most {channels}"
    if len(spec.stages) != len(manifest.stages):
        yield f"stages has {len(spec.stages)}: wants {len(manifest.stages)}"
        return
    for index, (own, stage) in enumerate(zip(spec.stages, manifest.stages, strict=True)):
        if own.macs != _macs(own):
            yield f"stages[{index}].macs is {own.macs}, its ops add up to {_macs(own)}"
        if [t.dtype for t in own.tensors] != [t.dtype for t in stage.input.tensors]:
            yield f"stages[{index}].tensors are other ones than at full width"


def _macs(stage: RatioStage) -> int:
    return sum(op.macs for op in stage.ops)


def _threshold_problems(manifest: Manifest, thresholds: Thresholds) -> Iterator[str]:
    wanted = len(manifest.stages) - 1
    if thresholds.temperatures is not None and len(thresholds.temperatures) != wanted + 1:
        yield f"temperatures has {len(thresholds.temperatures)}: wants {wanted + 1}, one per stage"
    if len(thresholds.values) != wanted:
        yield f"values has {len(thresholds.values)}: wants {wanted}, one per stage but the last"
        return
    for index, (value, stage) in enumerate(zip(thresholds.values, manifest.stages, strict=False)):
        numbers = value if isinstance(value, tuple) else (value,)
        if isinstance(value, tuple) and len(value) != len(manifest.labels):
            yield f"values[{index}] has {len(value)}: wants one per label, {len(manifest.labels)}"
        in_lsb = thresholds.criterion != "entropy" and stage.scores.dtype != "float32"
        if in_lsb and not all(isinstance(number, int) for number in numbers):
            yield f"values[{index}] is {value}: wants integers, LSB of the scores"


def _calibration_problems(calibration: Calibration, stages: int) -> Iterator[str]:
    exits = calibration.exits
    if len(exits) != stages:
        yield f"exits has {len(exits)}: wants {stages}, one per stage"
    if sum(exit_.left for exit_ in exits) != calibration.inputs:
        yield f"exits were left by {sum(exit_.left for exit_ in exits)} of {calibration.inputs}"
    if calibration.right > calibration.inputs:
        yield f"right is {calibration.right} of {calibration.inputs}"
    for index, exit_ in enumerate(exits):
        if len(exit_.counts) != len(exit_.edges) + 1 or sum(exit_.counts) != exit_.left:
            yield (
                f"exits[{index}].counts has {len(exit_.counts)} that add up to "
                f"{sum(exit_.counts)}: wants {len(exit_.edges) + 1} and {exit_.left}"
            )
        if list(exit_.edges) != sorted(set(exit_.edges)):
            yield f"exits[{index}].edges do not rise"

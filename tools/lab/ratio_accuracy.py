"""One pruning ratio of a bundle by itself: as a plain bundle, and how large it would be."""

from dataclasses import replace
from pathlib import Path

from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.redraft import redraft


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
    plain = replace(
        draft,
        kinds=kinds or ("single",),
        stages=stages,
        ratios=(FULL_RATIO,),
        thresholds={FULL_RATIO: manifest.thresholds[ratio]},
        predictor=None if predictor is None else {FULL_RATIO: predictor},
        prunable=None,
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

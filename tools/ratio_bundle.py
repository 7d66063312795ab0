"""One pruning ratio of a bundle as a plain bundle, for everything that knows no ratios."""

from dataclasses import replace
from pathlib import Path

from models_tflite import Bundle
from models_tflite.build import write_bundle
from models_tflite.manifest import FULL_RATIO
from models_tflite.redraft import redraft


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

"""The cost of a plan: measured where there is an exit to predict, none on a single stage."""

import dataclasses

from models_tflite import Bundle, open_backend, open_bundle
from tools.bench.plan import plan_us


def first_stage_alone(bundle: Bundle) -> Bundle:
    manifest = bundle.manifest
    thresholds = {
        ratio: dataclasses.replace(chosen, values=())
        for ratio, chosen in manifest.thresholds.items()
    }
    single = dataclasses.replace(manifest, stages=manifest.stages[:1], thresholds=thresholds)
    return dataclasses.replace(bundle, manifest=single)


def test_every_run_is_timed() -> None:
    found = plan_us(open_bundle("digits-early-exit"), open_backend(), 120)
    assert found is not None
    assert found.shape == (120,)
    assert (found > 0).all()


def test_a_single_stage_has_no_plan_on_its_path() -> None:
    bundle = first_stage_alone(open_bundle("digits-early-exit"))
    assert bundle.manifest.predictor is not None
    assert plan_us(bundle, open_backend(), 10) is None

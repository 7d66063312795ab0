"""The cost of a plan: measured where there is an exit to predict, none on a single stage."""

import dataclasses
from pathlib import Path

import pytest
from tests.fakes.prunable_bundles import write_prunable_bundle, write_telling_bundle

from edge_infer.lab.bench import joint_plan_us, plan_us
from edge_infer.models_tflite import Bundle, open_backend, open_bundle


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


@pytest.mark.parametrize("stages", [1, 3])
def test_a_joint_plan_is_timed_with_the_choice_of_the_ratio(tmp_path: Path, stages: int) -> None:
    bundle = write_telling_bundle(tmp_path)
    if stages == 1:
        bundle = told_of_the_first(first_stage_alone(bundle))
    found = joint_plan_us(bundle, open_backend(), 120)
    assert found is not None
    assert found.shape == (120,)
    assert (found > 0).all()


def told_of_the_first(bundle: Bundle) -> Bundle:
    name = bundle.manifest.stages[-1].name
    told = {ratio: {"held_back": {name: 80.0}} for ratio in bundle.manifest.ratios}
    manifest = dataclasses.replace(bundle.manifest, provenance={"ratios": told})
    return dataclasses.replace(bundle, manifest=manifest)


def test_without_ratios_to_choose_there_is_no_joint_plan(tmp_path: Path) -> None:
    assert joint_plan_us(open_bundle("digits-early-exit"), open_backend(), 10) is None
    assert joint_plan_us(write_prunable_bundle(tmp_path), open_backend(), 10) is None


def test_a_single_stage_has_no_plan_on_its_path() -> None:
    bundle = first_stage_alone(open_bundle("digits-early-exit"))
    assert bundle.manifest.predictor is not None
    assert plan_us(bundle, open_backend(), 10) is None

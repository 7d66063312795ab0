"""What the committed prunable bundles say of themselves, against what they are."""

import pytest

from edge_infer.lab.reproduce.all_in_one import byte_sizes
from edge_infer.lab.train.prunable.spacing import ratios_of
from edge_infer.lab.train.prunable.widths import works_at
from edge_infer.lab.train.recipe import read_recipe, recipe_names
from edge_infer.lab.tuning import LossTest
from edge_infer.models_tflite import open_bundle

BUNDLES = [name for name in recipe_names() if read_recipe(name).kind == "prunable"]


def test_both_are_there() -> None:
    assert set(BUNDLES) == {"cifar10-prunable", "cifar10-all-in-one"}
    assert open_bundle("cifar10-prunable").manifest.kinds == ("single", "prunable")
    assert open_bundle("cifar10-all-in-one").manifest.kinds == ("early-exit", "prunable")


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_names_the_recipe_that_makes_it(name: str) -> None:
    manifest, recipe = open_bundle(name).manifest, read_recipe(name)
    told = manifest.provenance
    assert told["recipe"] == {"name": recipe.name, "version": recipe.version}
    assert told["seed"] == recipe.training.seed and told["data"] == recipe.data.credit
    assert [phase["epochs"] for phase in told["phases"]] == [p.epochs for p in recipe.phases]
    assert recipe.prunable is not None
    assert list(told["prunable"]["boards"]) == list(recipe.prunable.boards)
    assert set(told["ratios"]) == set(manifest.ratios) and len(manifest.ratios) >= 7
    assert manifest.samples is None, "CIFAR-10 may not be redistributed"


@pytest.mark.parametrize("name", BUNDLES)
def test_the_ratios_are_those_of_the_recipe(name: str) -> None:
    """The converted operators are those of the widths that it states."""
    manifest, recipe = open_bundle(name).manifest, read_recipe(name)
    height, width, channels = manifest.stages[0].input.frame_shape
    shape = height, width, channels
    ratios = ratios_of(recipe, shape, 10)
    assert [ratio.name for ratio in ratios] == list(manifest.ratios)
    for ratio in ratios:
        works = works_at(recipe.net, ratio.widths, shape, 10)
        for stage, work in zip(manifest.stages_at(ratio.name), works, strict=True):
            assert sorted(tuple(op) for op in stage.ops) == sorted(tuple(op) for op in work.ops)


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_is_small_and_its_auxiliaries_are(name: str) -> None:
    bundle = open_bundle(name)
    assert sum(info.bytes for info in bundle.manifest.files.values()) < 3_000_000
    sizes = byte_sizes(bundle)
    assert sizes["auxiliary_percent_of_weights"] <= 5
    assert sizes["file_percent_of_full_width"] <= 109


@pytest.mark.parametrize("name", BUNDLES)
def test_one_weight_set_is_as_right_as_the_float_nets(name: str) -> None:
    """Each ratio of the one file lies within 0.3 points of its own float net, or above it."""
    manifest = open_bundle(name).manifest
    last = manifest.stages[-1].name
    told = manifest.provenance["ratios"]
    behind = [net["float_test"][last] - net["test"][last] for net in told.values()]
    assert max(behind) <= 0.3
    accuracy = [net["test"][last] for net in told.values()]
    assert accuracy[0] - accuracy[-1] > 2, "narrower nets know less"


def test_thresholds_and_predictors_of_every_ratio_keep_the_promise() -> None:
    manifest = open_bundle("cifar10-all-in-one").manifest
    assert manifest.predictor is not None
    for ratio in manifest.ratios:
        told = manifest.provenance["ratios"][ratio]
        if "adaptive" not in told:
            assert ratio not in manifest.predictor, "it does not pay to leave early"
            continue
        assert ratio in manifest.predictor
        chosen = manifest.thresholds[ratio].chosen_on
        assert chosen.allowed_loss_points is not None and chosen.confidence is not None
        test = LossTest(chosen.samples, chosen.allowed_loss_points / 100, chosen.confidence)
        assert test.accepts(told["adaptive"]["harmed"], told["adaptive"]["helped"])
    assert "adaptive" in manifest.provenance["ratios"]["1.0"]

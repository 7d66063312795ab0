"""What the committed bundles say of themselves, against what they do."""

import numpy as np
import pytest

from edge_infer.lab.train.recipe import read_recipe, recipe_names
from edge_infer.lab.train.scores import outcomes
from edge_infer.lab.tuning import LossTest
from edge_infer.models_tflite import load_stages, open_backend, open_bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph

BUNDLES = [name for name in recipe_names() if read_recipe(name).kind != "prunable"]
ADAPTIVE = [name for name in BUNDLES if read_recipe(name).kind != "single"]
DIGITS = ("digits-early-exit", "digits-little-big")
PLAIN_OPS = {
    "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED", "MAX_POOL_2D", "RESHAPE",
}  # fmt: skip
"""Listed as supported by TFLite Micro and by the Edge TPU compiler."""


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_names_the_recipe_that_makes_it(name: str) -> None:
    manifest, recipe = open_bundle(name).manifest, read_recipe(name)
    told = manifest.provenance
    assert told["recipe"] == {"name": recipe.name, "version": recipe.version}
    assert told["seed"] == recipe.training.seed and told["data"] == recipe.data.credit
    assert [phase["epochs"] for phase in told["phases"]] == [p.epochs for p in recipe.phases]
    assert set(told["nets"]) == {part.name for part in recipe.exits}
    assert manifest.kinds == (recipe.kind,)
    assert told["images"]["held_back"] == recipe.data.held_back


@pytest.mark.parametrize("name", ADAPTIVE)
def test_an_adaptive_bundle_keeps_what_its_recipe_promises(name: str) -> None:
    manifest, recipe = open_bundle(name).manifest, read_recipe(name)
    assert {stage.name for stage in manifest.stages} <= set(manifest.provenance["nets"])
    chosen = manifest.thresholds["1.0"].chosen_on
    assert chosen.allowed_loss_points == 100 * recipe.loss_bound.loss
    # `tune` learns its path on a part of them and tests on the rest.
    assert recipe.data.held_back // 2 < chosen.samples <= recipe.data.held_back


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_is_plain_int8(name: str) -> None:
    bundle = open_bundle(name)
    for index, stage in enumerate(bundle.manifest.stages):
        graph = Graph(bundle.stage_model(index))
        assert {node.op for node in graph.nodes} <= PLAIN_OPS
        assert stage.scores.kind == "logits" and stage.scores.dtype == "int8"
        for node in graph.nodes:
            if node.op == "FULLY_CONNECTED":
                assert len(graph.tensors[node.inputs[1]].scales) == 1, "per-channel weights"


@pytest.mark.parametrize("name", BUNDLES)
def test_no_images_travel_that_may_not(name: str) -> None:
    assert (open_bundle(name).manifest.samples is not None) == read_recipe(name).data.redistribute


def test_the_bundles_are_small() -> None:
    sizes = [info.bytes for name in BUNDLES for info in open_bundle(name).manifest.files.values()]
    assert sum(sizes) < 10_000_000


@pytest.mark.parametrize("name", DIGITS)
def test_the_digits_bundles_answer_as_their_manifest_says(name: str) -> None:
    bundle = open_bundle(name)
    samples = bundle.samples()
    assert samples is not None
    frames, labels = samples
    assert len(labels) >= 360 and np.bincount(labels).min() >= 36
    stages = load_stages(bundle, open_backend())
    found = run_all(stages, frames)
    told = bundle.manifest.provenance
    for stage, rows in zip(stages, found, strict=True):
        # Kernels of another processor may move the last bit, and with it one answer in 450.
        reached = 100 * float((rows.argmax(1) == labels).mean())
        assert reached == pytest.approx(told["nets"][stage.spec.name]["test"], abs=0.5)
    assert told["nets"][stages[-1].spec.name]["test"] >= 98
    values = tuple(float(v) for v in bundle.manifest.thresholds["1.0"].values)  # type: ignore[arg-type]
    judged = outcomes(found, labels)
    adaptive = judged.right[judged.exits(values), np.arange(len(labels))].mean()
    assert 100 * adaptive == pytest.approx(told["adaptive"]["test"], abs=0.5)
    shares = judged.shares(values)
    assert 100 * np.array(shares) == pytest.approx(
        list(told["adaptive"]["test_shares"].values()), abs=1.5
    )
    assert shares[0] < 0.97 and min(shares) > 0.01, "an adaptive net that always leaves is none"


@pytest.mark.parametrize("name", ADAPTIVE)
def test_the_promise_that_is_written_is_the_one_that_was_kept(name: str) -> None:
    manifest = open_bundle(name).manifest
    chosen = manifest.thresholds["1.0"].chosen_on
    assert chosen.allowed_loss_points is not None and chosen.confidence is not None
    tuned = manifest.provenance["tuning"]["adaptive"]
    test = LossTest(chosen.samples, chosen.allowed_loss_points / 100, chosen.confidence)
    assert test.accepts(tuned["harmed"], tuned["helped"])

"""Training, resuming and exporting a tiny net. Needs the `train` extra."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.bars import bar_splits

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.recipe import Recipe, parse_recipe
from edge_infer.lab.train.scores import accuracy, score, score_splits
from edge_infer.lab.train.trained_bundle import make_bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.graph import Graph

pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install 'edge-infer[train]'")

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own, at import and export

RECIPE = """
name = "bars"
version = "1.0.0"
kind = "early-exit"
description = "Upright or flat?"
[data]
source = "none"
credit = "synthetic"
license = "none"
held_back = 60
peak = 200
[net]
builder = "early-exit"
stages = [[{ conv = 4 }], [{ conv = 8, pool = 2 }, { residual_of = 8 }]]
heads = [[], []]
[training]
batch = 20
seed = 1
[[phases]]
epochs = 4
learning_rate = 0.05
[[exits]]
name = "near"
weight = 0.5
distill = 0.5
[[exits]]
name = "far"
[promise]
allowed_loss_points = 5.0
confidence = 0.95
"""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return parse_recipe(RECIPE, "bars.toml")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return bar_splits()


@pytest.fixture(scope="module")
def model(recipe: Recipe, splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    from edge_infer.lab.train.pipeline import train_model

    return train_model(recipe, splits, 2, tmp_path_factory.mktemp("work"))


def test_the_export_is_int8_with_named_logits(model: bytes) -> None:
    graph = Graph(model)
    assert {"near", "far"} <= set(graph.output_names())
    ends = [graph.tensors[index] for index in (*graph.inputs, *graph.outputs)]
    assert [tensor.dtype for tensor in ends] == ["int8"] * 3
    assert ends[0].zero_point == -128 and ends[0].scale == pytest.approx(1 / 255, rel=1e-5)
    operators = {node.op for node in graph.nodes}
    assert operators == {"CONV_2D", "MAX_POOL_2D", "ADD", "MEAN", "FULLY_CONNECTED"}
    for node in graph.nodes:
        if node.op == "FULLY_CONNECTED":
            assert len(graph.tensors[node.inputs[1]].scales) == 1
    assert [part.reads for part in cut(model, ["near", "far"])] == ["frame", "previous"]


def test_the_names_stand_for_the_right_outputs(model: bytes, splits: Splits) -> None:
    near, far = score(model, ["near", "far"], splits.test.images, 200, open_backend())
    assert accuracy(far, splits.test.labels) > 0.9
    swapped = score(model, ["far", "near"], splits.test.images, 200, open_backend())
    assert (swapped[0] == far).all() and (swapped[1] == near).all()
    nodes = [len(Graph(cut(model, [name])[0].model).nodes) for name in ("near", "far")]
    assert nodes[0] < nodes[1], "the near exit is the one with fewer operators before it"


def test_a_run_cut_short_goes_on_where_it_stood(
    recipe: Recipe, splits: Splits, tmp_path: Path
) -> None:
    from edge_infer.lab.train import loop
    from edge_infer.lab.train.nets import build_net

    def trainer(folder: str) -> "loop.Trainer":
        net = build_net(recipe.net, (6, 6, 1), 2, ["near", "far"])
        return loop.Trainer(net, recipe, 0, tmp_path / folder)

    class CutShortError(Exception):
        pass

    def die(sentence: str) -> None:
        raise CutShortError

    with pytest.raises(CutShortError):
        trainer("a").run(splits.train, splits.held_back, die)
    told: list[str] = []
    trainer("a").run(splits.train, splits.held_back, told.append)
    assert [line.split(":")[0] for line in told] == ["epoch 2/4", "epoch 3/4", "epoch 4/4"]
    told.clear()
    trainer("a").run(splits.train, splits.held_back, told.append)
    assert told == []


def test_the_learning_rate_rises_then_falls_to_zero(recipe: Recipe) -> None:
    from edge_infer.lab.train.loop import learning_rate_at

    phase = dataclasses.replace(recipe.phases[0], epochs=11)
    rates = [learning_rate_at(k, phase) for k in range(12)]
    assert rates[0] == pytest.approx(0.0005) and rates[1] == 0.05
    assert rates[6] == pytest.approx(0.025) and rates[11] == pytest.approx(0)
    assert rates[1:] == sorted(rates[1:], reverse=True)


def test_distillation_pulls_an_exit_towards_the_last_and_never_the_last_itself(
    recipe: Recipe,
) -> None:
    import tensorflow as tf

    from edge_infer.lab.train.loop import joint_loss

    near, far = tf.Variable([[0.0, 0.0]]), tf.Variable([[3.0, -3.0]])
    taught = [dataclasses.replace(recipe.exits[0], distill=1.0, weight=2.0), recipe.exits[1]]
    goal = tf.constant([[1.0, 0.0]])
    with tf.GradientTape(persistent=True) as tape:
        both = joint_loss([near, far], goal, tuple(taught))
        alone = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(goal, far))
        same = joint_loss([far, far], goal, tuple(taught))
    assert tape.gradient(both, near).numpy()[0, 0] < 0 < tape.gradient(both, near).numpy()[0, 1]
    assert np.allclose(tape.gradient(both, far), tape.gradient(alone, far))
    assert float(same) == pytest.approx(float(alone), abs=1e-5)  # KL of equals is zero


def test_a_phase_may_change_the_weight_of_all_exits_but_the_last(recipe: Recipe) -> None:
    from edge_infer.lab.train.loop import exits_of

    phase = dataclasses.replace(recipe.phases[0], exit_weight=0.8)
    assert [part.weight for part in exits_of(recipe, phase)] == [0.8, 1.0]
    assert exits_of(recipe, recipe.phases[0]) == recipe.exits


LITTLE_BIG = (
    RECIPE.partition("[net]")[0].replace("early-exit", "little-big")
    + """
[net]
builder = "branches"
branches = [[{ conv = 4 }], [{ conv = 8 }], [{ conv = 8 }, { residual_of = 8 }]]
[training]
batch = 20
seed = 1
[[phases]]
epochs = 2
learning_rate = 0.05
[[phases]]
epochs = 3
learning_rate = 0.05
learns = ["little"]
[[exits]]
name = "little"
little = true
distill = 0.5
[[exits]]
name = "middle"
[[exits]]
name = "big"
[promise]
allowed_loss_points = 5.0
confidence = 0.95
"""
)


def test_littles_go_on_alone_and_the_bigs_stand_still(splits: Splits, tmp_path: Path) -> None:
    import keras

    from edge_infer.lab.train import loop
    from edge_infer.lab.train.nets import build_net

    recipe = parse_recipe(LITTLE_BIG, "pair.toml")
    alone = loop.exits_of(recipe, recipe.phases[1])
    assert [part.weight for part in alone] == [1.0, 0.0, 0.0]
    net = build_net(recipe.net, (6, 6, 1), 2, ["little", "middle", "big"])
    loop.Trainer(net, recipe, 0, tmp_path / "0").run(splits.train, splits.held_back)

    def weights() -> list[list[bytes]]:
        parts = [keras.Model(net.inputs, output) for output in net.outputs]
        return [[array.tobytes() for array in part.get_weights()] for part in parts]

    before = weights()
    loop.Trainer(net, recipe, 1, tmp_path / "1").run(splits.train, splits.held_back)
    after = weights()
    assert after[1:] == before[1:], "weights and moving statistics of both bigs"
    assert all(new != old for new, old in zip(after[0], before[0], strict=True))


def test_a_single_net_s_bundle_tells_probabilities(splits: Splits, tmp_path: Path) -> None:
    from edge_infer.lab.train.pipeline import train_model

    one = RECIPE.replace('"early-exit"\ndesc', '"single"\ndesc')
    one = one.replace("heads = [[], []]", "heads = [[]]")
    one = re.sub(r"stages = .*", "stages = [[{ conv = 4 }, { conv = 8, pool = 2 }]]", one)
    one = re.sub(r'\[\[exits\]\]\nname = "near".*?(?=\[\[exits\]\])', "", one, flags=re.S)
    one = re.sub(r"\[promise\].*", "", one, flags=re.S)
    recipe = parse_recipe(one, "bars.toml")
    model = train_model(recipe, splits, 2, tmp_path / "work")
    scored = score_splits(model, recipe, splits)
    bundle = make_bundle(tmp_path / "bars", model, recipe, ("flat", "upright"), splits, scored)
    (temperature,) = bundle.manifest.thresholds["1.0"].temperatures or ()
    assert temperature > 0 and bundle.manifest.calibration is not None

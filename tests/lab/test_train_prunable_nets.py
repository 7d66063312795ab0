"""Families of nets: groups, order, slices, training, parameters. Needs the `train` extra."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.bars import bar_splits

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.recipe import Recipe, parse_recipe
from edge_infer.lab.train.scores import accuracy, score
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.prunable import own_constants, pack_ratio

pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install 'edge-infer[train]'")

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own, at import and export

RECIPE = """
name = "bars"
version = "1.0.0"
kind = "prunable"
description = "Upright or flat?"
[data]
source = "none"
credit = "synthetic"
license = "none"
held_back = 60
peak = 200
[net]
builder = "early-exit"
stages = [[{ conv = 32 }], [{ conv = 48 }, { residual_of = 48 }]]
heads = [[], []]
[prunable]
boards = ["sim:raspberry-pi-5"]
[training]
batch = 20
seed = 1
[[phases]]
epochs = 6
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
EXITS = ["near", "far"]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return parse_recipe(RECIPE, "bars.toml")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return bar_splits()


@pytest.fixture(scope="module")
def nets(recipe: Recipe, splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from edge_infer.lab.train.prunable.training import train_family

    return train_family(recipe, splits, 2, tmp_path_factory.mktemp("work"))


def small_net(recipe: Recipe, splits: Splits) -> Any:
    from edge_infer.lab.train.prunable.training import builder

    build, _ = builder(recipe, splits, 2)
    return build("1.0")


def shaken(net: Any) -> Any:
    """Give a net random weights, normalisations and statistics."""
    rng = np.random.default_rng(3)
    net.set_weights([rng.uniform(0.5, 1.5, w.shape) * (w + 0.1) for w in net.get_weights()])
    return net


def test_channels_that_an_addition_ties_are_one_group(recipe: Recipe, splits: Splits) -> None:
    from edge_infer.lab.train.prunable.channels import follow

    groups = follow(small_net(recipe, splits))
    assert sorted(groups.sizes.values()) == [32, 48, 48]
    outer = [name for name in groups.sizes if len(groups.norms(name)) == 2]
    assert len(outer) == 1, "the convolution before the block and the second one inside it"


def test_another_order_of_channels_computes_the_same(recipe: Recipe, splits: Splits) -> None:
    from edge_infer.lab.train.prunable.channels import follow, reorder

    net = shaken(small_net(recipe, splits))
    frames = splits.test.images[:8].astype(np.float32) / 200
    before = [x.numpy() for x in net(frames, training=False)]
    kernels = [w.copy() for w in net.get_weights()]
    groups = follow(net)
    rng = np.random.default_rng(5)
    reorder(groups, {name: rng.permutation(size) for name, size in groups.sizes.items()})
    assert any((a != b).any() for a, b in zip(kernels, net.get_weights(), strict=True))
    for old, new in zip(before, net(frames, training=False), strict=True):
        np.testing.assert_allclose(new.numpy(), old, rtol=1e-4, atol=1e-5)


def test_a_mask_is_folded_without_a_change_and_orders_by_its_size(
    recipe: Recipe, splits: Splits
) -> None:
    from edge_infer.lab.train.prunable.channels import SoftMask, follow

    net = shaken(small_net(recipe, splits))
    groups = follow(net)
    mask = SoftMask(net, groups)
    rng = np.random.default_rng(1)
    for factor in mask.factors.values():
        factor.assign(rng.uniform(0.2, 2, factor.shape).astype(np.float32))
    frames = splits.test.images[:8].astype(np.float32) / 200
    states = [v.value for v in net.non_trainable_variables]
    masked, _ = net.stateless_call(mask.masked(), states, frames, training=False)
    order = mask.order("learned", 0)
    mask.fold()
    for new, old in zip(net(frames, training=False), masked, strict=True):
        np.testing.assert_allclose(new.numpy(), old.numpy(), rtol=1e-5)
    for name, factor in mask.factors.items():
        assert (np.diff(factor.numpy()[order[name]]) <= 0).all()
    assert any((mask.order("arbitrary", 0)[n] != order[n]).any() for n in order)


def test_ratios_share_kernels_and_have_statistics_of_their_own(nets: Any) -> None:
    full, *narrow = nets.values()
    assert len(narrow) >= 2
    for net in narrow:
        own = False
        for small, whole in zip(net.variables, full.variables, strict=True):
            part = whole.numpy()[tuple(slice(n) for n in small.shape)]
            if len(small.shape) > 1:
                assert (small.numpy() == part).all()
            else:
                own |= bool((small.numpy() != part).any())
        assert own


def test_a_ratio_pulls_at_the_shared_kernels_with_its_share(recipe: Recipe, splits: Splits) -> None:
    import tensorflow as tf

    from edge_infer.lab.train.prunable.family import Family
    from edge_infer.lab.train.prunable.training import builder

    build, names = builder(recipe, splits, 2)
    family = Family(build, [names[0], names[-1]])
    frames = splits.train.images[:8].astype(np.float32) / 200
    narrow = family.nets[names[-1]].trainable_variables
    own = [variable for variable in narrow if len(variable.shape) == 1]
    shared = [v for v in family.full.trainable_variables if len(v.shape) > 1]

    def gradients(pull: float) -> tuple[list[Any], list[Any]]:
        with tf.GradientTape() as tape:
            near, far = family.run(names[-1], frames, pull=pull)
            loss = tf.reduce_sum(near[:, 0]) + tf.reduce_sum(far[:, 1])
        return tape.gradient(loss, (shared, own))  # type: ignore[no-any-return]

    (whole, all_of_own), (part, own_again) = gradients(1.0), gradients(0.25)
    for mine, full in zip(part, whole, strict=True):
        np.testing.assert_allclose(mine, 0.25 * full, rtol=1e-4, atol=1e-6)
    for mine, full in zip(own_again, all_of_own, strict=True):
        np.testing.assert_allclose(mine, full, rtol=1e-4, atol=1e-6)
    assert any(np.abs(gradient).max() > 1e-3 for gradient in part)


@pytest.mark.parametrize("between", [1, 2])
def test_a_step_trains_the_ends_and_some_between(
    recipe: Recipe, splits: Splits, tmp_path: Path, between: int
) -> None:
    import dataclasses

    from edge_infer.lab.train.prunable.family import Family
    from edge_infer.lab.train.prunable.sandwich import SandwichTrainer
    from edge_infer.lab.train.prunable.training import builder

    assert recipe.prunable is not None
    one_step = dataclasses.replace(
        recipe,
        prunable=dataclasses.replace(recipe.prunable, between=between),
        training=dataclasses.replace(recipe.training, batch=len(splits.train)),
        phases=(dataclasses.replace(recipe.phases[0], epochs=1, warmup_epochs=0),),
    )
    build, names = builder(recipe, splits, 2)
    family = Family(build, names)
    SandwichTrainer(family, one_step, tmp_path).train(splits.train)
    moved = [
        any(v.numpy().any() for v in net.trainable_variables if v.path.endswith("beta"))
        for net in family.nets.values()
    ]
    assert len(names) == 4 and moved[0] and moved[-1] and sum(moved) == 2 + between


def test_all_ratios_learn(nets: Any, recipe: Recipe, splits: Splits) -> None:
    from edge_infer.lab.train.loop import accuracies

    for net in nets.values():
        assert accuracies(net, splits.test, 200)[-1] > 0.8


def test_what_was_trained_is_taken_again(recipe: Recipe, splits: Splits, tmp_path: Path) -> None:
    import dataclasses

    from edge_infer.lab.train.prunable.training import train_alone, train_family

    short = dataclasses.replace(recipe, phases=(dataclasses.replace(recipe.phases[0], epochs=2),))
    nets = train_family(short, splits, 2, tmp_path / "a", "magnitude")
    again = train_family(short, splits, 2, tmp_path / "a", "magnitude")
    for old, new in zip(nets.values(), again.values(), strict=True):
        for before, after in zip(old.get_weights(), new.get_weights(), strict=True):
            assert (before == after).all()
    names = [*list(nets)[:2], list(nets)[-1]]
    alone = train_alone(short, splits, 2, tmp_path / "b", names)
    assert list(alone) == names
    kernels = [net.get_weights()[0] for net in alone.values()]
    assert (kernels[-1] != kernels[0][..., : kernels[-1].shape[-1]]).any(), "nothing is shared"


@pytest.mark.parametrize("negative", [False, True])
def test_one_weight_set_answers_as_each_ratio_converted_alone(
    nets: Any, recipe: Recipe, splits: Splits, negative: bool
) -> None:
    import keras

    from edge_infer.lab.train.pipeline import calibration_images, quantise
    from edge_infer.lab.train.prunable.conversion import ratio_parameters

    full, name = nets["1.0"], list(nets)[-1]
    narrow = keras.models.clone_model(nets[name])
    narrow.set_weights(nets[name].get_weights())
    if negative:
        norms = [x for x in narrow.layers if isinstance(x, keras.layers.BatchNormalization)]
        norms[1].gamma.assign(-norms[1].gamma)
    frames = calibration_images(splits.train, 200, 1)
    model = own_constants(quantise(full, EXITS, frames))
    own = quantise(narrow, EXITS, frames)
    parameters = ratio_parameters(model, full, own, narrow, name, EXITS)
    flipped = sum(int((signs < 0).sum()) for signs in parameters.signs.values())
    assert (flipped > 0) == negative
    shared = pack_ratio(model, parameters)
    answers = [
        score(file, EXITS, splits.test.images, 200, open_backend()) for file in (shared, own)
    ]
    for mine, theirs in zip(*answers, strict=True):
        assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 12
        assert (mine.argmax(1) == theirs.argmax(1)).mean() >= 0.97
    if not negative:
        assert accuracy(answers[0][-1], splits.test.labels) > 0.8


def test_heads_are_learned_on_a_trunk_that_stands_still(
    recipe: Recipe, splits: Splits, tmp_path: Path
) -> None:
    import dataclasses

    from edge_infer.lab.train.prunable.prunable_bundle import trained_nets

    far = RECIPE[RECIPE.index('[[exits]]\nname = "far"') :]
    one_exit = RECIPE[: RECIPE.index("[[exits]]")] + far
    one_exit = one_exit.replace("{ conv = 32 }], [{", "{ conv = 32 }, {").replace(
        "heads = [[], []]", "heads = [[]]"
    )
    (tmp_path / "trunk.toml").write_text(one_exit.replace("epochs = 6", "epochs = 3"))
    with_trunk = RECIPE.replace("[prunable]\n", f'[prunable]\ntrunk = "{tmp_path}/trunk.toml"\n')
    with_heads = parse_recipe(
        with_trunk.replace("heads = [[], []]", "heads = [[{ conv = 16 }], []]"), "h"
    )
    nets = trained_nets(with_heads, splits, 2, tmp_path)
    with np.load(tmp_path / "trunk" / "nets.npz") as trunk:
        kernels = {key: trunk[key] for key in trunk.files}
    frames = splits.test.images.astype(np.float32) / 200
    for name, net in nets.items():
        trained = [v for k, v in kernels.items() if k.startswith(f"{name}/") and v.ndim > 1]
        for kernel in trained:
            assert any(np.array_equal(kernel, own) for own in net.get_weights())
        near, _ = (x.numpy() for x in net(frames, training=False))
        assert (near.argmax(1) == splits.test.labels).mean() > 0.6
    other = dataclasses.replace(with_heads, data=dataclasses.replace(recipe.data, held_back=50))
    with pytest.raises(TrainError, match="has other data or another seed"):
        trained_nets(other, splits, 2, tmp_path / "other")

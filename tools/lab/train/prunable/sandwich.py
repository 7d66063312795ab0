"""Training of a family: a mask first, then all ratios together; resumable after every epoch.

Each step trains the full net, the narrowest, and some between drawn at random (the sandwich rule),
and the narrower ones follow the full net's softened answers of the same step (in-place
distillation): J. Yu and T. Huang, ICCV 2019, sections 3.1 and 3.2.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.loop import joint_loss, learning_rate_at, soft_loss
from edge_infer.lab.train.prunable.channels import SoftMask
from edge_infer.lab.train.prunable.family import Family
from edge_infer.lab.train.recipe import PhasePart, PrunablePart, Recipe
from edge_infer.models_tflite.manifest import FULL_RATIO


def taught_loss(
    logits: Sequence[Any], teacher: Any, goal: Any, recipe: Recipe, part: PrunablePart
) -> Any:
    """Weighted sum over the exits of a sub-net; each follows the full net's last answer.

    Args:
        logits: by exit, shape [n, classes].
        teacher: logits of the full net's last exit; it gets no gradient.
        goal: one-hot labels, smoothed or not.
        recipe: weights of the exits.
        part: share of the teacher, and the temperature.
    """
    total = 0.0
    for exit_, scores in zip(recipe.exits, logits, strict=True):
        hard = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(goal, scores))
        soft = soft_loss(scores, teacher, part.temperature)
        total += exit_.weight * ((1 - part.distill) * hard + part.distill * soft)
    return total


class SandwichTrainer:
    """Trains a family by a recipe.

    Args:
        family: sub-nets with shared kernels, or nets of their own.
        recipe: of the kind prunable.
        folder: checkpoints; a later run of the same recipe goes on from them.
        progress: called with each epoch.
    """

    def __init__(
        self, family: Family, recipe: Recipe, folder: Path, progress: Progress = silent
    ) -> None:
        assert recipe.prunable is not None
        self._family = family
        self._recipe = recipe
        self._part = recipe.prunable
        self._folder = folder
        self._progress = progress

    def learn_mask(self, train: Dataset, mask: SoftMask) -> None:
        """Train the full net and its mask together, from the first epoch's rates."""
        full = self._family.full
        variables = [*full.trainable_variables, *mask.factors.values()]
        phase = PhasePart(self._part.mask_epochs + 1, self._recipe.phases[0].learning_rate)

        def loss(images: Any, goal: Any, _: tuple[str, ...]) -> Any:
            logits = self._family.run(FULL_RATIO, images, mask.masked())
            return joint_loss(logits, goal, self._recipe.exits) + (
                self._part.mask_penalty * mask.size()
            )

        run = _Run("mask", phase, loss, variables, [full, *mask.factors.values()])
        self._train(run, train, self._part.mask_epochs, 0, lambda _: (FULL_RATIO,))

    def train(self, train: Dataset, report: Callable[[], str] = str) -> None:
        """Train all ratios through the recipe's phases.

        Args:
            train: the images.
            report: what to say after an epoch, beside the loss.
        """
        names = list(self._family.nets)
        pulls = dict.fromkeys(names, self._part.narrow_weight)
        pulls[names[-1]] = self._part.narrowest_weight
        before = self._part.mask_epochs

        def loss(images: Any, goal: Any, chosen: tuple[str, ...]) -> Any:
            logits = self._family.run(chosen[0], images)
            total = joint_loss(logits, goal, self._recipe.exits)
            for name in chosen[1:]:
                narrow = self._family.run(name, images, pull=pulls[name])
                total += taught_loss(narrow, logits[-1], goal, self._recipe, self._part)
            return total

        def draw(rng: np.random.Generator) -> tuple[str, ...]:
            inner = names[1:-1]
            drawn = rng.choice(len(inner), min(self._part.between, len(inner)), replace=False)
            return (names[0], *(inner[index] for index in sorted(drawn)), names[-1])

        for index, phase in enumerate(self._recipe.phases):
            run = _Run(
                f"phase {index + 1}", phase, loss, self._family.trainable_variables,
                list(self._family.nets.values()),
            )  # fmt: skip
            self._train(run, train, phase.epochs, before, draw, report)
            before += phase.epochs

    def _train(
        self,
        run: "_Run",
        train: Dataset,
        epochs: int,
        before: int,
        draw: Callable[[np.random.Generator], tuple[str, ...]],
        report: Callable[[], str] = str,
    ) -> None:
        optimizer = keras.optimizers.SGD(0.1, self._recipe.training.momentum, nesterov=True)
        optimizer.build(run.variables)
        epoch_done = tf.Variable(0, dtype=tf.int64)
        parts = {f"part{k}": part for k, part in enumerate(run.saved)}
        checkpoint = tf.train.Checkpoint(optimizer=optimizer, epoch=epoch_done, **parts)
        place = self._folder / run.name.replace(" ", "-")
        checkpoints = tf.train.CheckpointManager(checkpoint, str(place), max_to_keep=1)
        checkpoint.restore(checkpoints.latest_checkpoint)
        step = self._step(run, optimizer)
        while (epoch := int(epoch_done.numpy())) < epochs:
            start = time.monotonic()
            loss = self._epoch(run.phase, train, epoch, before, draw, step, optimizer)
            epoch_done.assign_add(1)
            checkpoints.save()
            self._progress(
                f"{run.name}, epoch {epoch + 1}/{epochs}: loss {loss:.4f} {report()}, "
                f"{time.monotonic() - start:.0f} s"
            )

    def _step(self, run: "_Run", optimizer: Any) -> Callable[..., Any]:
        """Return one step, a graph of its own for every choice of ratios."""
        training = self._recipe.training

        def step(images: Any, labels: Any, chosen: tuple[str, ...]) -> Any:
            goal = tf.one_hot(labels, self._family.full.outputs[-1].shape[-1])
            goal = goal * (1 - training.label_smoothing)
            goal += training.label_smoothing / goal.shape[-1]
            with tf.GradientTape() as tape:
                loss = run.loss(images, goal, chosen)
            gradients = tape.gradient(loss, run.variables)
            decayed = [
                (g + training.weight_decay * v if len(v.shape) > 1 else g, v)
                for g, v in zip(gradients, run.variables, strict=True)
                if g is not None  # of a ratio that this step leaves alone
            ]
            optimizer.apply_gradients(decayed)
            return loss

        @functools.cache
        def graph(chosen: tuple[str, ...]) -> Callable[..., Any]:
            return tf.function(functools.partial(step, chosen=chosen))  # type: ignore[no-any-return]

        return lambda images, labels, chosen: graph(chosen)(images, labels)

    def _epoch(
        self,
        phase: PhasePart,
        data: Dataset,
        epoch: int,
        before: int,
        draw: Callable[[np.random.Generator], tuple[str, ...]],
        step: Callable[..., Any],
        optimizer: Any,
    ) -> float:
        training = self._recipe.training
        # One generator an epoch: a resumed run sees what an uninterrupted one would.
        rng = np.random.default_rng([training.seed, before + epoch])
        order = rng.permutation(len(data))
        steps = len(data) // training.batch
        losses = []
        for index in range(steps):
            optimizer.learning_rate = learning_rate_at(epoch + index / steps, phase)
            rows = order[index * training.batch : (index + 1) * training.batch]
            images = self._recipe.augment(data.images[rows], rng).astype(np.float32)
            scaled = tf.constant(images / self._recipe.data.peak)
            losses.append(step(scaled, tf.constant(data.labels[rows]), draw(rng)))
        return float(tf.reduce_mean(losses))


@dataclasses.dataclass(frozen=True)
class _Run:
    """A stretch of epochs with an optimiser of its own."""

    name: str
    phase: PhasePart
    loss: Callable[[Any, Any, tuple[str, ...]], Any]
    variables: list[Any]
    saved: list[Any]
    """What a checkpoint holds beside the optimiser."""

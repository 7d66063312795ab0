"""Joint training of the exits, resumable after every epoch.

Loss of an exit: (1 - d) cross-entropy + d T^2 KL(last exit || this exit), both softened by the
temperature T (G. Hinton et al., arXiv 1503.02531, section 2), with the last exit as the teacher
(as in M. Phuong and C. H. Lampert, ICCV 2019). SGD with Nesterov momentum; warm-up, then a cosine
to zero (I. Loshchilov and F. Hutter, ICLR 2017).
"""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_infer.lab.progress import Progress, counted, silent
from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.recipe import ExitPart, PhasePart, Recipe


def fast_precision() -> str:
    """`mixed_bfloat16` where the processor multiplies bfloat16 in hardware, else `float32`.

    Measured on two Sapphire Rapids cores, a residual net of 95 MMAC: 0.37 of the float32 time.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "amx_bf16" in flags else "float32"


def learning_rate_at(done: float, phase: PhasePart) -> float:
    """Learning rate after `done` epochs of a phase (fractions allowed)."""
    if done < phase.warmup_epochs:
        return phase.learning_rate * max(done, 0.01) / phase.warmup_epochs
    share = (done - phase.warmup_epochs) / (phase.epochs - phase.warmup_epochs)
    return phase.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def exits_of(recipe: Recipe, phase: PhasePart) -> tuple[ExitPart, ...]:
    """The exits with the weights that they have in a phase; 0 for those that stand still."""
    last = recipe.exits[-1].name

    def weight(part: ExitPart) -> float:
        if phase.learns and part.name not in phase.learns:
            return 0.0
        changed = phase.exit_weight is not None and part.name != last
        return phase.exit_weight if changed else part.weight  # type: ignore[return-value]

    return tuple(dataclasses.replace(part, weight=weight(part)) for part in recipe.exits)


def soft_loss(logits: Any, teacher: Any, temperature: float) -> Any:
    """T^2 KL(teacher || student); the teacher gets no gradient."""
    goal = tf.nn.softmax(tf.stop_gradient(teacher) / temperature)
    cross = tf.nn.softmax_cross_entropy_with_logits(goal, logits / temperature)
    own = tf.nn.softmax_cross_entropy_with_logits(goal, tf.math.log(goal + 1e-9))
    return temperature**2 * tf.reduce_mean(cross - own)


def joint_loss(logits: list[Any], goal: Any, exits: tuple[ExitPart, ...]) -> Any:
    """Weighted sum over the exits; `goal` is one-hot, smoothed or not."""
    total = 0.0
    for part, scores in zip(exits, logits, strict=True):
        if not part.weight:
            continue
        loss = (1 - part.distill) * tf.reduce_mean(
            tf.nn.softmax_cross_entropy_with_logits(goal, scores)
        )
        if part.distill:
            loss += part.distill * soft_loss(scores, logits[-1], part.temperature)
        total += part.weight * loss
    return total


def answers(net: keras.Model, frames: Any, training: bool = False) -> list[Any]:
    """Logits of every exit; Keras gives those of a net with one as a bare tensor."""
    return list(tf.nest.flatten(net(frames, training=training)))


def freeze(net: keras.Model, exits: tuple[ExitPart, ...]) -> None:
    """Leave trainable only what leads to an exit that has a weight."""
    for layer in net.layers:
        layer.trainable = False
    for part, output in zip(exits, net.outputs, strict=True):
        if part.weight:
            for layer in keras.Model(net.inputs, output).layers:
                layer.trainable = True


class Trainer:
    """One net, its optimiser and where it stands.

    Args:
        net: as `nets` builds them.
        recipe: what to do.
        phase: index of its phase; it changes which layers of `net` are trainable.
        folder: checkpoints, one kept; a later run of the same recipe goes on from it.
    """

    def __init__(self, net: keras.Model, recipe: Recipe, phase: int, folder: Path) -> None:
        self._phase = recipe.phases[phase]
        self._exits = exits_of(recipe, self._phase)
        self._epochs_before = sum(part.epochs for part in recipe.phases[:phase])
        freeze(net, self._exits)
        self._net = net
        self._recipe = recipe
        self._optimizer = keras.optimizers.SGD(
            0.1, momentum=recipe.training.momentum, nesterov=True
        )
        self._optimizer.build(net.trainable_variables)
        self._epoch = tf.Variable(0, dtype=tf.int64)
        checkpoint = tf.train.Checkpoint(net=net, optimizer=self._optimizer, epoch=self._epoch)
        self._checkpoints = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
        checkpoint.restore(self._checkpoints.latest_checkpoint)
        self._step = tf.function(self._train_step)

    def _train_step(self, images: Any, labels: Any) -> Any:
        training = self._recipe.training
        variables = self._net.trainable_variables
        with tf.GradientTape() as tape:
            logits = [tf.cast(x, tf.float32) for x in answers(self._net, images, training=True)]
            classes = logits[0].shape[-1]
            goal = tf.one_hot(labels, classes) * (1 - training.label_smoothing)
            loss = joint_loss(logits, goal + training.label_smoothing / classes, self._exits)
        gradients = tape.gradient(loss, variables)
        decayed = [
            g + training.weight_decay * v if len(v.shape) > 1 else g
            for g, v in zip(gradients, variables, strict=True)
        ]
        self._optimizer.apply_gradients(zip(decayed, variables, strict=True))
        return loss

    def _run_epoch(self, data: Dataset, progress: Progress) -> float:
        training, epoch = self._recipe.training, int(self._epoch.numpy())
        # One generator an epoch: a resumed run sees what an uninterrupted one would.
        rng = np.random.default_rng([training.seed, self._epochs_before + epoch])
        order = rng.permutation(len(data))
        steps = len(data) // training.batch
        losses = []
        for step in counted(range(steps), "steps", progress):
            self._optimizer.learning_rate = learning_rate_at(epoch + step / steps, self._phase)
            rows = order[step * training.batch : (step + 1) * training.batch]
            images = self._recipe.augment(data.images[rows], rng)
            scaled = images.astype(np.float32) / self._recipe.data.peak
            losses.append(self._step(tf.constant(scaled), tf.constant(data.labels[rows])))
        return float(tf.reduce_mean(losses))

    def run(self, train: Dataset, held_back: Dataset, progress: Progress = silent) -> None:
        """Train what is left to train, and tell how each epoch went."""
        epochs = self._phase.epochs
        while (epoch := int(self._epoch.numpy())) < epochs:
            start = time.monotonic()
            loss = self._run_epoch(train, progress)
            self._epoch.assign_add(1)
            self._checkpoints.save()
            reached = accuracies(self._net, held_back, self._recipe.data.peak)
            shares = " ".join(f"{100 * share:.2f}" for share in reached)
            progress(
                f"epoch {epoch + 1}/{epochs}: loss {loss:.4f}, held back {shares} %, "
                f"{time.monotonic() - start:.0f} s"
            )


def accuracies(net: keras.Model, data: Dataset, peak: int) -> list[float]:
    """Return the share of right answers of each exit, 0 to 1, in float arithmetic."""
    right: Any = 0
    for first in range(0, len(data), 500):
        part = data.take(np.arange(first, min(first + 500, len(data))))
        logits = answers(net, part.images.astype(np.float32) / peak)
        right = right + np.array([(x.numpy().argmax(1) == part.labels).sum() for x in logits])
    return [float(count) / len(data) for count in right]

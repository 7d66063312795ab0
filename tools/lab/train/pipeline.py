"""Recipe and data in, one trained and quantised model out; resumable."""

import sys
import time
from pathlib import Path
from typing import Any

import keras

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.export import calibration_images, in_float32, quantise
from edge_infer.lab.train.loop import Trainer, fast_precision
from edge_infer.lab.train.nets import build_net
from edge_infer.lab.train.recipe import Recipe


def train_model(recipe: Recipe, splits: Splits, classes: int, work: Path) -> bytes:
    """Train and quantise.

    Args:
        recipe: what to make.
        splits: the held-back side is only looked at, to print how training goes.
        classes: logits of each exit.
        work: folder of the checkpoints; a run that was cut short goes on from the last epoch.

    Returns:
        The int8 .tflite file, every exit an output that its signature names.
    """
    names = [part.name for part in recipe.exits]
    _, height, width, channels = splits.train.images.shape

    def build() -> Any:
        return build_net(recipe.net, (height, width, channels), classes, names)

    keras.utils.set_random_seed(recipe.training.seed)
    keras.config.set_dtype_policy(fast_precision())
    start = time.monotonic()
    net = build()
    for phase in range(len(recipe.phases)):
        trainer = Trainer(net, recipe, phase, work / f"checkpoints-{phase}")
        trainer.run(splits.train, splits.held_back)
    print(f"trained in {time.monotonic() - start:.0f} s, now int8", file=sys.stderr, flush=True)
    frames = calibration_images(splits.train, recipe.data.peak, recipe.training.seed)
    return quantise(in_float32(net, build), names, frames)

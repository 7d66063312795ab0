"""Recipe and data in, one trained int8 model out; resumable.

The .tflite has int8 in, int8 logits out, and every exit an output. Activation ranges come from
training images (B. Jacob et al., CVPR 2018, section 3). Input 0 to 1 gives scale 1/255 and zero
point -128, so that an int8 input is the grey level minus 128.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Dataset, Splits
from edge_infer.lab.train.loop import Trainer, answers, fast_precision
from edge_infer.lab.train.nets import build_net
from edge_infer.lab.train.recipe import Recipe

_CALIBRATION_IMAGES = 500


def train_model(
    recipe: Recipe, splits: Splits, classes: int, work: Path, progress: Progress = silent
) -> bytes:
    """Train and quantise.

    Args:
        recipe: what to make.
        splits: the held-back side is only looked at, to tell how training goes.
        classes: logits of each exit.
        work: folder of the checkpoints; a run that was cut short goes on from the last epoch.
        progress: called with each epoch.

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
        trainer.run(splits.train, splits.held_back, progress)
    progress(f"trained in {time.monotonic() - start:.0f} s, now int8")
    frames = calibration_images(splits.train, recipe.data.peak, recipe.training.seed)
    return quantise(_in_float32(net, build), names, frames)


def _in_float32(net: keras.Model, build: Any) -> keras.Model:
    """The same net without mixed precision; `build` makes a fresh one."""
    keras.config.set_dtype_policy("float32")
    plain = build()
    plain.set_weights(net.get_weights())
    return plain


def calibration_images(train: Dataset, peak: int, seed: int) -> list[Any]:
    """Float frames [1, h, w, c] of the training side, the first holding both ends of the range."""
    rows = np.random.default_rng(seed).permutation(len(train))[:_CALIBRATION_IMAGES]
    images = train.images[rows].astype(np.float32)[:, None] / peak
    images[0].flat[:2] = 0.0, 1.0
    return list(images)


def quantise(net: keras.Model, exits: Sequence[str], frames: Sequence[Any]) -> bytes:
    """Convert to int8.

    Args:
        net: float32, one output an exit, in the order of `exits`.
        exits: names of the outputs; the model's one signature maps them to its tensors.
        frames: calibration inputs, float32 of shape [1, height, width, channels].

    Returns:
        The .tflite file.
    """

    def representative() -> Iterator[list[Any]]:
        for frame in frames:
            yield [frame]

    with tempfile.TemporaryDirectory() as folder:
        converter = _converter(net, exits, str(Path(folder) / "saved"))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        # TFLite Micro ignores per-channel scales of FULLY_CONNECTED without an error.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        return bytes(converter.convert())


def _converter(net: keras.Model, exits: Sequence[str], folder: str) -> Any:
    """Through a SavedModel: its signature keeps the names of the outputs."""

    def serve(frame: Any) -> dict[str, Any]:
        return dict(zip(exits, answers(net, frame), strict=True))

    archive = keras.export.ExportArchive()
    archive.track(net)
    spec = tf.TensorSpec((1, *net.input_shape[1:]), tf.float32, name="frame")
    archive.add_endpoint("serve", serve, input_signature=[spec])
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])

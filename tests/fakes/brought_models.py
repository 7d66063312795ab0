"""Classifiers as people bring them: one job, in several sizes, types and layouts.

Each compares a frame with a template per class. Frames have a bright patch, and where it lies is
the class, so a resized frame keeps its class.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.fakes.tiny_models import ModelBuilder

CLASSES = 5
CENTRES = ((0.2, 0.2), (0.2, 0.8), (0.5, 0.5), (0.8, 0.2), (0.8, 0.8))
"""Of the bright patch, as shares of height and width."""
FRAME_SIZE = 16


@dataclass(frozen=True)
class Kind:
    """What a model that somebody brings may be."""

    size: int = FRAME_SIZE
    dtype: str = "int8"
    channels_first: bool = False
    softmax: bool = False
    background: bool = False
    noise: float = 0.0
    """Of the weights: more makes a worse net."""


def template_model(kind: Kind = Kind(), seed: int = 0) -> bytes:
    """Return a .tflite file of that kind, for frames of three equal channels."""
    random = np.random.default_rng(seed)
    templates = np.stack([_patch(centre, kind.size) for centre in CENTRES])
    templates = templates + random.normal(0, kind.noise, templates.shape)
    weights = np.repeat(templates[..., np.newaxis], 3, axis=3)
    weights = weights - weights.mean(axis=(1, 2, 3), keepdims=True)
    if kind.background:
        weights = np.concatenate([np.zeros_like(weights[:1]), weights])
    if kind.channels_first:
        weights = weights.transpose(0, 3, 1, 2)
    shape = (3, kind.size, kind.size) if kind.channels_first else (kind.size, kind.size, 3)
    return _classifier(weights.reshape(len(weights), -1).astype(np.float32), shape, kind)


def patch_frames(count: int, seed: int, contrast: float = 150) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return noisy uint8 frames [count, 16, 16, 3] and their classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    patches = np.stack([_patch(centre, FRAME_SIZE) for centre in CENTRES])[labels]
    strength = random.uniform(0.1, 1.0, (count, 1, 1)) * contrast
    grey = 90 + strength * patches + random.normal(0, 40, patches.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=3), labels


def _patch(centre: tuple[float, float], size: int) -> NDArray[np.float64]:
    places = (np.arange(size) + 0.5) / size
    distance = (places[:, np.newaxis] - centre[0]) ** 2 + (places - centre[1]) ** 2
    found: NDArray[np.float64] = np.exp(-distance / 0.02)
    return found


def _classifier(weights: NDArray[np.float32], shape: tuple[int, ...], kind: Kind) -> bytes:
    b = ModelBuilder()
    classes, inputs = weights.shape
    integer = kind.dtype != "float32"
    zero = {"int8": -128, "uint8": 0, "float32": 0}[kind.dtype]
    frame = b.tensor("frame", [1, *shape], kind.dtype, 1.0, zero)
    flat = b.tensor("flat", [1, inputs], kind.dtype, 1.0, zero)
    to = b.tensor("to", [2], "int32", 0.0, data=np.array([1, inputs], np.int32))
    b.op("RESHAPE", [frame, to], [flat], "ReshapeOptions", newShape=[1, inputs])
    scale = float(np.abs(weights).max()) / 127
    if integer:
        raw = np.rint(weights / scale).astype(np.int32)
        middle = 128 if kind.dtype == "uint8" else 0
        data = (raw + middle).astype(kind.dtype)
        kernel = b.tensor("w", weights.shape, kind.dtype, scale, middle, data)
        bias = b.tensor("b", [classes], "int32", scale, data=np.zeros(classes, np.int32))
    else:
        kernel = b.tensor("w", weights.shape, "float32", data=weights)
        bias = b.tensor("b", [classes], "float32", data=np.zeros(classes, np.float32))
    # A bright patch gives a logit of some thousands in pixel units.
    step, centre = 0.03 * inputs, {"int8": 3, "uint8": 120, "float32": 0}[kind.dtype]
    logits = b.tensor("logits", [1, classes], kind.dtype, step, centre)
    version = 4 if kind.dtype == "int8" else 1
    b.op(
        "FULLY_CONNECTED", [flat, kernel, bias], [logits], "FullyConnectedOptions", version=version
    )
    if not kind.softmax:
        return b.build([frame], [logits])
    low = -128 if kind.dtype == "int8" else 0
    answer = b.tensor("answer", [1, classes], kind.dtype, 1 / 256, low)
    b.op(
        "SOFTMAX",
        [logits],
        [answer],
        "SoftmaxOptions",
        version=2 if integer else 1,
        beta=6.0 / inputs,
    )
    return b.build([frame], [answer])

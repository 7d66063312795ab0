"""Small nets to adapt, in each arithmetic, and folders of pictures whose classes they can tell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from PIL import Image
from tests.fakes.tiny_models import ModelBuilder, frame_tensor

SIZE = 16
CLASSES = ("columns", "dot", "rows")
LABELS_TEXT = "\n".join(CLASSES) + "\n"
WIDTHS = (3, 6, 24, 48)
"""Channels of the four maps, of 16, 8, 4 and 4 pixels a side."""
_ZERO = {"int8": -128, "uint8": 0, "float32": 0}


def backbone(dtype: str = "int8", seed: int = 2, classes: int = len(CLASSES)) -> bytes:
    """Four convolutions of random weights, pooling, a dense layer and a softmax."""
    b = ModelBuilder(seed)
    at = frame = b.tensor("frame", [1, SIZE, SIZE, 3], dtype, 1.0, _ZERO[dtype])
    scale = 1.0
    for index, channels in enumerate(WIDTHS):
        at, scale = _conv(b, f"map{index}", at, channels, 1 + (index in (1, 2)), dtype, scale)
    pooled = b.tensor("pooled", [1, 1, 1, WIDTHS[-1]], dtype, scale, _ZERO[dtype])
    b.op(
        "AVERAGE_POOL_2D", [at], [pooled], "Pool2DOptions", version=_version(dtype, 2),
        strideH=1, strideW=1, filterHeight=4, filterWidth=4, padding=schema.Padding.VALID,
    )  # fmt: skip
    logits = _dense(b, "logits", pooled, classes, dtype, scale)
    low = -128 if dtype == "int8" else 0
    answer = b.tensor("answer", [1, classes], dtype, 1 / 256, low)
    version = 1 if dtype == "float32" else 2
    b.op("SOFTMAX", [logits], [answer], "SoftmaxOptions", version=version, beta=1.0)
    return b.build([frame], [answer])


def residual() -> bytes:
    """A block with a skip around two convolutions, between two plain ones; no softmax."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    first = b.conv("first", frame, 4)
    inside = b.conv("inside_2", b.conv("inside_1", first, 4), 4)
    block = b.add("block", first, inside)
    return b.build([frame], [b.head("head", b.conv("end", block, 4))])


def _conv(b: ModelBuilder, name: str, source: int, channels: int, stride: int, dtype: str,
          scale: float) -> tuple[int, float]:  # fmt: skip
    _, height, width, depth = (int(n) for n in b.subgraph.tensors[source].shape)
    kernel, kernel_scale = _weights(b, f"{name}/w", [channels, 3, 3, depth], dtype, 9 * depth)
    bias = _bias(b, f"{name}/b", channels, dtype, scale * kernel_scale)
    shape = [1, height // stride, width // stride, channels]
    output = b.tensor(name, shape, dtype, 1.0, _ZERO[dtype])
    b.op(
        "CONV_2D", [source, kernel, bias], [output], "Conv2DOptions", version=_version(dtype, 3),
        strideH=stride, strideW=stride, padding=schema.Padding.SAME,
        fusedActivationFunction=schema.ActivationFunctionType.RELU,
    )  # fmt: skip
    return output, 1.0


def _dense(b: ModelBuilder, name: str, source: int, classes: int, dtype: str, scale: float) -> int:
    depth = int(b.subgraph.tensors[source].shape[-1])
    kernel, kernel_scale = _weights(b, f"{name}/w", [classes, depth], dtype, depth)
    bias = _bias(b, f"{name}/b", classes, dtype, scale * kernel_scale)
    output = b.tensor(name, [1, classes], dtype, 1.0, {"int8": 0, "uint8": 128}.get(dtype, 0))
    return b.op("FULLY_CONNECTED", [source, kernel, bias], [output], "FullyConnectedOptions",
                version=_version(dtype, 4))  # fmt: skip


def _weights(
    b: ModelBuilder, name: str, shape: Sequence[int], dtype: str, terms: int
) -> tuple[int, float]:
    """Random weights that leave values about as large as they were."""
    raw = b.random.integers(-100, 101, shape)
    scale = 1.5 / (58 * terms**0.5)
    if dtype == "float32":
        return b.tensor(name, shape, data=(raw * scale).astype(np.float32), dtype=dtype), scale
    middle = 128 if dtype == "uint8" else 0
    return b.tensor(name, shape, dtype, scale, middle, (raw + middle).astype(dtype)), scale


def _bias(b: ModelBuilder, name: str, size: int, dtype: str, scale: float) -> int:
    if dtype == "float32":
        return b.tensor(name, [size], dtype, data=np.zeros(size, np.float32))
    return b.tensor(name, [size], "int32", scale, data=np.zeros(size, np.int32))


def _version(dtype: str, int8: int) -> int:
    return int8 if dtype == "int8" else 1


def picture(label: int, random: np.random.Generator) -> NDArray[Any]:
    """Return a noisy uint8 picture [16, 16, 3]: bright columns, a bright dot, or bright rows."""
    grey = np.full((SIZE, SIZE), 60.0)
    strength = random.uniform(15, 150)
    first = int(random.integers(0, 4))
    if label == 1:
        y, x = random.integers(2, SIZE - 4, 2)
        grey[y : y + 4, x : x + 4] += strength
    else:
        grey[first::4] += strength
    grey = grey.T if label == 0 else grey
    colour = grey[..., np.newaxis] + random.normal(0, 12, (SIZE, SIZE, 3))
    found: NDArray[np.uint8] = np.clip(colour, 0, 255).astype(np.uint8)
    return found


def write_pictures(
    folder: Path, counts: Sequence[int], seed: int = 0, below: Sequence[str] = ("",)
) -> Path:
    """Write a folder a class with so many PNG pictures each, in turn into the folders `below`."""
    random = np.random.default_rng(seed)
    for label, (name, count) in enumerate(zip(CLASSES, counts, strict=False)):
        for index in range(count):
            inside = folder / name / below[index % len(below)]
            inside.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(label, random)).save(inside / f"{index:04}.png")
    return folder

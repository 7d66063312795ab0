from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes.backbones import WIDTHS, backbone, picture
from tests.fakes.backends import KERNELS
from tests.fakes.tiny_models import ModelBuilder, early_exit_model

from edge_infer.models_tflite.attached_heads import (
    NONE,
    AttachedHead,
    HeadPart,
    Pool,
    Quantisation,
    attach_heads,
)
from edge_infer.models_tflite.backend import Backend, Interpreter, open_backend
from edge_infer.models_tflite.cut import cut, tap
from edge_infer.models_tflite.errors import CutError
from edge_infer.models_tflite.graph import Graph, Tensor

CLASSES = 3
MODELS = Path(__file__).parents[2].parent / "shared" / "data" / "models"
PUBLISHED = {
    "mobilenet v1 uint8": (
        "coral/mobilenet_v1_0.5_160_quant.tflite",
        (
            "MobilenetV1/MobilenetV1/Conv2d_3_pointwise/Relu6",
            "MobilenetV1/MobilenetV1/Conv2d_8_pointwise/Relu6",
        ),
    ),
    "resnet-8 int8": (
        "mlperf_tiny/pretrainedResnet_quant.tflite",
        ("model/activation_2/Relu", "model/activation_4/Relu"),
    ),
}


def head(tensor: Tensor, name: str, pools: tuple[Pool, ...], seed: int = 0) -> AttachedHead:
    """A head of random weights."""
    random = np.random.default_rng(seed)
    parts = tuple(_part(tensor, pool, random) for pool in pools)
    added = NONE if tensor.dtype == "float32" else Quantisation(8.0, _middle(tensor.dtype))
    scores = added if len(parts) > 1 else parts[0].scores
    return AttachedHead(name, tensor.name, parts, scores)


def _middle(dtype: str) -> int:
    return 128 if dtype == "uint8" else 0


def _part(tensor: Tensor, pool: Pool, random: np.random.Generator) -> HeadPart:
    raw = random.integers(-100, 101, (CLASSES, tensor.shape[-1]))
    if tensor.dtype == "float32":
        weights = (raw / 100).astype(np.float32)
        return HeadPart(pool, NONE, weights, NONE, np.arange(3, dtype=np.float32), NONE)
    low = -128 if tensor.dtype == "int8" else 0
    pooled = Quantisation(0.9 * tensor.scale, low) if pool == "mean" else Quantisation(
        tensor.scale, tensor.zero_point
    )  # fmt: skip
    middle = _middle(tensor.dtype)
    return HeadPart(
        pool, pooled, (raw + middle).astype(tensor.dtype), Quantisation(0.003, middle),
        np.arange(3, dtype=np.int32) * 50, Quantisation(4.0, middle),
    )  # fmt: skip


def in_real_values(made: AttachedHead, tensor: Tensor, value: NDArray[Any]) -> NDArray[Any]:
    """What a head is to give, without rounding."""
    real = (value.astype(np.float64) - tensor.zero_point) * (tensor.scale or 1.0)
    plane = real.reshape(-1, tensor.shape[-1])
    total = np.zeros(CLASSES)
    for part in made.parts:
        pooled = plane.max(axis=0) if part.pool == "max" else plane.mean(axis=0)
        scale = part.weights_as.scale or 1.0
        weights = (part.weights.astype(np.float64) - part.weights_as.zero_point) * scale
        step = (part.pooled.scale or 1.0) * scale if made.scores.scale else 1.0
        total += weights @ pooled + part.bias * step
    return total


@cache
def loaded(model: bytes, backend: Backend) -> Interpreter:
    return backend.load_vouched(model)


def outputs(model: bytes, backend: Backend, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
    interpreter = loaded(model, backend)
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def chained(
    model: bytes, exits: list[str], backend: Backend, frame: NDArray[Any]
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return the heads' scores, and what each stage hands on."""
    scores, handed, inputs = [], [], [frame]
    for stage in cut(model, exits):
        found = outputs(stage.model, backend, inputs)
        scores.append(found[0].reshape(-1))
        inputs = [found[index] for index in stage.features]
        handed += inputs
    return scores, handed


def pixels(dtype: str, seed: int) -> NDArray[Any]:
    raw = picture(seed % 3, np.random.default_rng(seed)).astype(np.int64)
    return (raw - (128 if dtype == "int8" else 0)).astype(dtype)[np.newaxis]


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_stages_with_new_heads_hand_on_what_the_net_computes(
    dtype: str, name: str, resolver: str
) -> None:
    backend, model = open_backend(name, resolver), backbone(dtype)
    graph = Graph(model)
    maps = [next(t for t in graph.tensors if t.name == f"map{i}") for i in (1, 2, 3)]
    made = [head(maps[0], "exit1", ("mean", "max")), head(maps[1], "exit2", ("max",)),
            head(maps[2], "exit3", ("mean",))]  # fmt: skip
    whole = attach_heads(model, made)
    for seed in range(6):
        frame = pixels(dtype, seed)
        kept = outputs(tap(model, [tensor.index for tensor in maps]), backend, [frame])
        scores, handed = chained(whole, ["exit1", "exit2", "exit3"], backend, frame)
        for expected, found in zip(kept, handed, strict=False):
            np.testing.assert_array_equal(expected, found)
        for one, tensor, value, found in zip(made, maps, kept, scores, strict=True):
            wanted = in_real_values(one, tensor, value)
            real = (found.astype(np.float64) - one.scores.zero_point) * (one.scores.scale or 1.0)
            limit = 1e-3 if dtype == "float32" else 1.5 * one.scores.scale
            assert np.abs(real - wanted).max() < limit


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
@pytest.mark.parametrize("published", PUBLISHED)
def test_stages_of_a_published_net_equal_it(published: str, name: str, resolver: str) -> None:
    file, starts = PUBLISHED[published]
    if not (MODELS / file).is_file():
        pytest.skip(f"no {file} in ../shared/data/models")
    backend, model = open_backend(name, resolver), (MODELS / file).read_bytes()
    graph = Graph(model)
    maps = [
        next(t for t in graph.tensors if t.name.startswith(start) and not t.constant)
        for start in starts
    ]
    made = [head(tensor, f"exit{i}", ("mean", "max")) for i, tensor in enumerate(maps)]
    shape, dtype = graph.tensors[graph.inputs[0]].shape, graph.tensors[graph.inputs[0]].dtype
    frame = np.random.default_rng(5).integers(0, 256, shape) - (128 if dtype == "int8" else 0)
    frame = frame.astype(dtype)
    end = graph.tensors[graph.outputs[0]].name
    scores, _ = chained(attach_heads(model, made), ["exit0", "exit1", end], backend, frame)
    np.testing.assert_array_equal(scores[-1], outputs(model, backend, [frame])[0].reshape(-1))


def test_a_net_of_the_project_takes_a_head_and_keeps_its_own() -> None:
    model, backend = early_exit_model(), open_backend()
    tensor = next(t for t in Graph(model).tensors if t.name == "map_2")
    whole = attach_heads(model, [head(tensor, "new", ("mean", "max"))])
    frame = np.random.default_rng(0).integers(-128, 128, (1, 8, 8, 1), np.int8)
    scores, _ = chained(whole, ["exit_1", "new", "exit_3"], backend, frame)
    before = outputs(model, backend, [frame])
    np.testing.assert_array_equal(scores[0], before[0].reshape(-1))
    np.testing.assert_array_equal(scores[2], before[2].reshape(-1))


def test_a_vector_is_read_as_it_is() -> None:
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 4])
    hidden = b.dense("hidden", frame, 6)
    model = b.build([frame], [b.dense("scores", hidden, 3)])
    tensor = next(t for t in Graph(model).tensors if t.name == "hidden")
    made = head(tensor, "exit", ("none",))
    values = np.array([[5, -60, 100, 3]], np.int8)
    _, found = outputs(attach_heads(model, [made]), open_backend(), [values])
    [hidden_value] = outputs(tap(model, [tensor.index]), open_backend(), [values])
    real = found.reshape(-1) * made.parts[0].scores.scale
    assert np.abs(real - in_real_values(made, tensor, hidden_value)).max() < 4.1


def test_weights_of_the_net_are_left_alone() -> None:
    model = backbone()
    tensor = next(t for t in Graph(model).tensors if t.name == "map1")
    before, after = Graph(model), Graph(attach_heads(model, [head(tensor, "exit", ("mean",))]))
    for one, other in zip(before.tensors, after.tensors, strict=False):
        assert one == other
    for one, other in zip(before.tree.buffers, after.tree.buffers, strict=False):
        assert bytes(one.data) == bytes(other.data)
    assert len(WIDTHS) == 4


@pytest.mark.parametrize(
    ("name", "reads", "told"),
    [
        ("map2", "map1", "has a tensor 'map2' already"),
        ("exit", "frame", "0 operators of the model compute a tensor 'frame'"),
        ("exit", "nowhere", "0 operators"),
    ],
)
def test_what_cannot_be_attached_is_named(name: str, reads: str, told: str) -> None:
    model = backbone()
    tensor = next(t for t in Graph(model).tensors if t.name == "map1")
    made = head(tensor, name, ("mean",))
    with pytest.raises(CutError, match=told):
        attach_heads(model, [AttachedHead(name, reads, made.parts, made.scores)])


def test_a_tensor_of_another_type_is_refused() -> None:
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 2, 2, 2], "float32")
    index = b.tensor("cast", [1, 2, 2, 2], "int32", 0.0)
    b.op("CAST", [frame], [index], "CastOptions", inDataType=0, outDataType=2)
    model = b.build([frame], [index])
    made = HeadPart("mean", NONE, np.zeros((3, 2), np.float32), NONE, np.zeros(3, np.float32), NONE)
    with pytest.raises(CutError, match=r"'cast' is int32 \[1, 2, 2, 2\]: a head reads int8"):
        attach_heads(model, [AttachedHead("exit", "cast", (made,), NONE)])

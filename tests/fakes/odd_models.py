"""Models that people have lying about and that are no classifiers, or odd ones. By name."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tests.fakes.tiny_models import ModelBuilder, frame_tensor, single_model

from edge_infer.models_tflite.flatbuffer import pack, unpack

CLASSES = 5


def detector() -> bytes:
    """An SSD whose boxes are made by the postprocess operator, as in google-coral/test_data."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    found = b.conv("features", frame, 4)
    shapes = {"boxes": [1, 10, 4], "classes": [1, 10], "scores": [1, 10], "count": [1]}
    outputs = [b.tensor(name, shape, "float32") for name, shape in shapes.items()]
    b.op("CUSTOM", [found], outputs, custom="TFLite_Detection_PostProcess")
    return b.build([frame], outputs)


def detector_without_postprocess() -> bytes:
    """Boxes and scores as tables."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    source = b.conv("features", frame, 4)
    boxes = reshaped(b, "boxes", source, [1, 64, 4])
    scores = reshaped(b, "scores", b.conv("more", source, 2), [1, 64, 2])
    return b.build([frame], [boxes, scores])


def compiled_for_edgetpu() -> bytes:
    """The one operator that the Edge TPU's compiler leaves."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    scores = b.tensor("scores", [1, 1000])
    b.op("CUSTOM", [frame], [scores], custom="edgetpu-custom-op")
    return b.build([frame], [scores])


def segmentation() -> bytes:
    """A class map [1, H, W, C]."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    return b.build([frame], [b.conv("mask", frame, 21)])


def heat_maps() -> bytes:
    """PoseNet before its decoder: heat maps and offsets."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    return b.build([frame], [b.conv("heatmaps", frame, 17), b.conv("offsets", frame, 34)])


def keypoints() -> bytes:
    """MoveNet: [1, 1, 17, 3]."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 1, 17, 1], scale=1 / 255, zero_point=-128)
    return b.build([frame], [b.conv("keypoints", frame, 3)])


def embedding() -> bytes:
    """[1, 1024] without a softmax."""
    return single_model(classes=1024)


def regression() -> bytes:
    """One value, as hello_world."""
    return single_model(classes=1)


def class_index() -> bytes:
    """Ends in ARG_MAX: the answer, not the scores."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    scores = b.head("head", b.conv("map", frame, 4))
    axis = b.tensor("axis", [1], "int32", 0.0, data=np.array([1], np.int32))
    answer = b.tensor("answer", [1], "int64", 0.0)
    b.op("ARG_MAX", [scores, axis], [answer], "ArgMaxOptions", outputType=schema.TensorType.INT64)
    return b.build([frame], [answer])


def best_three() -> bytes:
    """Ends in TOPK_V2: the best scores and their classes."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    scores = b.head("head", b.conv("map", frame, 4))
    count = b.tensor("k", [], "int32", 0.0, data=np.array(3, np.int32))
    best = b.tensor("best", [1, 3], "int8", 0.4, 3)
    classes = b.tensor("classes", [1, 3], "int32", 0.0)
    b.op("TOPK_V2", [scores, count], [best, classes], "TopKV2Options", version=2)
    return b.build([frame], [best, classes])


def takes(dtype: str = "int8", scale: float = 0.05, name: str = "frame") -> bytes:
    """A dense layer's worth of scores of an input [1, 4] of some type."""
    b = ModelBuilder()
    frame = b.tensor(name, [1, 4], dtype, scale)
    scores = b.tensor("scores", [1, 4], dtype, 0.05)
    b.op("RESHAPE", [frame], [scores], "ReshapeOptions", newShape=[1, 4])
    return b.build([frame], [scores])


def gives(dtype: str, scale: float = 0.0) -> bytes:
    """The like, whose output has no scale."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 4], dtype)
    scores = b.tensor("scores", [1, 4], dtype, scale)
    b.op("RESHAPE", [frame], [scores], "ReshapeOptions", newShape=[1, 4])
    return b.build([frame], [scores])


def of_batch(size: int) -> bytes:
    """Frames several at a time."""
    b = ModelBuilder()
    frame = b.tensor("frame", [size, 4])
    scores = b.tensor("scores", [size, 5])
    b.op("FULLY_CONNECTED", [frame, b.weights("w", [5, 4]), b.bias("b", 5, 0.001)], [scores],
         "FullyConnectedOptions", version=4)  # fmt: skip
    return b.build([frame], [scores])


def open_size(signature: Sequence[int], shape: Sequence[int]) -> bytes:
    """A classifier some of whose input's sizes are open."""
    b = ModelBuilder()
    frame = b.tensor("frame", shape, scale=1 / 255, zero_point=-128, signature=signature)
    return b.build([frame], [softmax(b, b.head("head", b.conv("map", frame, 4)))])


def no_input() -> bytes:
    """Scores of nothing."""
    b = ModelBuilder()
    constant = b.weights("constant", [1, 4])
    scores = b.tensor("scores", [1, 4])
    b.op("RESHAPE", [constant], [scores], "ReshapeOptions", newShape=[1, 4])
    return b.build([], [scores])


def no_output() -> bytes:
    """A graph that gives nothing."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    b.head("head", b.conv("map", frame, 4))
    return b.build([frame], [])


def two_inputs() -> bytes:
    """A picture and something beside it."""
    b = ModelBuilder()
    frame, beside = (b.tensor(name, [1, 4]) for name in ("frame", "state"))
    return b.build([frame, beside], [b.add("scores", frame, beside)])


def custom() -> bytes:
    """An operator of somebody's own."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 480], "int16")
    scores = b.tensor("scores", [1, 40], "int16")
    b.op("CUSTOM", [frame], [scores], custom="SignalWindow")
    return b.build([frame], [scores])


def unknown_operator() -> bytes:
    """A builtin operator from the future."""
    tree = unpack(single_model())
    tree.operatorCodes[-1].builtinCode = 4321
    return pack(tree)


def newer_version() -> bytes:
    """An operator of a version that no kernel here has."""
    tree = unpack(single_model())
    tree.operatorCodes[-1].version = 99
    return pack(tree)


def several_graphs() -> bytes:
    """Control flow, or resource variables that a second graph sets up."""
    tree = unpack(single_model())
    tree.subgraphs = [*tree.subgraphs, unpack(single_model(seed=1)).subgraphs[0]]
    return pack(tree)


def scores_1x1x1xn() -> bytes:
    """A classifier that ends in a 1x1 convolution and a softmax."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 1, 1, 4], scale=1 / 255, zero_point=-128)
    return b.build([frame], [softmax(b, b.conv("scores", frame, CLASSES), [1, 1, 1, CLASSES])])


def int16_activations() -> bytes:
    """A softmax classifier of 16 bits, at both ends."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 4], "int16", 1 / 32768)
    scores = b.tensor("scores", [1, 4], "int16", 1 / 32768)
    b.op("SOFTMAX", [frame], [scores], "SoftmaxOptions", version=3, beta=1.0)
    return b.build([frame], [scores])


def sequence() -> bytes:
    """A softmax for each of 8 steps."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 8, 5])
    return b.build([frame], [softmax(b, frame, [1, 8, 5])])


def untouched() -> bytes:
    """Gives what it takes."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 5])
    return b.build([frame], [frame])


def constant_scores() -> bytes:
    """Scores that no input changes."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 5])
    return b.build([frame], [softmax(b, b.weights("constant", [1, 5]))])


def no_scores() -> bytes:
    """An output without a value."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 5])
    nothing = b.tensor("nothing", [1, 0])
    b.op("RESHAPE", [frame], [nothing], "ReshapeOptions", newShape=[1, 0])
    return b.build([frame], [nothing])


def single_value() -> bytes:
    """An input [1], as of a model of a sine."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1], "float32")
    weights = b.tensor("w", [1, 5], "float32", data=np.ones((1, 5), np.float32))
    total = b.tensor("sum", [1, 5], "float32")
    b.op("ADD", [frame, weights], [total], "AddOptions")
    scores = b.tensor("scores", [1, 5], "float32")
    b.op("SOFTMAX", [total], [scores], "SoftmaxOptions", beta=1.0)
    return b.build([frame], [scores])


def one_name() -> bytes:
    """Two outputs of one name."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    features = b.conv("map", frame, 4)
    return b.build([frame], [b.head("x", features), b.head("x", features, 7)])


def log_softmax() -> bytes:
    """A float classifier that ends in log probabilities."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, CLASSES], "float32")
    scores = b.tensor("scores", [1, CLASSES], "float32")
    b.op("LOG_SOFTMAX", [frame], [scores], "LogSoftmaxOptions")
    return b.build([frame], [scores])


def classifier() -> bytes:
    """What is awaited: int8 scores behind a softmax."""
    b = ModelBuilder()
    frame = frame_tensor(b)
    return b.build([frame], [softmax(b, b.head("head", b.conv("map", frame, 4)))])


def vector_classifier() -> bytes:
    """A softmax over five values that are no picture."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, CLASSES])
    return b.build([frame], [softmax(b, frame)])


def softmax(b: ModelBuilder, source: int, shape: Sequence[int] = (1, CLASSES)) -> int:
    """Add an int8 softmax."""
    output = b.tensor("probabilities", shape, "int8", 1 / 256, -128)
    return b.op("SOFTMAX", [source], [output], "SoftmaxOptions", version=2, beta=1.0)


def reshaped(b: ModelBuilder, name: str, source: int, shape: list[int]) -> int:
    """Add a reshape that keeps the scale."""
    given: Any = b.subgraph.tensors[source].quantization
    output = b.tensor(name, shape, "int8", float(given.scale[0]), int(given.zeroPoint[0]))
    to = b.tensor(f"{name}/to", [len(shape)], "int32", 0.0, data=np.array(shape, np.int32))
    return b.op("RESHAPE", [source, to], [output], "ReshapeOptions", newShape=shape)


ODD: dict[str, Callable[[], bytes]] = {
    "detector": detector,
    "detector without postprocess": detector_without_postprocess,
    "compiled for the Edge TPU": compiled_for_edgetpu,
    "segmentation": segmentation,
    "heat maps": heat_maps,
    "keypoints": keypoints,
    "embedding": embedding,
    "regression": regression,
    "class index": class_index,
    "best three": best_three,
    "text": lambda: takes("string", 0.0),
    "int32 input": lambda: takes("int32", 0.0),
    "int8 input without scale": lambda: takes("int8", 0.0),
    "uint8 input without scale": lambda: takes("uint8", 0.0),
    "int16 input without scale": lambda: takes("int16", 0.0),
    "int8 output without scale": lambda: gives("int8"),
    "uint8 output without scale": lambda: gives("uint8"),
    "int16 output without scale": lambda: gives("int16"),
    "batch of 4": lambda: of_batch(4),
    "open height": lambda: open_size([1, -1, -1, 1], [1, 1, 1, 1]),
    "no input": no_input,
    "no output": no_output,
    "two inputs": two_inputs,
    "custom operator": custom,
    "unknown operator": unknown_operator,
    "newer version": newer_version,
    "several graphs": several_graphs,
    "int16 activations": int16_activations,
    "sequence": sequence,
    "untouched": untouched,
    "constant scores": constant_scores,
    "no scores": no_scores,
    "single value": single_value,
    "one name": one_name,
    "nothing": lambda: b"",
    "no model": lambda: b"# Labels of the model\n",
    "cut off": lambda: single_model()[:700],
    "of a checkout without Git LFS": lambda: (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3572345\n"
    ),
}
"""What no bundle can be made of as it is."""
SOUND: dict[str, Callable[[], bytes]] = {
    "classifier": classifier,
    "scores [1, 1, 1, N]": scores_1x1x1xn,
    "log probabilities": log_softmax,
    "open batch": lambda: open_size([-1, 8, 8, 1], [1, 8, 8, 1]),
}
"""What `bundle build --single` takes without another word."""

"""Small .tflite models, built operator by operator, for tests of models_tflite."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge_infer.models_tflite.flatbuffer import pack

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "string": schema.TensorType.STRING,
}


class ModelBuilder:
    """Collects tensors and operators; `build` returns the file."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.subgraph = schema.SubGraphT()
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.model.description = "made by a test"

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: float | Sequence[float] = 0.05,
        zero_point: int = 0,
        data: NDArray[Any] | None = None,
        signature: Sequence[int] | None = None,
        variable: bool = False,
    ) -> int:
        """Add a tensor and return its index."""
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, np.int32)
        tensor.type = _TYPES[dtype]
        tensor.isVariable = variable
        if signature is not None:
            tensor.shapeSignature = np.array(signature, np.int32)
        if dtype != "float32" and scale:
            scales = [scale] if isinstance(scale, float) else list(scale)
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array(scales, np.float32)
            tensor.quantization.zeroPoint = np.array([zero_point] * len(scales), np.int64)
        if data is not None:
            tensor.buffer = len(self.model.buffers)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
        else:
            tensor.buffer = 0
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        custom: str = "",
        version: int = 1,
        **fields: Any,
    ) -> int:
        """Add an operator and return its first output."""
        number = getattr(schema.BuiltinOperator, name)
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = version
        if custom:
            code.customCode = custom
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for key, value in fields.items():
                setattr(operator.builtinOptions, key, value)
        self.subgraph.operators.append(operator)
        return outputs[0]

    def weights(self, name: str, shape: Sequence[int], scale: float = 0.02) -> int:
        """Add random int8 weights."""
        data = self.random.integers(-127, 128, shape, np.int8)
        return self.tensor(name, shape, scale=scale, data=data)

    def bias(self, name: str, size: int, scale: float) -> int:
        """Add a random int32 bias."""
        data = self.random.integers(-500, 500, size, np.int32)
        return self.tensor(name, [size], "int32", scale, data=data)

    def conv(self, name: str, source: int, channels: int, stride: int = 1) -> int:
        """Add a 3x3 convolution with ReLU, int8, SAME padding."""
        batch, height, width, depth = self.subgraph.tensors[source].shape
        kernel = self.weights(f"{name}/w", [channels, 3, 3, int(depth)])
        in_scale = float(self.subgraph.tensors[source].quantization.scale[0])
        bias = self.bias(f"{name}/b", channels, in_scale * 0.02)
        shape = [int(batch), -(-int(height) // stride), -(-int(width) // stride), channels]
        output = self.tensor(name, shape, scale=0.1, zero_point=-128)
        return self.op(
            "CONV_2D", [source, kernel, bias], [output], "Conv2DOptions",
            strideH=stride, strideW=stride, padding=schema.Padding.SAME,
            fusedActivationFunction=schema.ActivationFunctionType.RELU, version=3,
        )  # fmt: skip

    def add(self, name: str, left: int, right: int) -> int:
        """Add two int8 tensors of one shape."""
        shape = [int(size) for size in self.subgraph.tensors[left].shape]
        output = self.tensor(name, shape, scale=0.15, zero_point=-100)
        return self.op("ADD", [left, right], [output], "AddOptions", version=2)

    def head(self, name: str, source: int, classes: int = 5) -> int:
        """Add pooling over the map and a dense layer: int8 logits, shape [1, classes]."""
        _, height, width, depth = (int(size) for size in self.subgraph.tensors[source].shape)
        quantised = self.subgraph.tensors[source].quantization
        scale, zero_point = float(quantised.scale[0]), int(quantised.zeroPoint[0])
        pooled = self.tensor(f"{name}/pool", [1, 1, 1, depth], "int8", scale, zero_point)
        self.op(
            "AVERAGE_POOL_2D", [source], [pooled], "Pool2DOptions", version=2,
            strideH=1, strideW=1, filterHeight=height, filterWidth=width,
            padding=schema.Padding.VALID,
        )  # fmt: skip
        flat = self.tensor(f"{name}/flat", [1, depth], "int8", scale, zero_point)
        to = self.tensor(f"{name}/shape", [2], "int32", 0.0, data=np.array([1, depth], np.int32))
        self.op("RESHAPE", [pooled, to], [flat], "ReshapeOptions", newShape=[1, depth])
        return self.dense(name, flat, classes)

    def dense(self, name: str, source: int, classes: int) -> int:
        """Add a dense layer, int8."""
        depth = int(self.subgraph.tensors[source].shape[-1])
        scale = float(self.subgraph.tensors[source].quantization.scale[0])
        weights = self.weights(f"{name}/w", [classes, depth])
        bias = self.bias(f"{name}/b", classes, scale * 0.02)
        output = self.tensor(name, [1, classes], scale=0.4, zero_point=3)
        return self.op(
            "FULLY_CONNECTED", [source, weights, bias], [output], "FullyConnectedOptions", version=4
        )

    def build(
        self, inputs: Sequence[int], outputs: Sequence[int], signature: dict[str, int] | None = None
    ) -> bytes:
        """Return the file; `signature` names outputs."""
        self.subgraph.inputs = np.array(inputs, np.int32)
        self.subgraph.outputs = np.array(outputs, np.int32)
        self.model.subgraphs = [self.subgraph]
        if signature:
            definition = schema.SignatureDefT()
            definition.signatureKey, definition.subgraphIndex = "serving_default", 0
            definition.inputs = [_named("frame", inputs[0])]
            definition.outputs = [_named(name, index) for name, index in signature.items()]
            self.model.signatureDefs = [definition]
        entry = schema.MetadataT()
        entry.name, entry.buffer = "min_runtime_version", len(self.model.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(b"1.5.0".ljust(16, b"\0"), np.uint8)
        self.model.buffers.append(buffer)
        self.model.metadata = [entry]
        return pack(self.model)


def _named(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


FRAME = (8, 8, 1)
EXITS = ("exit_1", "exit_2", "exit_3")


def frame_tensor(builder: ModelBuilder, shape: Sequence[int] = FRAME) -> int:
    """Add the int8 input."""
    return builder.tensor("frame", [1, *shape], scale=1 / 255, zero_point=-128)


def early_exit_model(seed: int = 0) -> bytes:
    """Three exits; the first map skips over both cuts."""
    b = ModelBuilder(seed)
    frame = frame_tensor(b)
    first = b.conv("map_1", frame, 4)
    heads = [b.head("head_1", first)]
    second = b.add("sum_2", first, b.conv("map_2", first, 4))
    heads.append(b.head("head_2", second))
    third = b.add("sum_3", first, b.conv("map_3", second, 4))
    heads.append(b.head("head_3", third))
    return b.build([frame], heads, dict(zip(EXITS, heads, strict=True)))


def little_big_model(seed: int = 0) -> bytes:
    """Two branches from one input."""
    b = ModelBuilder(seed)
    frame = frame_tensor(b)
    little = b.head("little", b.conv("little_map", frame, 2, stride=2))
    big = b.head("big", b.conv("big_map_2", b.conv("big_map_1", frame, 8), 8))
    return b.build([frame], [little, big], {"little_out": little, "big_out": big})


def single_model(seed: int = 0, classes: int = 5) -> bytes:
    """One convolution and a head."""
    b = ModelBuilder(seed)
    frame = frame_tensor(b)
    return b.build([frame], [b.head("head", b.conv("map", frame, 4), classes)])


def stateful_model() -> bytes:
    """A float SVDF layer, whose state is a variable tensor."""
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 3], "float32")
    random = b.random.random
    feature = b.tensor("feature", [4, 3], "float32", data=random((4, 3), np.float32))
    time = b.tensor("time", [4, 2], "float32", data=random((4, 2), np.float32))
    state = b.tensor("state", [1, 8], "float32", variable=True)
    output = b.tensor("scores", [1, 4], "float32")
    b.op("SVDF", [frame, feature, time, -1, state], [output], "SVDFOptions", rank=1)
    return b.build([frame], [output])

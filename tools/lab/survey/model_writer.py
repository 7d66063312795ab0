"""Writes the small .tflite models of a survey: one frame, a few operators, random weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.flatbuffer import pack, schema

SCALE = 0.05
"""Of every map."""


class ModelWriter:
    """Collects tensors and operators of an int8 or float32 net; `build` returns the file.

    Args:
        dtype: int8 or float32.
        shape: of the frame.

    Raises:
        BackendError: the schema is not installed.
    """

    def __init__(self, dtype: str, shape: Sequence[int]) -> None:
        self.dtype = dtype
        self._random = np.random.default_rng(1)
        self._types = schema()
        self._graph = self._types.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model = self._types.ModelT()
        self._model.version, self._model.operatorCodes = 3, []
        self._model.buffers = [self._types.BufferT()]
        self._shape = list(shape)
        self._frame = self._last = self._tensor(shape, dtype, [SCALE])

    def conv(self, channels: int, window: int = 1, stride: int = 1) -> "ModelWriter":
        """Add a convolution with ReLU."""
        _, height, width, depth = self._shape
        weights = self._weights([channels, window, window, depth], 0, window**2 * depth)
        size = [1, -(-height // stride), -(-width // stride), channels]
        return self._op(
            "CONV_2D", weights, size, "Conv2DOptions", 3, strideH=stride, strideW=stride, **_RELU
        )

    def depthwise(self, stride: int = 1, window: int = 3) -> "ModelWriter":
        """Add a depthwise convolution with ReLU."""
        _, height, width, depth = self._shape
        weights = self._weights([1, window, window, depth], 3, window**2)
        size = [1, -(-height // stride), -(-width // stride), depth]
        return self._op(
            "DEPTHWISE_CONV_2D", weights, size, "DepthwiseConv2DOptions", 3,
            strideH=stride, strideW=stride, depthMultiplier=1, **_RELU,
        )  # fmt: skip

    def dense(self, classes: int) -> "ModelWriter":
        """Add a fully connected layer; its frame has two axes."""
        weights = self._weights([classes, self._shape[-1]], 0, self._shape[-1])
        return self._op(
            "FULLY_CONNECTED", weights, [1, classes], "FullyConnectedOptions", 4,
            fusedActivationFunction=_RELU["fusedActivationFunction"],
        )  # fmt: skip

    def pool(self) -> "ModelWriter":
        """Halve a map by 2x2 maxima."""
        _, height, width, depth = self._shape
        size = [1, height // 2, width // 2, depth]
        return self._op(
            "MAX_POOL_2D", [], size, "Pool2DOptions", 2, strideH=2, strideW=2, filterHeight=2,
            filterWidth=2, padding=self._types.Padding.VALID,
        )  # fmt: skip

    def mean(self) -> "ModelWriter":
        """Average a map over its pixels."""
        axes = self._constant(np.array([1, 2], np.int32), "int32", [])
        return self._op("MEAN", [axes], [1, self._shape[-1]], "ReducerOptions", 2, keepDims=False)

    def add(self) -> "ModelWriter":
        """Add a map to itself."""
        return self._op("ADD", [self._last], self._shape, "AddOptions", 2)

    def build(self) -> bytes:
        """Return the file."""
        self._graph.inputs = np.array([self._frame], np.int32)
        self._graph.outputs = np.array([self._last], np.int32)
        self._model.subgraphs = [self._graph]
        return pack(self._model)

    def _weights(self, shape: Sequence[int], axis: int, terms: int) -> list[int]:
        """Add weights with one scale a channel, and their bias; return their indices."""
        count = shape[axis]
        if self.dtype == "float32":
            real = self._random.normal(0, 1 / np.sqrt(terms), shape).astype(np.float32)
            bias = np.zeros(count, np.float32)
            return [self._constant(real, "float32", []), self._constant(bias, "float32", [])]
        scale = 1 / (64 * float(np.sqrt(terms)))
        whole = self._random.integers(-127, 128, shape, np.int8)
        index = self._constant(whole, "int8", [scale] * count)
        self._graph.tensors[index].quantization.quantizedDimension = axis
        bias = np.zeros(count, np.int32)
        return [index, self._constant(bias, "int32", [scale * SCALE] * count)]

    def _constant(self, data: NDArray[Any], dtype: str, scales: Sequence[float]) -> int:
        index = self._tensor(data.shape, dtype, scales)
        self._graph.tensors[index].buffer = len(self._model.buffers)
        buffer = self._types.BufferT()
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return index

    def _tensor(self, shape: Sequence[int], dtype: str, scales: Sequence[float]) -> int:
        tensor = self._types.TensorT()
        tensor.name = f"t{len(self._graph.tensors)}"
        tensor.shape = np.array(shape, np.int32)
        tensor.type = getattr(self._types.TensorType, dtype.upper())
        tensor.buffer = 0
        if dtype != "float32" and scales:
            tensor.quantization = self._types.QuantizationParametersT()
            tensor.quantization.scale = np.array(scales, np.float32)
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _op(
        self, name: str, more: list[int], shape: Sequence[int], options: str, version: int,
        **fields: Any,
    ) -> "ModelWriter":  # fmt: skip
        number = getattr(self._types.BuiltinOperator, name)
        code, operator = self._types.OperatorCodeT(), self._types.OperatorT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, number, version
        operator.opcodeIndex = len(self._model.operatorCodes)
        self._model.operatorCodes.append(code)
        operator.builtinOptionsType = getattr(self._types.BuiltinOptions, options)
        operator.builtinOptions = getattr(self._types, f"{options}T")()
        for key, value in fields.items():
            setattr(operator.builtinOptions, key, value)
        out = self._tensor(shape, self.dtype, [SCALE])
        operator.inputs = np.array([self._last, *more], np.int32)
        operator.outputs = np.array([out], np.int32)
        self._graph.operators.append(operator)
        self._last, self._shape = out, list(shape)
        return self


_RELU = {"fusedActivationFunction": 1, "padding": 0}
"""RELU and SAME in the TFLite schema, whose numbers never change."""

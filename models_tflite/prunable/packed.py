"""One ratio as a small file of its own, with a flatbuffer writer: what the patched file must equal.

Needs the TFLite schema, so it is for where models are made; a device patches in place.
"""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.flatbuffer import pack
from edge_infer.models_tflite.prunable.encode import layer_scales
from edge_infer.models_tflite.prunable.layers import LayerValues, decode_layers
from edge_infer.models_tflite.prunable.layout import NO_BIAS, Cut, Layer, RatioCodes
from edge_infer.models_tflite.prunable.outline import Outline

_DTYPES = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def pack_codes(outline: Outline, codes: RatioCodes) -> bytes:
    """Return the model of a ratio."""
    tree = copy.deepcopy(outline.graph.tree)
    graph, layout = tree.subgraphs[0], outline.layout
    for index, scale, zero in zip(layout.activations, codes.scales, codes.zero_points, strict=True):
        _set_quantization(graph.tensors[index], np.array([scale]), np.array([zero], np.int64))
    given = layer_scales(outline, codes.counts, codes.scales)
    values = decode_layers(codes, given)
    channel_ends, bias_ends = given.scale_rows.ends[:-1], given.bias_rows.ends[:-1]
    for cut in layout.cuts:
        _cut_tensor(tree, graph.tensors[cut.owner], cut, _kept(outline, codes, cut))
    for cut in layout.shape_constants:
        buffer = tree.buffers[graph.tensors[cut.owner].buffer]
        words = np.asarray(buffer.data).view(np.int32).copy()
        words[cut.position] = len(_kept(outline, codes, cut))
        buffer.data = words.view(np.uint8)
    for cut in layout.reshapes:
        options = graph.operators[cut.owner].builtinOptions
        options.newShape = np.array(options.newShape, np.int32)
        options.newShape[cut.position] = len(_kept(outline, codes, cut))
    for layer, scales, bias_scales, biases, negative in zip(
        layout.layers,
        np.split(values.scales, channel_ends),
        np.split(values.bias_scales, channel_ends),
        np.split(values.biases, bias_ends),
        np.split(values.negative, channel_ends),
        strict=False,  # np.split of nothing is one empty part
    ):
        _give_values(tree, graph, layer, LayerValues(scales, bias_scales, biases, negative))
    return pack(tree)


def cut_constant(tree: Any, tensor: Any, dimension: int, kept: NDArray[np.intp]) -> None:
    """Keep some positions of a dimension of a constant, in the order given; shapes follow."""
    quantization = tensor.quantization
    scales = quantization.scale
    if len(scales) > 1 and quantization.quantizedDimension == dimension:
        zero_points = np.broadcast_to(quantization.zeroPoint, len(scales))[kept]
        _set_quantization(tensor, np.asarray(scales)[kept], zero_points)
    data = tree.buffers[tensor.buffer].data
    if len(data):
        shape = [int(size) for size in tensor.shape]
        whole = np.asarray(data).view(_DTYPES[len(data) // int(np.prod(shape))]).reshape(shape)
        smaller = np.take(whole, kept, dimension)
        tree.buffers[tensor.buffer].data = np.frombuffer(smaller.tobytes(), np.uint8)


def _kept(outline: Outline, codes: RatioCodes, cut: Cut) -> NDArray[np.intp]:
    return outline.layout.axes[cut.axis].kept(outline.layout.sizes, codes.counts)


def _cut_tensor(tree: Any, tensor: Any, cut: Cut, kept: NDArray[np.intp]) -> None:
    cut_constant(tree, tensor, cut.position, kept)
    for field in ("shape", "shapeSignature"):
        sizes = getattr(tensor, field)
        if len(sizes) and sizes[cut.position] != -1:
            sizes = np.array(sizes, np.int32)
            sizes[cut.position] = len(kept)
            setattr(tensor, field, sizes)


def _give_values(tree: Any, graph: Any, layer: Layer, values: LayerValues) -> None:
    weights = graph.tensors[layer.weights]
    zeros = np.zeros(len(values.scales), np.int64)
    _set_quantization(weights, values.scales, zeros)
    along = [1] * len(weights.shape)
    along[weights.quantization.quantizedDimension] = len(values.negative)
    buffer = tree.buffers[weights.buffer]
    whole = np.asarray(buffer.data).view(np.int8).reshape(weights.shape)
    signed = np.where(values.negative.reshape(along), -whole, whole)
    buffer.data = np.frombuffer(signed.tobytes(), np.uint8)
    if layer.bias != NO_BIAS:
        bias = graph.tensors[layer.bias]
        _set_quantization(bias, values.bias_scales, zeros)
        tree.buffers[bias.buffer].data = np.frombuffer(values.biases.tobytes(), np.uint8)


def _set_quantization(
    tensor: Any, scales: NDArray[np.float32], zero_points: NDArray[np.int64]
) -> None:
    tensor.quantization.scale = scales.astype(np.float32)
    tensor.quantization.zeroPoint = zero_points.astype(np.int64)

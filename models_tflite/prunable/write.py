"""Write prunable files: one full-width model that carries all its ratios.

Needs the TFLite schema, so it is for where models are made; a device patches in place. A ratio can
also be packed as a small file of its own, which the patched file must equal.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.cut import CutStage, cut
from edge_infer.models_tflite.errors import RatioParametersError
from edge_infer.models_tflite.flatbuffer import pack, with_metadata
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable.channels import ChannelGroups, RatioParameters
from edge_infer.models_tflite.prunable.encode import (
    check_names,
    check_parameters,
    encode_ratio,
    layer_scales,
)
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.follow import follow_channels, own_constants
from edge_infer.models_tflite.prunable.layers import LayerValues, decode_layers
from edge_infer.models_tflite.prunable.layout import (
    HASH_BYTES,
    HASH_OFFSET,
    METADATA_NAME,
    NO_BIAS,
    Cut,
    Layer,
    RatioCodes,
    write_payload,
)
from edge_infer.models_tflite.prunable.model import PrunableModel, file_hash
from edge_infer.models_tflite.prunable.outline import Outline, outline

_DTYPES = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
"""Of a constant, by bytes an element: values are moved and negated, never read."""


def write_prunable(
    model: bytes, ratios: Sequence[RatioParameters], channels: ChannelGroups | None = None
) -> bytes:
    """Return a model with one more metadata buffer, from which every ratio can be made.

    Any other runtime reads it as the full-width model that it is.

    Args:
        model: full-width .tflite file, channels sorted, not prunable yet.
        ratios: all but the full width.
        channels: of the whole net, where `model` is a stage that was cut from it; of `model`
            itself if None.

    Raises:
        RatioParametersError: a ratio does not fit the model; names the group or tensor.
        ModelError: the bytes are no TFLite model.
    """
    if FlatModel(model).metadata(METADATA_NAME) is not None:
        raise RatioParametersError("the model is prunable already: start from the plain one")
    drawn = _outlined(model, ratios, channels)
    payload = write_payload(drawn.layout, [encode_ratio(drawn, ratio) for ratio in ratios])
    file = bytearray(pack(with_metadata(drawn.graph.tree, METADATA_NAME, payload)))
    place = FlatModel(bytes(file)).metadata(METADATA_NAME)
    assert place is not None
    start = place.at + HASH_OFFSET
    file[start : start + HASH_BYTES] = file_hash(bytes(file), place)
    written = bytes(file)
    PrunableModel.open(written)  # a reader's checks, before anybody needs it
    return written


def prunable_stages(
    model: bytes,
    exits: Sequence[str],
    ratios: Sequence[RatioParameters],
) -> list[CutStage]:
    """Cut a model at its exits, as `cut` does, and make every stage prunable.

    Args:
        model: the whole net, full width, channels sorted.
        exits: names of the exit heads, first to last.
        ratios: of the whole net; a stage takes what concerns it.

    Raises:
        CutError: the model cannot be cut there.
        RatioParametersError: a ratio does not fit the model.
    """
    whole = own_constants(model)
    channels = follow_channels(whole)
    check_names(ratios, {tensor.name for tensor in Graph(whole).tensors})
    return [
        replace(stage, model=write_prunable(stage.model, ratios, channels))
        for stage in cut(whole, exits)
    ]


def pack_ratio(
    model: bytes, parameters: RatioParameters, channels: ChannelGroups | None = None
) -> bytes:
    """Return the sub-net of one ratio as its own small file: what `materialise` must equal.

    Values pass through the file's coding, so both are equal bit by bit.

    Args:
        model: full-width .tflite file, channels sorted.
        parameters: of the ratio.
        channels: as for `write_prunable`.

    Raises:
        RatioParametersError: the ratio does not fit the model.
    """
    drawn = _outlined(model, [parameters], channels)
    return pack_codes(drawn, encode_ratio(drawn, parameters))


def _outlined(
    model: bytes, ratios: Sequence[RatioParameters], channels: ChannelGroups | None
) -> Outline:
    own = own_constants(model)
    graph = Graph(own)
    if channels is None:
        channels = follow_channels(own)
        check_names(ratios, {tensor.name for tensor in graph.tensors})
    check_parameters(ratios, channels)
    return outline(graph, channels, ratios)


def pack_codes(outline: Outline, codes: RatioCodes) -> bytes:
    """Return the model of a ratio, written from its codes."""
    tree = copy.deepcopy(outline.graph.tree)
    graph, layout = tree.subgraphs[0], outline.layout
    for index, scale, zero in zip(layout.activations, codes.scales, codes.zero_points, strict=True):
        _set_quantization(graph.tensors[index], np.array([scale]), np.array([zero], np.int64))
    given = layer_scales(outline, codes.counts, codes.scales)
    values = decode_layers(codes, given)
    channel_ends, bias_ends = given.scale_rows.ends[:-1], given.bias_rows.ends[:-1]
    for place in layout.cuts:
        _cut_tensor(tree, graph.tensors[place.owner], place, _kept(outline, codes, place))
    for place in layout.shape_constants:
        buffer = tree.buffers[graph.tensors[place.owner].buffer]
        words = np.asarray(buffer.data).view(np.int32).copy()
        words[place.position] = len(_kept(outline, codes, place))
        buffer.data = words.view(np.uint8)
    for place in layout.reshapes:
        options = graph.operators[place.owner].builtinOptions
        options.newShape = np.array(options.newShape, np.int32)
        options.newShape[place.position] = len(_kept(outline, codes, place))
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

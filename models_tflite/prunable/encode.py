"""From the parameters of a ratio to its codes in a file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import RatioParametersError
from edge_infer.models_tflite.prunable.channels import ChannelGroups, RatioParameters
from edge_infer.models_tflite.prunable.layers import (
    LayerCodes,
    LayerScales,
    Rows,
    encode_layer,
    join_layers,
)
from edge_infer.models_tflite.prunable.layout import NO_BIAS, RATIO_NAME, Layer, RatioCodes
from edge_infer.models_tflite.prunable.outline import Outline

_MOST_NEGATIVE = -128
"""Has no negative in int8; converters do not use it for weights."""


def check_parameters(ratios: Sequence[RatioParameters], channels: ChannelGroups) -> None:
    """Check that ratios can be those of a model.

    Raises:
        RatioParametersError: a name is no ratio below 1 or stands twice, a group is unknown (near
            ones are named), frozen, or does not have so many channels.
    """
    names = [ratio.name for ratio in ratios]
    for name in names:
        if not RATIO_NAME.fullmatch(name) or names.count(name) > 1 or len(name) > 100:
            raise RatioParametersError(
                f"{name!r} cannot name a ratio: write each once, as 0.75; the full width is given "
                "by the model itself"
            )
    groups = {group.key: group for group in channels.groups}
    for ratio in ratios:
        for key, count in ratio.keep.items():
            if key not in groups:
                known = ", ".join(group.key for group in channels.open[:5])
                raise RatioParametersError(f"no group {key!r}; there are: {known}, ...")
            group = groups[key]
            if not 1 <= count <= group.size or (group.frozen and count != group.size):
                reason = f": {group.frozen}" if group.frozen else ""
                raise RatioParametersError(
                    f"ratio {ratio.name} keeps {count} of {group.size} channels of {key}{reason}"
                )


def check_names(ratios: Sequence[RatioParameters], names: set[str]) -> None:
    """Check that ratios speak of tensors that a whole model has.

    Raises:
        RatioParametersError: names one that it has not.
    """
    for ratio in ratios:
        for name in (*ratio.quantisation, *ratio.biases, *ratio.signs):
            if name not in names:
                raise RatioParametersError(f"ratio {ratio.name}: the model has no tensor {name}")


def encode_ratio(outline: Outline, ratio: RatioParameters) -> RatioCodes:
    """Return the codes of a ratio.

    Raises:
        RatioParametersError: an array has the wrong length, or its values fit no code.
    """
    sizes = dict(zip(outline.keys, outline.layout.sizes, strict=True))
    counts = tuple(ratio.keep.get(key, size) for key, size in sizes.items())
    names = [outline.graph.tensors[index].name for index in outline.layout.activations]
    given = [ratio.quantisation[name] for name in names]
    for name, (scales, zero_points) in zip(names, given, strict=True):
        _check_length(ratio, name, scales, 1)
        _check_length(ratio, name, zero_points, 1)
    scales = np.array([scales[0] for scales, _ in given], np.float32)
    relative = layer_scales(outline, counts, scales)
    edges = zip(relative.sources, relative.outputs, strict=True)
    return join_layers(
        ratio.name,
        counts,
        scales,
        np.array([zero_points[0] for _, zero_points in given], np.int16),
        [
            _encode(outline, ratio, counts, layer, edge)
            for layer, edge in zip(outline.layout.layers, edges, strict=True)
        ],
    )


def layer_scales(
    outline: Outline, counts: Sequence[int], scales: NDArray[np.float32]
) -> LayerScales:
    """Return what the codes of a ratio are relative to.

    Args:
        outline: of the file.
        counts: channels kept of each group.
        scales: of the activations that ratios change.
    """
    layers = outline.layout.layers
    full = [_full_scales(outline, layer, counts) for layer in layers]
    of = dict(zip(outline.layout.activations, scales, strict=True))
    tensors = outline.graph.tensors
    return LayerScales(
        full=np.concatenate([np.zeros(0, np.float32), *full]),
        scale_rows=Rows(np.array([len(own) for own in full], np.int64)),
        bias_rows=Rows(np.array([_bias_count(outline, x, counts) for x in layers], np.int64)),
        sources=np.array([of.get(x.source, tensors[x.source].scale) for x in layers], np.float32),
        outputs=np.array([of.get(x.output, tensors[x.output].scale) for x in layers], np.float32),
    )


def _full_scales(outline: Outline, layer: Layer, counts: Sequence[int]) -> NDArray[np.float32]:
    full = np.array(outline.graph.tensors[layer.weights].scales, np.float32)
    axis = outline.axis(layer.weights, outline.channel_dimension(layer.weights))
    if axis is None or len(full) == 1:
        return full
    return full[axis.kept(outline.layout.sizes, counts)]


def _bias_count(outline: Outline, layer: Layer, counts: Sequence[int]) -> int:
    if layer.bias == NO_BIAS:
        return 0
    axis = outline.axis(layer.bias, 0)
    return axis.size(counts) if axis else outline.graph.tensors[layer.bias].elements


def _encode(
    outline: Outline,
    ratio: RatioParameters,
    counts: Sequence[int],
    layer: Layer,
    edges: tuple[np.float32, np.float32],
) -> LayerCodes:
    tensors = outline.graph.tensors
    name, full = tensors[layer.weights].name, _full_scales(outline, layer, counts)
    scales, _ = ratio.quantisation.get(name, (full, None))
    _check_length(ratio, name, scales, len(full))
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise RatioParametersError(f"ratio {ratio.name}: a scale of {name} is not above 0")
    biases = np.zeros(0, np.int32)
    if layer.bias != NO_BIAS:
        bias = tensors[layer.bias].name
        biases = ratio.biases[bias]
        _check_length(ratio, bias, biases, _bias_count(outline, layer, counts))
    negative = ratio.signs.get(name, np.ones(len(full), np.int8)) < 0
    _check_length(ratio, name, negative, len(full))
    if negative.any():
        _check_negatable(outline, layer.weights)
    return encode_layer(name, full, scales.astype(np.float32), biases, negative, edges)


def _check_length(
    ratio: RatioParameters, name: str, values: NDArray[np.generic], count: int
) -> None:
    if values.shape != (count,):
        raise RatioParametersError(
            f"ratio {ratio.name}: {name} has values of shape {list(values.shape)}, wants [{count}]"
        )


def _check_negatable(outline: Outline, weights: int) -> None:
    raw = outline.graph.tree.subgraphs[0].tensors[weights]
    values = np.asarray(outline.graph.tree.buffers[raw.buffer].data).view(np.int8)
    if values.min() == _MOST_NEGATIVE:
        name = outline.graph.tensors[weights].name
        raise RatioParametersError(f"{name} holds -128, which has no negative: clip it at -127")

"""Write prunable files: one full-width model that carries all its ratios."""

from collections.abc import Sequence
from dataclasses import replace

from edge_infer.models_tflite.cut import CutStage, cut
from edge_infer.models_tflite.flatbuffer import pack, with_metadata
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable.channels import ChannelGroups
from edge_infer.models_tflite.prunable.encode import check_names, check_parameters, encode_ratio
from edge_infer.models_tflite.prunable.errors import RatioParametersError
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.follow import follow_channels
from edge_infer.models_tflite.prunable.layout import METADATA_NAME
from edge_infer.models_tflite.prunable.model import PrunableModel, file_hash
from edge_infer.models_tflite.prunable.outline import Outline, outline
from edge_infer.models_tflite.prunable.own_constants import own_constants
from edge_infer.models_tflite.prunable.packed import pack_codes
from edge_infer.models_tflite.prunable.parameters import RatioParameters
from edge_infer.models_tflite.prunable.payload import HASH_BYTES, HASH_OFFSET, write_payload


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

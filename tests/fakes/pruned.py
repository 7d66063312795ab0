"""Running models for comparison, and models that are changed for a test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.fakes.ratio_parameters import LAYERS

from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.flatbuffer import pack
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node
from edge_infer.models_tflite.prunable import follow_channels, own_constants
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.layout import HASH_BYTES, HASH_OFFSET, METADATA_NAME
from edge_infer.models_tflite.prunable.model import file_hash

_DTYPES = {"int8": np.int8, "int32": np.int32, "float32": np.float32}


def outputs(backend: Backend, model: bytes, frames: NDArray[Any]) -> NDArray[Any]:
    """Return all outputs, one row a frame."""
    interpreter = backend.load_vouched(model)
    (source,) = interpreter.get_input_details()
    rows = []
    for frame in frames:
        interpreter.set_tensor(source["index"], frame)
        interpreter.invoke()
        found = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
        rows.append(np.concatenate([values.reshape(-1) for values in found]))
    return np.array(rows)


def zeroed(model: bytes, keep: Mapping[str, int]) -> bytes:
    """Return the full-width model with weights and biases of the pruned channels at zero."""
    own = own_constants(model)
    graph, channels = Graph(own), follow_channels(own)
    counts = channels.counts(keep)
    for node in graph.nodes:
        for position, dimension in _outputs(graph, node):
            tensor = graph.operand(node, position)
            axis = channels.axes.get((tensor.name, dimension))
            if axis is None:
                continue
            kept = axis.kept(channels.sizes, counts)
            buffer = graph.tree.buffers[graph.tree.subgraphs[0].tensors[tensor.index].buffer]
            values = np.frombuffer(bytes(buffer.data), _DTYPES[tensor.dtype]).reshape(tensor.shape)
            values = values.copy()
            pruned = np.setdiff1d(np.arange(tensor.shape[dimension]), kept)
            values[(slice(None),) * dimension + (pruned,)] = tensor.zero_point
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    return pack(graph.tree)


def rehashed(file: bytes) -> bytes:
    """Return a prunable file that was changed, its hash made right again if it has one still."""
    place = FlatModel(file).metadata(METADATA_NAME)
    if place is None:
        return file
    start = place.at + HASH_OFFSET
    return file[:start] + file_hash(file, place) + file[start + HASH_BYTES :]


def _outputs(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """Return input and dimension of what a node gives its output channels by."""
    if node.op in LAYERS:
        given = [(1, LAYERS[node.op]), (2, 0)]
        return [(p, d) for p, d in given if p < len(node.inputs) and node.inputs[p] != NO_TENSOR]
    if node.op not in ("ADD", "MUL", "SUB"):
        return []
    tensors = [graph.tensors[index] for index in node.inputs]
    return [(p, len(t.shape) - 1) for p, t in enumerate(tensors) if t.constant and t.shape]

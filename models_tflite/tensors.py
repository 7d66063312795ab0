"""Tensors in words, and what their shapes say of them."""

from collections.abc import Sequence

from edge_infer.models_tflite.graph import Graph, Tensor


def is_vector(tensor: Tensor) -> bool:
    """Tell whether a tensor is [1, N], [1, 1, 1, N] or the like, with two values or more."""
    return tensor.elements >= 2 and max(tensor.shape, default=0) == tensor.elements


def output_name(graph: Graph, tensor: Tensor) -> str:
    """Return the name that a signature gives an output, else the tensor's own."""
    names = {index: name for name, index in reversed(graph.output_names().items())}
    return names.get(tensor.index, tensor.name)


def described(graph: Graph, tensors: Sequence[Tensor]) -> str:
    """Return tensors with shape and dtype, each by the name that a signature gives it, if any."""
    return ", ".join(
        f"{output_name(graph, tensor)} {list(tensor.shape)} {tensor.dtype}" for tensor in tensors
    )


def outputs_text(graph: Graph) -> str:
    """Return the outputs of a model with shapes and dtypes."""
    return described(graph, [graph.tensors[index] for index in graph.outputs])

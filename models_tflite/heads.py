"""Outputs of a model: which may be the head of a classifier, and what the others look like."""

from edge_infer.models_tflite.errors import ModelError, ModelNotSupportedError
from edge_infer.models_tflite.graph import Graph, Tensor
from edge_infer.models_tflite.lint import head_operator
from edge_infer.models_tflite.tensors import is_vector, outputs_text

_QUANTISED = ("int4", "int8", "uint8", "int16", "uint16")
_ENDS = ("SOFTMAX", "LOG_SOFTMAX")
"""Operators that nothing but class scores go through."""
_SCORING = ("FULLY_CONNECTED", "SOFTMAX")
"""Operators whose result inside a graph may be an exit head."""


def find_heads(graph: Graph) -> list[Tensor]:
    """Return the tensors that may be exit heads, in order: outputs, and dense layers inside.

    Those inside have as many scores as an output has.
    """
    outputs = [graph.tensors[index] for index in graph.outputs]
    sizes = {tensor.elements for tensor in outputs if is_vector(tensor)}
    inside = [
        graph.tensors[tensor]
        for node in graph.nodes
        if node.op in _SCORING
        for tensor in node.outputs
    ]
    found = [tensor for tensor in inside if is_vector(tensor) and tensor.elements in sizes]
    found += [tensor for tensor in outputs if is_vector(tensor)]
    heads = {tensor.index: tensor for tensor in found}
    for node in graph.nodes:
        if node.op == "SOFTMAX" and set(node.outputs) & set(heads):
            heads.pop(graph.operand(node, 0).index, None)  # the same head, a step before
    return list(heads.values())


def check_parameters(graph: Graph, where: str) -> None:
    """Raise ModelError where an integer input or output says not what its integers stand for."""
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for tensor in (graph.tensors[index] for index in indices):
            if tensor.dtype in _QUANTISED and not any(tensor.scales):
                raise ModelError(
                    f"{where}: the {what} {tensor.name} {list(tensor.shape)} is {tensor.dtype} and "
                    "has no quantisation parameters (scale, zero point): convert the model again "
                    "to int8 or uint8 with a representative data set, and keep them"
                )


def check_classifier(graph: Graph, where: str, labelled: bool) -> None:
    """Check that the last output is a classifier's, by its shape, and by softmax or labels.

    Args:
        graph: the model.
        where: name of the file, for the messages.
        labelled: there are labels that fit its scores.

    Raises:
        ModelNotSupportedError: a map, boxes, an embedding, a mask, or one value.
    """
    head = graph.tensors[graph.outputs[-1]]
    what = f"{where}: the output {outputs_text(graph)}"
    if head.elements < 2:
        count = "1 value" if head.elements else "no value"
        raise ModelNotSupportedError(
            f"{what} has {count}: not a classifier, which has a score for each of "
            "two or more classes"
        )
    if not is_vector(head):
        raise ModelNotSupportedError(
            f"{what} is a map or a table, not a classifier's [1, classes]: give a model that ends "
            "in class scores, or name the output that is one with --head OUTPUT"
        )
    if not labelled and head_operator(graph, len(graph.outputs) - 1) not in _ENDS:
        raise ModelNotSupportedError(
            f"{what} has no softmax and came without labels: it may be an embedding or a mask; if "
            f"its {head.elements} values are class scores, give --labels FILE or "
            f"--head {head.name}"
        )


def check_depends(graph: Graph, where: str) -> None:
    """Raise ModelNotSupportedError where the last output is not computed from the input."""
    head, known = graph.outputs[-1], set(graph.inputs)
    for node in graph.nodes:
        if known & set(node.inputs):
            known |= set(node.outputs)
    if head in graph.inputs or head not in known:
        what = "the input itself" if head in graph.inputs else "computed from no input"
        raise ModelNotSupportedError(
            f"{where}: the output {outputs_text(graph)} is {what}: not a classifier"
        )

"""Operators of a model with their multiply-accumulates: what a device models its cost with."""

import math

from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node, Tensor
from edge_infer.models_tflite.stage_spec import Op


def list_ops(graph: Graph) -> tuple[Op, ...]:
    """Return the operators of a graph in execution order."""
    return tuple(_op(graph, node) for node in graph.nodes)


def node_macs(graph: Graph, node: Node) -> int:
    """Return the multiply-accumulates of one invocation; 0 for operators that only move or add.

    Weight layouts are those of the TFLite kernels: CONV_2D and TRANSPOSE_CONV [O, H, W, I],
    DEPTHWISE_CONV_2D [1, H, W, O], CONV_3D [D, H, W, I, O], FULLY_CONNECTED [O, I].
    """
    outputs = _elements(graph, node)
    match node.op:
        case "CONV_2D" | "FULLY_CONNECTED":
            return outputs * math.prod(graph.operand(node, 1).shape[1:])
        case "DEPTHWISE_CONV_2D":
            return outputs * math.prod(graph.operand(node, 1).shape[1:3])
        case "CONV_3D":
            return outputs * math.prod(graph.operand(node, 1).shape[:4])
        case "TRANSPOSE_CONV":  # each input value meets the whole kernel
            return activation(graph, node).elements * math.prod(graph.operand(node, 1).shape[:3])
        case "BATCH_MATMUL":
            inner = slice(-2, -1) if getattr(node.options, "adjX", False) else slice(-1, None)
            return outputs * math.prod(graph.operand(node, 0).shape[inner])
        case "SVDF":
            weights = graph.operand(node, 1).elements + graph.operand(node, 2).elements
            return math.prod(graph.operand(node, 0).shape[:1]) * weights
        case name if name.endswith(("LSTM", "RNN")):
            return _recurrent_macs(graph, node)
        case _:
            return 0


def activation(graph: Graph, node: Node) -> Tensor:
    """Return the input of a node that is no weight: TRANSPOSE_CONV has it third."""
    return graph.operand(node, 2 if node.op == "TRANSPOSE_CONV" else 0)


def _recurrent_macs(graph: Graph, node: Node) -> int:
    """Each weight matrix is used once a time step and batch entry.

    Input [N, T, I] or [T, N, I] of the kernels of sequences, [N, I] of LSTM and RNN.
    """
    steps = math.prod(graph.operand(node, 0).shape[:-1])
    tensors = [graph.tensors[index] for index in node.inputs[1:] if index != NO_TENSOR]
    return steps * sum(t.elements for t in tensors if t.constant and len(t.shape) == 2)


def _op(graph: Graph, node: Node) -> Op:
    shape = graph.tensors[node.outputs[0]].shape if node.outputs else ()
    return Op(
        op=node.custom or node.op,
        macs=node_macs(graph, node),
        elements=_elements(graph, node),
        channels=shape[-1] if shape else 1,
        taps=_taps(graph, node),
        inputs=sum(
            graph.tensors[i].elements
            for i in node.inputs
            if i != NO_TENSOR and not graph.tensors[i].constant
        ),
    )


def _taps(graph: Graph, node: Node) -> int:
    """Return the positions of the window; weight layouts as for `node_macs`."""
    match node.op:
        case "CONV_2D" | "TRANSPOSE_CONV" | "DEPTHWISE_CONV_2D":
            return math.prod(graph.operand(node, 1).shape[1:3])
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            if node.options is None:
                raise ModelError(f"an operator {node.op} has no window: the file is damaged")
            return int(node.options.filterHeight) * int(node.options.filterWidth)
        case _:
            return 1


def _elements(graph: Graph, node: Node) -> int:
    return graph.tensors[node.outputs[0]].elements if node.outputs else 0

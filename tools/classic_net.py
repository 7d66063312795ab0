"""The classic net: the same net without its early exits, as one model, for comparison."""

from collections.abc import Iterable

from boards.work import OpWork, Work
from models_tflite import Bundle
from models_tflite.graph import Graph
from models_tflite.ops import list_ops

CLASSIC = "classic"
"""Name of its one stage."""


def classic_work(bundle: Bundle) -> Work:
    """Return the work of the last exit alone: one invocation, no exit heads, no decision.

    Operators that only earlier exits need are left out; of a little/big bundle the big net stays.
    """
    stages = bundle.manifest.stages
    last_start = max(i for i, stage in enumerate(stages) if stage.input.reads == "frame")
    ops: list[OpWork] = []
    for index in range(last_start, len(stages)):
        graph = Graph(bundle.stage_model(index))
        outputs = stages[index].features or (stages[index].scores.output,)
        needed = _needed(graph, (graph.outputs[output] for output in outputs))
        ops += [
            OpWork(op.op, op.macs, op.elements)
            for node, op in enumerate(list_ops(graph))
            if node in needed
        ]
    return Work(CLASSIC, tuple(ops), decides=False, dtype=stages[-1].arithmetic)


def _needed(graph: Graph, tensors: Iterable[int]) -> set[int]:
    """Return the nodes that compute these tensors."""
    producers = graph.producers()
    needed: set[int] = set()
    open_tensors = list(tensors)
    while open_tensors:
        node = producers.get(open_tensors.pop())
        if node is not None and node not in needed:
            needed.add(node)
            open_tensors += graph.nodes[node].inputs
    return needed

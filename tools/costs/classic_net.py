"""The classic net: the same net without its early exits, as one model, for comparison."""

from boards.work import OpWork, Work
from models_tflite import Bundle
from models_tflite.graph import Graph
from models_tflite.ops import list_ops
from models_tflite.plain_net import plain_net

CLASSIC = "classic"
"""Name of its one stage."""


def classic_work(bundle: Bundle) -> Work:
    """Return the work of the last exit alone: one invocation, no exit heads, no decision."""
    ops = list_ops(Graph(plain_net(bundle).model))
    arithmetic = bundle.manifest.stages[-1].arithmetic
    works = tuple(OpWork(op.op, op.macs, op.elements) for op in ops)
    return Work(CLASSIC, works, decides=False, dtype=arithmetic)

"""The classic net: the same net without its early exits, as one model, for comparison."""

from edge_infer.boards.work import OpWork, Work
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.ops import list_ops
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.runtime.stage_work import row_name

CLASSIC = "classic"
"""Name of its one stage, at full width."""


def classic_work(bundle: Bundle, ratio: str = FULL_RATIO) -> Work:
    """Return the work of the last exit alone: one invocation, no exit heads, no decision.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
    """
    ops = list_ops(Graph(plain_net(bundle, ratio).model))
    arithmetic = bundle.manifest.stages[-1].arithmetic
    works = tuple(OpWork(op.op, op.macs, op.elements) for op in ops)
    return Work(row_name(CLASSIC, ratio), works, decides=False, dtype=arithmetic)

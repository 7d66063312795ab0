"""Stages of a bundle as a board model understands them."""

from boards.work import OpWork, Work
from models_tflite.bundle import Bundle
from models_tflite.stage_spec import Stage


def work_of(stage: Stage, decides: bool) -> Work:
    """Return a stage as a board model understands it."""
    ops = tuple(OpWork(op.op, op.macs, op.elements) for op in stage.ops)
    return Work(stage.name, ops, decides, stage.arithmetic)


def works_of(bundle: Bundle) -> tuple[Work, ...]:
    """Return all stages of a bundle, in order; each but the last decides."""
    stages = bundle.manifest.stages
    return tuple(work_of(stage, i < len(stages) - 1) for i, stage in enumerate(stages))

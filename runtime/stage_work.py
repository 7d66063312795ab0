"""Stages of a bundle as a board model understands them."""

from boards.work import OpWork, Work
from models_tflite.bundle import Bundle
from models_tflite.stage_spec import Stage


def work_of(stage: Stage, index: int, stages: int) -> Work:
    """Return a stage as a board model understands it; each but the last of `stages` decides."""
    ops = tuple(OpWork(op.op, op.macs, op.elements) for op in stage.ops)
    decides, first = index < stages - 1, index == 0
    return Work(stage.name, ops, decides, first, stage.arithmetic)


def works_of(bundle: Bundle) -> tuple[Work, ...]:
    """Return all stages of a bundle, in order."""
    stages = bundle.manifest.stages
    return tuple(work_of(stage, i, len(stages)) for i, stage in enumerate(stages))

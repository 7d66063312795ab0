"""What a stage asks of a processor, in terms a board model understands; no model is known here."""

from dataclasses import dataclass
from typing import NamedTuple


class OpWork(NamedTuple):
    """One operator of a TFLite graph."""

    op: str
    """Builtin operator name, for example CONV_2D."""
    macs: int
    """Multiply-accumulates of one invocation."""
    elements: int
    """Elements of the output tensor."""


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation of one stage: its operators in execution order."""

    name: str
    """Name of the stage, unique in its bundle (with the ratio, for prunable stages)."""
    ops: tuple[OpWork, ...]
    decides: bool = True
    """An exit decision follows the invocation (false for the last stage)."""
    first: bool = True
    """An inference begins with it: what is done once a frame is counted here."""
    dtype: str = "int8"
    """Arithmetic of the kernels: int8, uint8 or float32."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all operators."""
        return sum(op.macs for op in self.ops)

"""What the manifest says of one stage: its input, its exit head, its operators.

Raw scores and features stay in the units of their tensor, real = scale * (raw - zero_point).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Dtype = Literal["int8", "uint8", "float32"]


class Op(NamedTuple):
    """One operator of a stage, in execution order."""

    op: str
    """Builtin operator name of the TFLite schema, for example CONV_2D."""
    macs: int
    """Multiply-accumulates of one invocation."""
    elements: int
    """Elements of the first output tensor."""
    channels: int = 0
    """Last dimension of the first output; 0 in manifests from before it was kept."""
    taps: int = 1
    """Positions of the window: 9 for 3x3."""
    inputs: int = 0
    """Elements of the inputs that are no constants; 0 as for channels."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that enters a stage."""

    shape: tuple[int, ...]
    """Without the batch dimension, which is 1."""
    dtype: Dtype
    scale: float = 0.0
    """0 for float32."""
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a frame becomes the real values of a stage's input: (value - mean) / std."""

    source: Literal["uint8", "int8", "float32"] = "uint8"
    """Dtype of the frames."""
    mean: tuple[float, ...] = (0.0,)
    """In units of the frame; one, or one per channel."""
    std: tuple[float, ...] = (1.0,)
    resize: Literal["none", "bilinear", "nearest"] = "none"
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    """Layout of the model's tensor; frames are always [H, W, C]."""
    background: tuple[int, ...] | None = None
    """What stands behind transparent images, one value or one per channel; None refuses them."""


@dataclass(frozen=True, slots=True)
class StageInput:
    """Where a stage takes its input from."""

    reads: Literal["frame", "previous"]
    """`from` in the document."""
    tensors: tuple[TensorSpec, ...]
    """One for a frame; one per carried feature otherwise (skip connections cross a cut)."""
    preprocess: Preprocess | None = None
    """Present for a frame."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first tensor, without batch."""
        return self.tensors[0].shape

    @property
    def dtype(self) -> Dtype:
        """Dtype of the first tensor."""
        return self.tensors[0].dtype

    @property
    def scale(self) -> float:
        """Scale of the first tensor."""
        return self.tensors[0].scale

    @property
    def zero_point(self) -> int:
        """Zero point of the first tensor."""
        return self.tensors[0].zero_point

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame that needs no resize: [H, W, C] whatever the model's layout."""
        if self.preprocess and self.preprocess.layout == "NCHW" and len(self.shape) == 3:
            channels, height, width = self.shape
            return height, width, channels
        return self.shape


@dataclass(frozen=True, slots=True)
class Scores:
    """The exit head of a stage."""

    output: int
    """Index among the model's outputs."""
    classes: int
    """Values of the head, background included."""
    dtype: Dtype
    scale: float
    zero_point: int
    kind: Literal["logits", "softmax"]
    label_offset: int = 0
    """Leading values without a label (a background class); a loaded stage drops them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One .tflite file of the bundle, run after the stage before it."""

    name: str
    file: str
    input: StageInput
    scores: Scores
    features: tuple[int, ...]
    """Output indices handed to the inputs of the next stage, in order."""
    ops: tuple[Op, ...]
    macs: int
    bytes: int
    arithmetic: Literal["int8", "uint8", "int16", "float32"]
    """Activations of the operator with the most MACs."""
    stateful: bool = False
    """The model has variable tensors: they are reset between frames."""

"""From a model file to its manifest entry: what the flatbuffer itself says."""

from dataclasses import dataclass
from typing import Literal, cast

from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.graph import Graph, Tensor
from edge_infer.models_tflite.lint import find_head_kind, has_state
from edge_infer.models_tflite.ops import activation, list_ops, node_macs
from edge_infer.models_tflite.stage_spec import (
    Dtype,
    Preprocess,
    Scores,
    Stage,
    StageInput,
    TensorSpec,
)

_ARITHMETICS = ("int8", "uint8", "int16", "float32")


@dataclass(frozen=True, slots=True)
class StageDraft:
    """A stage before it is written: the model, and what its flatbuffer does not say."""

    name: str
    """Name of the exit, unique in the bundle; the file is NAME.tflite."""
    model: bytes
    reads: Literal["frame", "previous"] = "frame"
    features: tuple[int, ...] = ()
    """Output indices handed to the next stage."""
    preprocess: Preprocess | None = None
    """For a stage that reads the frame; `identity_preprocess` where frames are raw uint8 pixels."""
    output: int = 0
    """Index of the exit head among the model's outputs."""
    label_offset: int = 0
    """Leading values of the head without a label."""
    origin: str = ""
    """File that the model is from, for messages; the stage's name if empty."""

    @property
    def called(self) -> str:
        """What messages call it."""
        return self.origin or self.name


def describe_stage(draft: StageDraft, graph: Graph) -> Stage:
    """Return the manifest entry of a stage.

    Raises:
        ModelNotSupportedError: a tensor has a dtype or shape that no stage can have.
    """
    if not 0 <= draft.output < len(graph.outputs):
        raise ModelNotSupportedError(
            f"{draft.name}: no output {draft.output}: the model has {len(graph.outputs)}"
        )
    head = graph.tensors[graph.outputs[draft.output]]
    ops = list_ops(graph)
    return Stage(
        name=draft.name,
        file=f"{draft.name}.tflite",
        input=StageInput(
            reads=draft.reads,
            tensors=tuple(tensor_spec(graph.tensors[index]) for index in graph.inputs),
            preprocess=draft.preprocess,
        ),
        scores=Scores(
            output=draft.output,
            classes=head.elements,
            dtype=_dtype(head),
            scale=head.scale,
            zero_point=head.zero_point,
            kind=find_head_kind(graph, draft.output),
            label_offset=draft.label_offset,
        ),
        features=draft.features,
        ops=ops,
        macs=sum(op.macs for op in ops),
        bytes=len(draft.model),
        arithmetic=arithmetic_of(graph),
        stateful=has_state(graph),
    )


def identity_preprocess(graph: Graph, source: Literal["uint8", "int8"] = "uint8") -> Preprocess:
    """Return the preprocess that maps 8-bit frames one to one on an 8-bit input.

    The convention of image models whose quantised range is the pixel range: raw = pixel for
    uint8, raw = pixel - 128 for int8. A float32 input takes the pixel values 0 to 255 as they are.
    Frames of int8 are a model's own int8 input as it is, and pixel - 128 for a uint8 input.

    Raises:
        ModelNotSupportedError: the input is of another type, or has no scale.
    """
    tensor = graph.tensors[graph.inputs[0]]
    dtype = _dtype(tensor)
    if dtype == "float32":
        if source == "int8":
            raise ModelNotSupportedError(
                f"{tensor.name} is float32, no integers that int8 frames could be: give --mean and "
                "--std, or another --source"
            )
        return Preprocess(source)
    shift = (128 if dtype == "int8" else 0) - (128 if source == "int8" else 0)
    # real = scale * (frame - shift - zero_point)
    return Preprocess(source, mean=(float(tensor.zero_point + shift),), std=(1 / tensor.scale,))


def tensor_spec(tensor: Tensor) -> TensorSpec:
    """Return what the manifest says of a tensor that enters a stage."""
    return TensorSpec(tensor.shape[1:], _dtype(tensor), tensor.scale, tensor.zero_point)


def _dtype(tensor: Tensor) -> Dtype:
    integer = tensor.dtype in ("int8", "uint8")
    if not integer and tensor.dtype != "float32":
        raise ModelNotSupportedError(f"{tensor.name} is {tensor.dtype}: wants int8, uint8, float32")
    if integer and tensor.scale <= 0:
        raise ModelNotSupportedError(
            f"{tensor.name} is {tensor.dtype} without one scale: quantise it per tensor"
        )
    return cast(Dtype, tensor.dtype)


def arithmetic_of(graph: Graph) -> Literal["int8", "uint8", "int16", "float32"]:
    """Return the activation dtype of the operator with the most MACs; the input's if none has."""
    heaviest = max(graph.nodes, key=lambda node: node_macs(graph, node), default=None)
    dtype = graph.tensors[graph.inputs[0]].dtype if graph.inputs else "float32"
    if heaviest is not None and node_macs(graph, heaviest):
        dtype = activation(graph, heaviest).dtype
    return cast(
        Literal["int8", "uint8", "int16", "float32"], dtype if dtype in _ARITHMETICS else "float32"
    )

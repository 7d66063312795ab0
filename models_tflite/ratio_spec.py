"""What the manifest says of pruning ratios: channels kept, and what changes in each stage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from edge_infer.models_tflite.stage_spec import Op, Stage, TensorSpec

FULL_RATIO = "1.0"
"""The full width, which every bundle has."""


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that one count per ratio cuts."""

    key: str
    """Name of the constant in the model that makes them."""
    channels: int
    """At full width."""


@dataclass(frozen=True, slots=True)
class RatioStage:
    """What a stage has at a ratio; the rest is as at full width."""

    tensors: tuple[TensorSpec, ...]
    """Its input."""
    scale: float
    """Of its scores."""
    zero_point: int
    """Of its scores."""
    ops: tuple[Op, ...]
    macs: int


@dataclass(frozen=True, slots=True)
class RatioSpec:
    """One ratio below the full width."""

    keep: tuple[int, ...]
    """Channels kept of each group."""
    stages: tuple[RatioStage, ...]


@dataclass(frozen=True)
class Prunable:
    """How the stages of a bundle can be pruned."""

    format: Literal["prefix-1"]
    """The coding inside the .tflite files: prunable/FORMAT.md."""
    groups: tuple[ChannelGroup, ...]
    auxiliary_bytes: int
    """What all ratios together add to the stage files."""
    ratios: Mapping[str, RatioSpec]


def nearest_ratio(ratios: Iterable[str], wanted: float) -> str:
    """Return the name of the ratio nearest to a number; of two equally near the wider."""
    return min(ratios, key=lambda name: (abs(float(name) - wanted), -float(name)))


def stage_at(stage: Stage, own: RatioStage) -> Stage:
    """Return a stage as it is at a ratio; file and bytes stay those of the full width."""
    return replace(
        stage,
        input=replace(stage.input, tensors=own.tensors),
        scores=replace(stage.scores, scale=own.scale, zero_point=own.zero_point),
        ops=own.ops,
        macs=own.macs,
    )

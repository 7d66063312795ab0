"""A bundle draft whose stages carry pruning ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge_infer.models_tflite.build import BundleDraft
from edge_infer.models_tflite.describe import StageDraft, describe_stage
from edge_infer.models_tflite.graph import Graph, Tensor
from edge_infer.models_tflite.manifest import (
    FULL_RATIO,
    ChannelGroup,
    Prunable,
    RatioSpec,
    RatioStage,
    Thresholds,
    untuned,
)
from edge_infer.models_tflite.prunable.channels import ChannelGroups, RatioParameters
from edge_infer.models_tflite.prunable.follow import follow_channels
from edge_infer.models_tflite.prunable.model import PrunableModel
from edge_infer.models_tflite.prunable.write import write_prunable


def with_ratios(
    draft: BundleDraft,
    whole: bytes,
    ratios: Sequence[RatioParameters],
    thresholds: Mapping[str, Thresholds] | None = None,
) -> BundleDraft:
    """Return a draft whose stages can be pruned, with its manifest entries.

    Args:
        draft: its stages are `whole` itself, or were cut from it.
        whole: the full-width net as `own_constants` returns it, channels sorted.
        ratios: of the whole net, all but the full width.
        thresholds: by ratio; until a ratio is tuned, no frame leaves early at it.

    Raises:
        RatioParametersError: a ratio does not fit the net.
    """
    channels = follow_channels(whole)
    models = [write_prunable(stage.model, ratios, channels) for stage in draft.stages]
    stages = [replace(s, model=model) for s, model in zip(draft.stages, models, strict=True)]
    plain = sum(len(stage.model) for stage in draft.stages)
    full = draft.thresholds[FULL_RATIO]
    fallback = untuned([_head(stage).dtype for stage in stages[:-1]], full.criterion)
    given = thresholds or {}
    return replace(
        draft,
        kinds=tuple(dict.fromkeys((*draft.kinds, "prunable"))),
        ratios=(FULL_RATIO, *(ratio.name for ratio in ratios)),
        stages=stages,
        thresholds={FULL_RATIO: full} | {r.name: given.get(r.name, fallback) for r in ratios},
        prunable=_described(stages, channels, ratios, sum(map(len, models)) - plain),
    )


def _head(stage: StageDraft) -> Tensor:
    graph = Graph(stage.model)
    return graph.tensors[graph.outputs[stage.output]]


def _described(
    stages: Sequence[StageDraft],
    channels: ChannelGroups,
    ratios: Sequence[RatioParameters],
    auxiliary_bytes: int,
) -> Prunable:
    opened = [PrunableModel.open(stage.model) for stage in stages]
    specs = {
        ratio.name: RatioSpec(
            keep=tuple(ratio.keep.get(group.key, group.size) for group in channels.open),
            stages=tuple(
                _ratio_stage(stage, model.materialise(ratio.name))
                for stage, model in zip(stages, opened, strict=True)
            ),
        )
        for ratio in ratios
    }
    groups = tuple(ChannelGroup(group.key, group.size) for group in channels.open)
    return Prunable("prefix-1", groups, auxiliary_bytes, specs)


def _ratio_stage(stage: StageDraft, model: bytes) -> RatioStage:
    described = describe_stage(replace(stage, model=model), Graph(model))
    return RatioStage(
        tensors=described.input.tensors,
        scale=described.scores.scale,
        zero_point=described.scores.zero_point,
        ops=described.ops,
        macs=described.macs,
    )

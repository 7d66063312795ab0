"""What a joint policy knows of each pruning ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models_tflite.manifest import Manifest
from runtime.errors import PolicyError
from runtime.governors.planned import BinOf
from runtime.plan_problem import exit_shares_of
from runtime.predictor import SoftmaxPredictor
from runtime.stage_work import row_name


@dataclass(frozen=True)
class RatioContext:
    """One ratio of a bundle."""

    ratio: str
    stages: tuple[str, ...]
    """Names of its rows in the cost table."""
    exit_shares: tuple[float, ...]
    """Share of held-back inputs that leave at each exit."""
    loss_points: float
    """Accuracy lost against the full width, both without exits, in percentage points."""
    predictor: SoftmaxPredictor | None = None
    bin_of: BinOf | None = None
    """Instead of asking the predictor."""


def ratio_contexts(manifest: Manifest) -> tuple[RatioContext, ...]:
    """Return what a manifest says of its ratios, the full width first.

    Leaving early loses what the ratio's thresholds promise, at every ratio; what the ratio itself
    loses is taken from the accuracies on held-back images that the provenance tells.

    Raises:
        PolicyError: the bundle cannot be pruned, or does not say how accurate its ratios are.
    """
    if manifest.prunable is None:
        raise PolicyError(f"{manifest.name} has no ratios to choose from: it is not prunable")
    names = [stage.name for stage in manifest.stages]
    told = manifest.provenance.get("ratios")
    ratios = sorted(manifest.ratios, key=float, reverse=True)
    found = []
    for ratio in ratios:
        carried = (manifest.predictor or {}).get(ratio)
        predictor = None if carried is None else SoftmaxPredictor.from_document(carried)
        found.append(
            RatioContext(
                ratio,
                tuple(row_name(name, ratio) for name in names),
                _shares(predictor, len(names)),
                _accuracy(told, ratios[0], names[-1], manifest.name)
                - _accuracy(told, ratio, names[-1], manifest.name),
                predictor,
            )
        )
    return tuple(found)


def _shares(predictor: SoftmaxPredictor | None, stages: int) -> tuple[float, ...]:
    """Return the exit shares; a ratio of several exits without a predictor never leaves early."""
    if predictor is not None:
        return exit_shares_of(predictor)
    return (*[0.0] * (stages - 1), 1.0)


def _accuracy(told: Any, ratio: str, stage: str, name: str) -> float:
    found = told
    for key in (ratio, "held_back", stage):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, int | float):
        raise PolicyError(
            f"{name} does not say how accurate its ratio {ratio} is on held-back images: train it "
            "with edge-infer train, or use planned"
        )
    return float(found)


def undominated(ratios: Sequence[RatioContext], costs: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the ratios that can be worth choosing.

    Left out is one that another loses no more than and costs no more than in anything.

    Args:
        ratios: the full width first, which always stays.
        costs: for each ratio figures to compare, such as time and energy at each point.
    """
    kept = []
    for index, own in enumerate(ratios):
        mine = (own.loss_points, *costs[own.ratio])
        better = (
            (other.loss_points, *costs[other.ratio])
            for place, other in enumerate(ratios)
            if place != index
        )
        beaten = any(
            all(a <= b for a, b in zip(their, mine, strict=True)) and their != mine
            for their in better
        )
        if index == 0 or not beaten:
            kept.append(own.ratio)
    return kept

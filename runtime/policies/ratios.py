"""What a joint policy knows of each pruning ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.models_tflite.manifest import Manifest
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.planned import BinOf
from edge_infer.runtime.planning.problem import exit_shares_of
from edge_infer.runtime.predictor import SoftmaxPredictor
from edge_infer.runtime.stage_work import row_name


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
    """Return the exit shares; of a ratio without a predictor every frame is taken to pass all."""
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


def worth_choosing(
    ratios: Sequence[RatioContext], costs: Mapping[str, Sequence[float]]
) -> list[str]:
    """Return the ratios that can be worth choosing.

    Kept are those that a mixture of two others, frame by frame, cannot replace in at least one of
    the costs: the corners of the lower convex hull of loss and cost.

    Args:
        ratios: the full width first, which always stays.
        costs: for each ratio the figures to compare, such as expected time and energy.
    """
    kept = {ratios[0].ratio}
    for index in range(len(costs[ratios[0].ratio])):
        kept |= _corners([(one.loss_points, costs[one.ratio][index], one.ratio) for one in ratios])
    return [one.ratio for one in ratios if one.ratio in kept]


Corner = tuple[float, float, str]
"""Loss, cost and name of a ratio."""


def _corners(points: Sequence[Corner]) -> set[str]:
    """Return the names of the corners, from the least loss to the least cost."""
    hull: list[Corner] = []
    for point in sorted(points):
        if hull and point[1] >= hull[-1][1]:
            continue
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return {name for _, _, name in hull}


def _above(left: Corner, middle: Corner, right: Corner) -> bool:
    """Return True when the middle lies on or above the line between the others."""
    share = (middle[0] - left[0]) / (right[0] - left[0])
    return middle[1] >= left[1] + share * (right[1] - left[1])

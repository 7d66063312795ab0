"""The rival: static nets at their best operating points, alone or two of them mixed by chance.

A static net answers every frame alike. The best one is the cheapest that keeps the bound on
misses and is not shown to be less accurate on the same frames: a one-sided test on the frames where
the two differ (5 %). Two static nets between which a coin decides are a static net as well.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.lab.costs.board_costs import plain_work
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.stage_costs import row_name

ERROR = 0.05
"""How often the test may call a static net less accurate that is not."""
CRITICAL = NormalDist().inv_cdf(1 - ERROR)
STEPS = 60
"""Halvings in search of a mixture."""


@dataclass(frozen=True)
class StaticNet:
    """A net that answers every frame alike."""

    name: str
    work: Work
    """One invocation; its name is the net's."""
    frames: ScoredFrames
    """Of its one exit, in the order of the frames that are compared on."""
    right: NDArray[np.bool_]
    """By frame."""

    @property
    def accuracy(self) -> float:
        """Share of the frames that it answers right."""
        return float(self.right.mean())


@dataclass(frozen=True)
class StaticResult:
    """A static net at an operating point."""

    net: StaticNet
    point: OperatingPoint
    result: ReplayResult


def static_nets(bundle: Bundle, frames: ScoredFrames, ratio: str, name: str) -> list[StaticNet]:
    """Return the nets that a bundle holds: each of its exits alone, at one ratio.

    Args:
        bundle: an open bundle.
        frames: all its stages' scores at the ratio; with labels.
        ratio: one of its ratios.
        name: of the bundle, in the output.
    """
    found = []
    for index, stage in enumerate(bundle.manifest.stages):
        last = index == len(bundle.manifest.stages) - 1
        called = row_name(name if last else f"{name}:{stage.name}", ratio)
        work = plain_work(bundle, ratio, called, index)
        rows = tuple((row[index]._replace(leave=True),) for row in frames.decisions)
        alone = ScoredFrames(
            (frames.scores[index],), rows, np.zeros_like(frames.exits), frames.labels
        )
        found.append(StaticNet(called, work, alone, right_answers(alone)))
    return found


def right_answers(frames: ScoredFrames) -> NDArray[np.bool_]:
    """Return which frames are answered right where they leave."""
    assert frames.labels is not None  # who compares accuracies has asked for them
    answers = [row[exit_].answer for row, exit_ in zip(frames.decisions, frames.exits, strict=True)]
    return np.equal(answers, frames.labels)


def best_points(
    nets: Sequence[StaticNet],
    table: CostTable,
    points: Sequence[OperatingPoint],
    replay: Callable[[StaticNet, OperatingPoint], ReplayResult],
    miss_bound: float,
) -> list[StaticResult]:
    """Return each net at its cheapest point that keeps the bound; nets without one are left out."""
    found = []
    for net in nets:
        too_slow_ns = math.inf
        for point in sorted(points, key=lambda p: _net_nj(table, net.name, p)):
            time_ns = table.row(net.name, point).time_ns
            if time_ns >= too_slow_ns:
                continue
            result = replay(net, point)
            if result.miss_rate <= miss_bound:
                found.append(StaticResult(net, point, result))
                break
            too_slow_ns = time_ns
    return found


def _net_nj(table: CostTable, name: str, point: OperatingPoint) -> float:
    row = table.row(name, point)
    return row.energy_nj - table.idle_reference_uw * row.time_ns / 1e6


def static_document(
    ours: NDArray[np.bool_],
    found: Sequence[StaticResult],
    replay: Callable[[StaticNet, OperatingPoint], ReplayResult],
    miss_bound: float,
) -> dict[str, Any]:
    """Return what the static nets come to, and the best against our answers.

    Args:
        ours: which frames the adaptive net answers right.
        found: each static net at its best point.
        replay: of a net at another point, for mixtures: both nets run at the dearer one's clock.
        miss_bound: share of frames that may miss.
    """
    rows = [_row(ours, each) for each in found]
    options = [_option([each], 1.0, each.result, ours) for each in found]
    for cheap in found:
        for dear in found:
            if dear.net.accuracy > cheap.net.accuracy:
                options += _mixtures(ours, cheap, dear, replay, miss_bound)
    return {
        "nets": rows,
        "images": len(ours),
        "accuracy": float(ours.mean()),
        "best": _cheapest([o for o in options if o["not_less_accurate"]]),
        "best_equal_estimate": _cheapest([o for o in options if o["accuracy"] >= ours.mean()]),
    }


def _cheapest(options: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return min(options, key=lambda option: float(option["net_uj"]), default=None)


def _row(ours: NDArray[np.bool_], each: StaticResult) -> dict[str, Any]:
    return {
        "net": each.net.name,
        "accuracy": each.net.accuracy,
        "clock_khz": each.point.clock_khz,
        "threads": each.point.threads,
        "net_uj": each.result.net_nj_per_inference / 1e3,
        "gross_uj": each.result.gross_nj / each.result.answered / 1e3,
        "miss_percent": 100 * each.result.miss_rate,
        "not_less_accurate": not_less_accurate(ours, [each.net.right], [1.0]),
    }


def _mixtures(
    ours: NDArray[np.bool_],
    cheap: StaticResult,
    dear: StaticResult,
    replay: Callable[[StaticNet, OperatingPoint], ReplayResult],
    miss_bound: float,
) -> list[dict[str, Any]]:
    """Return the mixtures with the least share of the dearer net, by each of the two measures."""
    alike = replay(cheap.net, dear.point) if cheap.point != dear.point else cheap.result
    if alike.miss_rate > miss_bound or (
        alike.net_nj_per_inference >= dear.result.net_nj_per_inference
    ):
        return []
    pair = [cheap.net.right, dear.net.right]
    found = []
    for enough in (
        lambda share: not_less_accurate(ours, pair, [1 - share, share]),
        lambda share: _accuracy(pair, [1 - share, share]) >= ours.mean(),
    ):
        if enough(1.0) and not enough(0.0):
            share = _least(enough)
            low = StaticResult(cheap.net, dear.point, alike)
            found.append(_option([low, dear], share, None, ours))
    return found


def _least(enough: Callable[[float], bool]) -> float:
    """Return the least share that is enough, by halving."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _option(
    members: Sequence[StaticResult], share: float, result: ReplayResult | None,
    ours: NDArray[np.bool_],
) -> dict[str, Any]:  # fmt: skip
    """Return a static net, or the mixture whose last member gets `share` of the frames."""
    shares = [1.0] if len(members) == 1 else [1 - share, share]
    rights = [each.net.right for each in members]

    def mean(of: Callable[[ReplayResult], float]) -> float:
        return sum(s * of(each.result) for s, each in zip(shares, members, strict=True))

    point = members[-1].point
    return {
        "members": [each.net.name for each in members],
        "shares": shares,
        "clock_khz": point.clock_khz,
        "threads": point.threads,
        "accuracy": _accuracy(rights, shares),
        "not_less_accurate": not_less_accurate(ours, rights, shares),
        "net_uj": mean(lambda r: r.net_nj_per_inference) / 1e3,
        "gross_uj": mean(lambda r: r.gross_nj / r.answered) / 1e3,
        "miss_percent": 100 * mean(lambda r: r.miss_rate),
    }


def _accuracy(rights: Sequence[NDArray[np.bool_]], shares: Sequence[float]) -> float:
    return float(sum(s * right.mean() for s, right in zip(shares, rights, strict=True)))


def not_less_accurate(
    ours: NDArray[np.bool_], rights: Sequence[NDArray[np.bool_]], shares: Sequence[float]
) -> bool:
    """Return whether a mixture is not shown to be less accurate than ours, one-sided at 5 %.

    The differences frame by frame (ours right 1, theirs right -1), of which a mixture takes one
    member's by chance, against their standard error under the normal law (McNemar's test for one
    member, without correction).
    """
    differences = [ours.astype(np.float64) - right.astype(np.float64) for right in rights]
    mean = sum(s * float(d.mean()) for s, d in zip(shares, differences, strict=True))
    square = sum(s * float((d**2).mean()) for s, d in zip(shares, differences, strict=True))
    if mean <= 0:
        return True
    return bool(mean / math.sqrt(square / len(ours)) <= CRITICAL)

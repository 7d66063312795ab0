"""Figures of power on several cores: what further ones draw, waiting ones, and float32 kernels.

    above one thread's = (1 + (n - 1) m) * shared * (1 - q (1 - w))

m is a further core over the first, q the share of the time that threads wait for each other, w what
they draw meanwhile over what they draw at work.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge_infer.lab.survey.estimate import Estimate, least_squares, mean_of
from edge_infer.lab.survey.rate_figures import Rates

FLOAT = "float32"
ROUNDS = 8
"""Of Newton's method: in logarithms the model is nearly linear."""
TYPICAL_WAITING = 0.8
"""On a Raspberry Pi 4, over 23 int8 networks; where Newton's method begins."""
Against = tuple[Mapping[str, Any], Mapping[str, float]]
"""A unit of the step, and by model what it adds over one thread at the top clock."""


@dataclass(frozen=True)
class SeveralCores:
    """What several cores draw."""

    more: Estimate
    """A further core over the first."""
    waiting: Estimate
    """What cores draw that wait, over what they draw at work."""
    shared: Mapping[str, Estimate]
    """By arithmetic: over as many cores at int8 kernels."""


class _Seen(NamedTuple):
    name: str
    threads: int
    waits: float
    is_float: bool
    log_ratio: float


def several_cores(
    against: Iterable[Against], by_clock: Mapping[int, Estimate], rates: Rates | None
) -> SeveralCores | None:
    """Return the figures of several cores; None where one thread was tried."""
    seen = [
        _Seen(name, unit["threads"], waits(rates, name, unit["threads"]), name.startswith(FLOAT),
              math.log(ratio / by_clock[unit["khz"]].value))
        for unit, ratios in against
        for name, ratio in ratios.items()
        if unit["threads"] > 1 and unit["khz"] in by_clock and ratio > 0
    ]  # fmt: skip
    if not seen:
        return None
    found = _fitted(seen, None)
    if not 0 <= found.waiting.value <= 1:
        # Short of waiting, nothing tells: the rest is fitted with the nearest that can be.
        inside = min(1.0, max(0.0, found.waiting.value))
        half = found.waiting.half
        rest = _fitted(seen, inside)
        return SeveralCores(rest.more, Estimate(inside, inside - half, inside + half), rest.shared)
    return found


def _fitted(seen: Sequence[_Seen], waiting: float | None) -> SeveralCores:
    """Fit all three figures, or two of them with what waiting cores draw given."""
    more, unless, shared = 1.0, 1 - (TYPICAL_WAITING if waiting is None else waiting), 0.0
    free = waiting is None
    for _ in range(ROUNDS):
        rows, values = [], []
        for each in seen:
            cores, left = 1 + (each.threads - 1) * more, 1 - each.waits * unless
            row = [(each.threads - 1) / cores, float(each.is_float), -each.waits / left]
            rows.append(row if free else row[:2])
            values.append(
                each.log_ratio - math.log(cores) - math.log(left) - shared * each.is_float
            )
        change, _ = least_squares(rows, values, [1.0] * len(values), [e.name for e in seen])
        more, shared = max(0.01, more + change[0].value), shared + change[1].value
        unless = min(0.95, unless + change[2].value) if free else unless
    off = change[2].half if free else 0.0
    factor = math.exp(shared)
    return SeveralCores(
        Estimate(more, more - change[0].half, more + change[0].half),
        Estimate(1 - unless, 1 - unless - off, 1 - unless + off),
        {FLOAT: Estimate(factor, factor * (1 - change[1].half), factor * (1 + change[1].half))},
    )


def by_threads(
    against: Iterable[Against], rates: Rates | None, several: SeveralCores | None
) -> dict[tuple[int, int], Estimate]:
    """Return by threads and clock: int8 kernels at work over one core at the top clock."""
    unless = 0.0 if several is None else 1 - several.waiting.value
    result = {}
    for unit, found in against:
        threads = unit["threads"]
        ratios = [
            ratio / (1 - waits(rates, name, threads) * unless)
            for name, ratio in found.items()
            if threads == 1 or not name.startswith(FLOAT)
        ]
        if ratios:
            result[threads, unit["khz"]] = mean_of(ratios)
    return result


def waits(rates: Rates | None, name: str, threads: int) -> float:
    """Return the share of a model's time that threads wait for each other."""
    if rates is None or rates.parallel is None or threads < 2 or name not in rates.kernel_cycles:
        return 0.0
    sync = rates.sync_cycles[name.split()[0]].value
    p = rates.parallel.value
    kernel = rates.kernel_cycles[name] * (1 - p + p / threads)
    return sync / (kernel + sync + rates.invoke_cycles.value)

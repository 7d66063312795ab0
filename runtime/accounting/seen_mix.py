"""What ran, and what the meter saw of it: two mixes of activities that are nearly the same.

Samples correct the expected power of what ran by how far they were off themselves. Where both
mixes are the same, an error of the learned powers cancels; where they differ, it does not.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from edge_infer.runtime.accounting.activity_power import Activity, parts_of


class SeenMix:
    """The mix of a part of a run: the inferences of one exit, or the waits."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._scatter = 0.0
        """Sum of variances times squared times that single samples stand for."""
        self._ran_ns: Counter[Activity] = Counter()
        self._seen_ns: dict[Activity, float] = {}

    def run(self, activity: Activity, ns: int) -> None:
        """Count time in which an activity ran."""
        self._ran_ns[activity] += ns

    def see(self, ns: int, shares: Sequence[tuple[Activity, float]], variance_uw2: float) -> None:
        """Count time that samples with these shares of activities, and that variance, stand for."""
        self.total_ns += ns
        self.scatter(ns, variance_uw2)
        for activity, share in shares:
            self._seen_ns[activity] = self._seen_ns.get(activity, 0.0) + ns * share

    def scatter(self, ns: int, variance_uw2: float) -> None:
        """Count what a sample's own error adds to that of the mean."""
        self._scatter += variance_uw2 * ns * ns

    @property
    def scatter_uw(self) -> float:
        """Standard error of the mean power by the errors of single samples."""
        return math.sqrt(self._scatter) / self.total_ns

    def unseen(self) -> dict[Activity, float]:
        """Return by activity the share that ran less the share that was seen."""
        difference = {name: -ns / self.total_ns for name, ns in self._seen_ns.items()}
        for activity, ns in self._ran_ns.items():
            parts = parts_of(activity)
            for part in parts:
                share = ns / len(parts) / self.total_ns
                difference[part] = difference.get(part, 0.0) + share
        return difference


def whole(mixes: Iterable[SeenMix], supply: SeenMix) -> SeenMix:
    """Return the mix of all parts of a run.

    Args:
        mixes: of the parts.
        supply: has the scatter alone: one sample may stand for several parts.
    """
    mix = SeenMix()
    mix._scatter = supply._scatter
    for part in mixes:
        mix.total_ns += part.total_ns
        mix._ran_ns.update(part._ran_ns)
        for activity, ns in part._seen_ns.items():
            mix._seen_ns[activity] = mix._seen_ns.get(activity, 0.0) + ns
    return mix

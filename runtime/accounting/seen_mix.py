"""What ran, and what the meter saw of it: two mixes of activities that are nearly the same.

Samples correct the expected power of what ran by how far they were off themselves. Where both
mixes are the same, an error of the learned powers cancels; where they differ, it does not.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from edge_infer.runtime.accounting.activity_power import Activity


class SeenMix:
    """The mix of a part of a run: the inferences of one exit, or the waits."""

    def __init__(self) -> None:
        self.total_ns = 0
        self.squares_ns2 = 0
        """Of the times that single samples stand for."""
        self._ran_ns: Counter[Activity] = Counter()
        self._seen_ns: dict[Activity, float] = {}

    def run(self, activity: Activity, ns: int) -> None:
        """Count time in which an activity ran."""
        self._ran_ns[activity] += ns

    def see(self, ns: int, shares: Sequence[tuple[Activity, float]]) -> None:
        """Count time that the samples with these shares of activities stand for."""
        self.total_ns += ns
        self.squares_ns2 += ns * ns
        for activity, share in shares:
            self._seen_ns[activity] = self._seen_ns.get(activity, 0.0) + ns * share

    @property
    def weight(self) -> float:
        """Sum of the squares of the shares that single samples stand for: 1 / their number."""
        return self.squares_ns2 / self.total_ns**2

    def unseen(self) -> dict[Activity, float]:
        """Return by activity the share that ran less the share that was seen."""
        difference = {name: -ns / self.total_ns for name, ns in self._seen_ns.items()}
        for activity, ns in self._ran_ns.items():
            for part in activity.parts:
                share = ns / len(activity.parts) / self.total_ns
                difference[part] = difference.get(part, 0.0) + share
        return difference


def whole(mixes: Iterable[SeenMix], squares_ns2: int) -> SeenMix:
    """Return the mix of all parts of a run.

    Args:
        mixes: of the parts.
        squares_ns2: of the times that single samples stand for, whatever they saw.
    """
    mix = SeenMix()
    mix.squares_ns2 = squares_ns2
    for part in mixes:
        mix.total_ns += part.total_ns
        mix._ran_ns.update(part._ran_ns)
        for activity, ns in part._seen_ns.items():
            mix._seen_ns[activity] = mix._seen_ns.get(activity, 0.0) + ns
    return mix

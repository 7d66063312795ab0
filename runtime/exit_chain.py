"""How sure staying frames are at each exit, where they go from there, and what leaving would cost.

A frame that its threshold does not let go stands in one of a few bins of the confidence at that
exit; the chain says how likely each outcome at the next exit is, and by how much of a right answer
it would be worse off if it left at once. That is all a planner needs to take leaving for an action.
Of the exits before, only the last one counts (a Markov chain): probabilities and losses are
frequencies of held-back inputs, as plain numbers in the manifest.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from operator import mul
from typing import Any

from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest

KIND = "confidence-bins"
_ROW_SUM = 1e-3
"""By so much shares that are written with seven digits may miss a sum of 1."""


@dataclass(frozen=True)
class LeavingLoss:
    """What is lost, against the last exit, by inputs that leave at one exit, by group."""

    points: tuple[float, ...]
    """Loss of accuracy to count with, in percentage points; below 0 for a gain."""
    changed: tuple[float, ...]
    """Share of the inputs whose answer becomes right or wrong by it, 0 to 1."""


@dataclass(frozen=True)
class ExitChain:
    """The chain of a net with K exits; see the module."""

    edges: tuple[tuple[float, ...], ...]
    """Bounds between the bins, by exit but the last: ascending, in units of
    `ExitDecision.confidence`. A bin begins at its bound."""
    stay_first: tuple[float, ...]
    """Probability that a frame stays at the first exit in each bin; the rest leaves."""
    stay: tuple[tuple[tuple[float, ...], ...], ...]
    """The same of each later exit but the last, a row for each bin at the exit before."""
    forced: tuple[LeavingLoss, ...]
    """By exit but the last and bin: what leaving costs where the threshold says stay; one standard
    error above what was counted."""
    tuned: LeavingLoss
    """By exit: what those lose that leave by their threshold; 0 at the last exit."""
    inputs: int
    """Held-back inputs that were counted."""
    data: str
    """What they were."""

    def bin_of(self, exit_: int, confidence: float) -> int:
        """Return the bin of a frame that stays at an exit."""
        return bisect_right(self.edges[exit_], confidence)

    @property
    def leave_first(self) -> float:
        """Probability of leaving at the first exit."""
        return 1.0 - math.fsum(self.stay_first)

    @property
    def tuned_loss(self) -> tuple[float, float]:
        """Mean points lost and share of answers changed where thresholds alone decide."""
        there, left = [1.0], []
        for table in [(self.stay_first,), *self.stay]:
            columns = zip(*table, strict=True)
            staying = [math.fsum(map(mul, there, column)) for column in columns]
            left.append(math.fsum(there) - math.fsum(staying))
            there = staying
        left.append(math.fsum(there))
        lost = math.fsum(map(mul, left, self.tuned.points))
        return lost, math.fsum(map(mul, left, self.tuned.changed))

    def surest(self, points: float, changed: float, errors: float) -> float:
        """Return a mean loss in points and so many of its standard errors, over the inputs here."""
        variance = max(changed - (points / 100) ** 2, 0.0)
        return points + 100 * errors * math.sqrt(variance / self.inputs)

    def to_document(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], exits: int) -> "ExitChain":
        """Read it from a manifest.

        Args:
            document: as `to_document` gives it.
            exits: that the bundle has.

        Raises:
            ManifestError: of another kind, or not numbers that fit together.
        """
        if document.get("kind") != KIND:
            raise ManifestError(
                f"manifest.json: leaving: kind {document.get('kind')!r} is not known to this "
                f"program, which reads {KIND}"
            )
        try:
            found = cls(
                _rows(document["edges"]), _numbers(document["stay_first"]),
                tuple(map(_rows, document["stay"])), tuple(map(_loss, document["forced"])),
                _loss(document["tuned"]), int(_number(document["inputs"])), str(document["data"]),
            )  # fmt: skip
            found.check(exits)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ManifestError(f"manifest.json: leaving: {error}") from None
        return found

    def check(self, exits: int) -> None:
        """Raise ValueError where the numbers do not fit together or are no probabilities."""
        bins = [len(edges) + 1 for edges in self.edges]
        rows = [(self.stay_first,), *self.stay]
        if not len(bins) == len(rows) == len(self.forced) == exits - 1:
            raise ValueError(f"tells of {len(bins) + 1} exits, the bundle has {exits}")
        if not len(self.tuned.points) == len(self.tuned.changed) == exits or self.inputs < 1:
            raise ValueError("tuned wants one loss an exit, inputs a count above 0")
        before = 1
        for exit_, (own, table) in enumerate(zip(bins, rows, strict=True)):
            loss = self.forced[exit_]
            if len(table) != before or any(len(row) != own for row in table):
                raise ValueError(f"stay of exit {exit_ + 1} is no table of {before} x {own}")
            if not len(loss.points) == len(loss.changed) == own:
                raise ValueError(f"forced of exit {exit_ + 1} wants {own} losses")
            if list(self.edges[exit_]) != sorted(set(self.edges[exit_])):
                raise ValueError(f"edges of exit {exit_ + 1} do not rise")
            for row in table:
                if min(row) < 0 or math.fsum(row) > 1 + _ROW_SUM:
                    raise ValueError(f"stay of exit {exit_ + 1} holds no shares from 0 to 1")
            before = own
        for loss in (*self.forced, self.tuned):
            if any(not 0 <= share <= 1 for share in loss.changed):
                raise ValueError("changed wants shares from 0 to 1")
            if any(abs(points) > 100 for points in loss.points):
                raise ValueError("points wants percentage points")
            # What neighbours are pooled to gains at most what the one of most changes can.
            if min(loss.points) < -100 * max(loss.changed) - _ROW_SUM:
                raise ValueError("points gains more than changed has answers")


def carried_chain(manifest: Manifest, ratio: str = FULL_RATIO) -> ExitChain | None:
    """Return the chain that a bundle carries for a ratio, None where it carries none.

    Raises:
        ManifestError: it is of another kind, or not one for these stages.
    """
    document = (manifest.leaving or {}).get(ratio)
    return None if document is None else ExitChain.from_document(document, len(manifest.stages))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(map(_number, values))


def _rows(rows: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(map(_numbers, rows))


def _loss(document: Mapping[str, Any]) -> LeavingLoss:
    return LeavingLoss(_numbers(document["points"]), _numbers(document["changed"]))

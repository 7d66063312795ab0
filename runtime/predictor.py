"""Exit prediction: where will this input leave, given the raw scores of the first exit?

A softmax regression on what the sorted scores say: the distances of the next scores to the top
one, the margin against the mean, the entropy. Its output is sorted into a few bins by the expected
exit, and each bin carries the share of held-back inputs that left at each exit: so probabilities
are frequencies (histogram binning: Zadrozny and Elkan, ICML 2001), and a planner can solve for each
bin ahead of time. Everything is plain numbers in the manifest.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Protocol

from numpy.typing import NDArray

from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest

KIND = "softmax-sorted-scores"
RANKS = 4
"""Scores below the top one that are looked at."""
_MOST_RANKS = 1000
_LARGEST = 1e12


class ExitPredictor(Protocol):
    """Sorts inputs that did not leave at the first exit into bins of like future."""

    @property
    def leave_first(self) -> float:
        """Share of all inputs that leaves at the first exit, 0 to 1."""
        ...

    @property
    def bin_shares(self) -> Sequence[float]:
        """Share of the staying inputs in each bin; sums to 1."""
        ...

    @property
    def bin_exits(self) -> Sequence[Sequence[float]]:
        """For each bin, the probability of each later exit; each sums to 1."""
        ...

    def bin_of(self, scores: NDArray[Any]) -> int:
        """Return the bin of an input from the first exit's raw scores, shape [classes]."""
        ...


@dataclass(frozen=True)
class SoftmaxPredictor:
    """The predictor of this project; see the module."""

    scale: float
    """Real value of one score unit."""
    ranks: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    """Of each feature over the inputs it was fitted on."""
    weights: tuple[tuple[float, ...], ...]
    """One row per later exit but the first of them, whose logit is 0: a constant, then one weight
    per feature."""
    edges: tuple[float, ...]
    """Bounds between the bins on the expected later exit, ascending."""
    leave_first: float
    bin_shares: tuple[float, ...]
    bin_exits: tuple[tuple[float, ...], ...]
    fitted_on: Mapping[str, Any]
    """Data, number of inputs, and how good: top1 and brier."""

    def __post_init__(self) -> None:
        folded = []
        for row in self.weights:
            slopes = [w / d for w, d in zip(row[1:], self.deviation, strict=True)]
            constant = row[0] - math.fsum(s * m for s, m in zip(slopes, self.mean, strict=True))
            folded.append((constant, tuple(slopes)))
        # The hot path multiplies raw features: standardising is folded into the weights once.
        object.__setattr__(self, "_folded", tuple(folded))

    @property
    def folded(self) -> tuple[tuple[float, tuple[float, ...]], ...]:
        """For each later exit but the first: a constant, and a factor for each raw feature."""
        return self._folded  # type: ignore[attr-defined,no-any-return]

    def bin_of(self, scores: NDArray[Any]) -> int:
        """Return the bin of an input from the first exit's raw scores, shape [classes]."""
        if not self.edges:
            return 0
        return bisect_right(self.edges, self.expected_exit(scores))

    def expected_exit(self, scores: NDArray[Any]) -> float:
        """Return the model's mean later exit: 0 for the next one."""
        total, moment = 1.0, 0.0
        found = score_features(scores.tolist(), self.scale, self.ranks)
        for exit_, (constant, slopes) in enumerate(self._folded, 1):  # type: ignore[attr-defined]
            logit = constant
            for slope, value in zip(slopes, found, strict=True):
                logit += slope * value
            weight = math.exp(min(logit, 50.0))
            total += weight
            moment += exit_ * weight
        return moment / total

    def probabilities(self, scores: NDArray[Any]) -> tuple[float, ...]:
        """Return the probability of each later exit: the frequencies of the bin."""
        return self.bin_exits[self.bin_of(scores)]

    def to_document(self) -> dict[str, Any]:
        """Return plain numbers for the manifest's `predictor[ratio]`."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "SoftmaxPredictor":
        """Read what `to_document` wrote.

        Raises:
            ManifestError: it is of another kind, or a field is missing, of the wrong shape, or no
                number to reckon with.
        """
        if document.get("kind") != KIND:
            raise ManifestError(
                f"manifest.json: predictor is of kind {document.get('kind')!r}, this program knows "
                f"{KIND!r}: use the edge-infer version that made the bundle, or a newer one"
            )
        try:
            fields = {k: _frozen(v) for k, v in document.items() if k != "kind"}
            _check_numbers(fields)
            predictor = cls(**fields)
            _check_shapes(predictor)
        except (TypeError, IndexError, KeyError, ValueError, ArithmeticError) as error:
            raise ManifestError(f"manifest.json: predictor: {error}") from None
        return predictor


def score_features(values: Sequence[float], scale: float, ranks: int) -> list[float]:
    """Return the features of one score row.

    Args:
        values: raw scores, shape [classes], two or more; not kept.
        scale: real value of one score unit.
        ranks: how many scores below the top one count.

    Returns:
        The distances of the next `ranks` scores to the top one, of the mean score to the top one,
        all in real units, and the entropy of the softmax in nats.
    """
    ordered = sorted(values, reverse=True)
    top = ordered[0]
    count = len(ordered)
    features = [(top - ordered[min(rank, count - 1)]) * scale for rank in range(1, ranks + 1)]
    features.append((top - sum(ordered) / count) * scale)
    total = moment = 0.0
    for value in ordered:
        exponent = (value - top) * scale
        if exponent < -12.0:  # e^-12: sorted, so all that follow are smaller still
            break
        weight = math.exp(exponent)
        total += weight
        moment += weight * exponent
    features.append(math.log(total) - moment / total)
    return features


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def carried_predictor(manifest: Manifest, ratio: str = FULL_RATIO) -> SoftmaxPredictor | None:
    """Return the predictor that a bundle carries for a ratio, None where it carries none.

    Raises:
        ManifestError: it is of another kind, or not one for these stages.
    """
    document = (manifest.predictor or {}).get(ratio)
    if document is None:
        return None
    predictor = SoftmaxPredictor.from_document(document)
    later = len(manifest.stages) - 1
    if len(predictor.weights) + 1 != later:
        raise ManifestError(
            f"manifest.json: predictor.{ratio} tells {len(predictor.weights) + 1} later exits "
            f"apart, the bundle has {later}"
        )
    return predictor


def _check_numbers(fields: Mapping[str, Any]) -> None:
    """Raise ValueError for a field that holds something else than finite numbers of sane size."""
    ranks, told = fields["ranks"], fields["fitted_on"]
    if not isinstance(told, Mapping):
        raise ValueError("fitted_on is no object")
    if not isinstance(ranks, int) or not 1 <= ranks <= _MOST_RANKS:
        raise ValueError(f"ranks is {ranks!r}: wants a whole number from 1 to {_MOST_RANKS}")
    if not fields["scale"] > 0 or not all(value > 0 for value in fields["deviation"]):
        raise ValueError("scale and deviation want numbers above 0")
    shares = (fields["leave_first"], *fields["bin_shares"], *chain(*fields["bin_exits"]))
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError("leave_first, bin_shares and bin_exits want shares from 0 to 1")
    numbers = (*fields["mean"], *fields["edges"], *chain(*fields["weights"]), *fields["deviation"])
    for value in (fields["scale"], *numbers, *shares):
        if isinstance(value, bool) or not abs(value) <= _LARGEST:
            raise ValueError(f"{value!r} is no number up to {_LARGEST:g}")


def _check_shapes(predictor: SoftmaxPredictor) -> None:
    features = predictor.ranks + 2
    later = len(predictor.weights) + 1
    shapes = (
        len(predictor.mean) == len(predictor.deviation) == features
        and all(len(row) == features + 1 for row in predictor.weights)
        and len(predictor.bin_shares) == len(predictor.bin_exits) == len(predictor.edges) + 1
        and all(len(row) == later for row in predictor.bin_exits)
    )
    if not shapes:
        raise ValueError("the numbers of weights, bins and exits do not fit together")

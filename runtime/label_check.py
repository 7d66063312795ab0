"""Do answers and labels belong together? Told from how often which answer met which label.

An accuracy at chance, or far below what the manifest says, comes from the input far more often
than from the net: from its range, the order of labels, a class offset, the order of channels. Of
these, what the counts alone can tell is tried: labels offset by one, and classes in another order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_infer.models_tflite.manifest import Manifest

LEAST_FRAMES = 100
"""Labelled frames that a verdict needs."""
_ERRORS = 3.0
"""Standard errors that count as a difference."""
_MOST_OF_ONE = 0.9
"""A larger share of one class leaves no chance to tell by, where no accuracy is stated."""
_FRAMES_PER_CLASS = 5
"""That a permutation needs: of fewer frames, some order always fits."""
_CLEAR_GAIN = 0.1
"""Of the accuracy, that a suggestion must bring."""
_NEARLY = 0.85
"""Of the accuracy that is stated, what a suggestion must reach."""
_SHOWN = 3
_CAUSES = (
    "usual causes: the range of the input (--mean, --std), the order of the labels, classes "
    "counted from 1 or with a background, the order of the channels"
)


@dataclass(frozen=True, slots=True)
class ExpectedAccuracy:
    """What a manifest says of the accuracy."""

    share: float
    inputs: int
    """That it was measured on."""


def expected_accuracy(manifest: Manifest, ratio: str) -> ExpectedAccuracy | None:
    """Return what a manifest says of a ratio, None where it says nothing."""
    calibration = (manifest.calibration or {}).get(ratio)
    if calibration is not None:
        return ExpectedAccuracy(calibration.accuracy, calibration.inputs)
    adaptive, images = (manifest.provenance.get(key) for key in ("adaptive", "images"))
    if not isinstance(adaptive, Mapping) or not isinstance(images, Mapping):
        return None
    percent, inputs = adaptive.get("test"), images.get("test")
    if not isinstance(percent, int | float) or not isinstance(inputs, int) or inputs < 1:
        return None
    return ExpectedAccuracy(percent / 100, inputs)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Another way to read the labels, or the frames, that would be right."""

    kind: Literal["offset", "order", "frames"]
    text: str
    accuracy: float
    """Share right then."""

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"kind": self.kind, "text": self.text, "accuracy": self.accuracy}


@dataclass(frozen=True, slots=True)
class LabelVerdict:
    """What answers and labels say of each other."""

    state: Literal["chance", "short", "as stated", "not stated", "too few frames"]
    frames: int
    """Labelled ones."""
    accuracy: float | None
    chance: float | None
    """Share that answers drawn without looking would have right."""
    expected: ExpectedAccuracy | None
    suggestion: Suggestion | None = None
    common: tuple[str, float] | None = None
    """The answer that was given nearly always, and its share."""

    @property
    def doubtful(self) -> bool:
        """Whether the accuracy is at chance or short of what is stated."""
        return self.state in ("chance", "short")

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "state": self.state,
            "frames": self.frames,
            "accuracy": self.accuracy,
            "chance": self.chance,
            "expected": None if self.expected is None else self.expected.share,
            "suggestion": None if self.suggestion is None else self.suggestion.document(),
            "text": self.text if self.doubtful else None,
        }

    @property
    def text(self) -> str:
        """One line for people."""
        assert self.accuracy is not None and self.chance is not None
        found = f"{100 * self.accuracy:.1f} % of {self.frames} labelled frames are answered right"
        if self.state == "chance":
            line = f"{found}, no more than by chance ({100 * self.chance:.1f} %)"
        else:
            assert self.expected is not None
            line = f"{found}, the manifest says {100 * self.expected.share:.1f} %"
        if self.common is not None:
            line += f"; {100 * self.common[1]:.0f} % of the answers are {self.common[0]!r}"
        if self.suggestion is None:
            return f"{line}; {_CAUSES}"
        return f"{line}; {self.suggestion.text}: {100 * self.suggestion.accuracy:.1f} % right then"


@dataclass
class Confusion:
    """How often which answer met which label."""

    names: Sequence[str]
    """Of the classes."""
    counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By label and answer."""

    def add(self, label: int, answer: int) -> None:
        """Count one labelled frame."""
        self.counts[label, answer] += 1

    def verdict(self, expected: ExpectedAccuracy | None) -> LabelVerdict:
        """Say whether answers and labels belong together.

        Args:
            expected: what the manifest says of the accuracy.
        """
        frames = self.counts.total()
        if frames < LEAST_FRAMES:
            accuracy = self._right(0) / frames if frames else None
            return LabelVerdict("too few frames", frames, accuracy, None, expected)
        accuracy, chance = self._right(0) / frames, self._chance(frames)
        state = self._state(accuracy, chance, frames, expected)
        if state not in ("chance", "short"):
            return LabelVerdict(state, frames, accuracy, chance, expected)
        return LabelVerdict(
            state, frames, accuracy, chance, expected,
            self._suggestion(accuracy, frames, expected), self._common(frames),
        )  # fmt: skip

    def _state(
        self, accuracy: float, chance: float, frames: int, expected: ExpectedAccuracy | None
    ) -> Literal["chance", "short", "as stated", "not stated"]:
        at_chance = accuracy <= chance + _ERRORS * (chance * (1 - chance) / frames) ** 0.5
        if expected is None:
            largest = max(self._marginal(0).values()) / frames
            return "chance" if at_chance and largest <= _MOST_OF_ONE else "not stated"
        spread = expected.share * (1 - expected.share) * (1 / frames + 1 / expected.inputs)
        if accuracy >= expected.share - _ERRORS * spread**0.5:
            return "as stated"
        # Where nearly all frames are of one class, all is chance: then it says nothing.
        return "chance" if at_chance and accuracy < expected.share / 2 else "short"

    def _marginal(self, axis: int) -> Counter[int]:
        found: Counter[int] = Counter()
        for pair, count in self.counts.items():
            found[pair[axis]] += count
        return found

    def _chance(self, frames: int) -> float:
        labels, answers = self._marginal(0), self._marginal(1)
        return sum(count * answers[class_] for class_, count in labels.items()) / frames**2

    def _right(self, offset: int) -> int:
        return sum(n for (label, answer), n in self.counts.items() if answer + offset == label)

    def _common(self, frames: int) -> tuple[str, float] | None:
        ((answer, count),) = self._marginal(1).most_common(1)
        several = len(self._marginal(0)) > 1
        if not several or count < _MOST_OF_ONE * frames:
            return None
        return self._name(answer), count / frames

    def _suggestion(
        self, accuracy: float, frames: int, expected: ExpectedAccuracy | None
    ) -> Suggestion | None:
        """Return the reading of the labels that is clearly better, the simplest first."""
        enough = max(accuracy + _CLEAR_GAIN, _NEARLY * expected.share if expected else 0.5)
        for offset, what in ((1, "above"), (-1, "below")):
            share = self._right(offset) / frames
            if share >= enough:
                text = f"the labels are one {what} the answers, take {-offset:+d} on the labels"
                return Suggestion("offset", text, share)
        order = self._order()
        share = sum(self.counts[pair] for pair in order.items()) / frames
        moved = [pair for pair in order.items() if pair[0] != pair[1]]
        if share < enough or not moved or frames < _FRAMES_PER_CLASS * len(order):
            return None
        told = [f"{self._name(to)!r} for {self._name(label)!r}" for label, to in sorted(moved)]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        text = f"the classes are in another order: the answers are {', '.join(told[:_SHOWN])}{more}"
        return Suggestion("order", text, share)

    def _order(self) -> dict[int, int]:
        """Return the answer that stands for each label: those that met most often, one to one."""
        order: dict[int, int] = {}
        taken: set[int] = set()
        # Of equal counts, a class that stands for itself.
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0][0] != item[0][1]))
        for (label, answer), _ in ranked:
            if label not in order and answer not in taken:
                order[label] = answer
                taken.add(answer)
        return order

    def _name(self, class_: int) -> str:
        return self.names[class_] if 0 <= class_ < len(self.names) else str(class_)

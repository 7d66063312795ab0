"""Does a bundle answer here as it did where it was built?

Exact under the reference kernels that made the golden scores, on any processor. Elsewhere
kernels differ in the last bit (even the reference FULLY_CONNECTED of tflite-runtime 2.14 and
LiteRT 2.3: 2 of 600 int8 values, by 1 LSB), so there only the vectors whose margin is wide must
give the same answer at the same exit. A prunable bundle is tested at every ratio.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.bundle import Bundle, GoldenVectors
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.manifest import FULL_RATIO, BackendInfo
from edge_infer.models_tflite.probe import vouch
from edge_infer.models_tflite.stage import all_models, load_stages

_FLOAT_TOLERANCE = 1e-5
"""Of the spread of the scores: float reference kernels differ between processors."""


class Decision(Protocol):
    """What an exit criterion says of scores."""

    @property
    def leave(self) -> bool:
        """The answer is good enough."""
        ...

    @property
    def answer(self) -> int:
        """Index of the top score."""
        ...


Criterion = Callable[[NDArray[Any]], Decision]
Criteria = Callable[[str], Sequence[Criterion]]
"""By ratio, the exit decision of each stage; the last always leaves."""


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """What the self-test found, at all ratios together."""

    backend: BackendInfo
    ratios: tuple[str, ...]
    vectors: int
    """Golden vectors, counted at each ratio."""
    wide: int
    """Vectors that had to agree: all under the kernels that made them, else the wide ones."""
    exact: bool
    """Every raw score was equal."""
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """No vector that had to agree differed."""
        return not self.failures


def self_test(bundle: Bundle, backend: Backend, criteria: Criteria) -> SelfTestReport:
    """Run the golden vectors of a bundle; a damaged model may crash a child process, not this one.

    Args:
        bundle: an opened bundle.
        backend: the kernels to test.
        criteria: the exit decisions of each ratio.

    Raises:
        ModelError: a stage cannot be loaded or run, or is not as the manifest says.
        BundleVerificationError: the golden file is unusable.
    """
    ratios = bundle.manifest.ratios
    vouch(all_models(bundle), backend)
    found = [_test_ratio(bundle, backend, criteria(ratio), ratio) for ratio in ratios]
    return SelfTestReport(
        backend=backend.info,
        ratios=ratios,
        vectors=sum(each.vectors for each in found),
        wide=sum(each.wide for each in found),
        exact=all(each.exact for each in found),
        failures=tuple(text for each in found for text in each.failures),
    )


class _Found(NamedTuple):
    """What was found at one ratio."""

    vectors: int
    wide: int
    exact: bool
    failures: list[str]


def _test_ratio(
    bundle: Bundle, backend: Backend, criteria: Sequence[Criterion], ratio: str
) -> _Found:
    golden, stages = bundle.golden(ratio), load_stages(bundle, backend, ratio=ratio)
    found = GoldenVectors(golden.frames, run_all(stages, golden.frames))
    exact = all(map(np.array_equal, found.scores, golden.scores))
    if backend.info == replace(bundle.manifest.golden.made_with, arch=backend.arch):
        wide = list(range(len(golden.frames)))
        failures = [] if exact else _inexact(found, golden)
    else:
        wide = [i for i in range(len(golden.frames)) if _is_wide(bundle, golden, criteria, i)]
        failures = [text for i in wide if (text := _difference(found, golden, criteria, i))]
    if ratio != FULL_RATIO:
        failures = [f"ratio {ratio}: {text}" for text in failures]
    return _Found(len(golden.frames), len(wide), exact, failures)


def decide(golden: GoldenVectors, criteria: Sequence[Criterion], vector: int) -> tuple[int, int]:
    """Return the exit and the answer that a vector's scores lead to."""
    for index, (scores, criterion) in enumerate(zip(golden.scores, criteria, strict=True)):
        decision = criterion(scores[vector])
        if decision.leave:
            return index, decision.answer
    raise ValueError("the last criterion has to leave")


def _is_wide(
    bundle: Bundle, golden: GoldenVectors, criteria: Sequence[Criterion], vector: int
) -> bool:
    """A vector is wide if moving the top score by the wide margin changes no decision of it."""
    exit_index, answer = decide(golden, criteria, vector)
    for index in range(exit_index + 1):
        scores = golden.scores[index][vector]
        width = bundle.manifest.golden.wide[index]
        for moved in (_top_moved(scores, -width), _top_moved(scores, width)):
            decision = criteria[index](moved)
            if decision.leave != (index == exit_index):
                return False
            if decision.leave and decision.answer != answer:
                return False
    return True


def _top_moved(scores: NDArray[Any], by: float) -> NDArray[Any]:
    moved = scores.astype(np.float64)
    moved[scores.argmax()] += by
    if np.issubdtype(scores.dtype, np.integer):
        limits = np.iinfo(scores.dtype)
        moved = moved.round().clip(limits.min, limits.max)
    return moved.astype(scores.dtype)


def _difference(
    found: GoldenVectors, golden: GoldenVectors, criteria: Sequence[Criterion], vector: int
) -> str:
    here, there = decide(found, criteria, vector), decide(golden, criteria, vector)
    if here == there:
        return ""
    return (
        f"vector {vector}: answer {here[1]} at exit {here[0]}, the golden one is {there[1]} at "
        f"exit {there[0]}, by a wide margin"
    )


def _inexact(found: GoldenVectors, golden: GoldenVectors) -> list[str]:
    failures = []
    for index, (here, there) in enumerate(zip(found.scores, golden.scores, strict=True)):
        gap = float(np.abs(here.astype(np.float64) - there.astype(np.float64)).max())
        floating = np.issubdtype(there.dtype, np.floating)
        if gap > (_FLOAT_TOLERANCE * float(there.max() - there.min()) if floating else 0):
            count = int((here != there).any(axis=1).sum())
            failures.append(
                f"stage {index}: {count} of {len(here)} vectors differ under the reference kernels,"
                f" by up to {gap:g}"
            )
    return failures

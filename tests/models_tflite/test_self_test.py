"""The self-test: exact where the golden scores were made, clear answers elsewhere."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes.backends import BACKENDS, KERNELS, open_or_skip

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import Bundle, GoldenVectors
from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.models_tflite.self_test import Criterion, SelfTestReport, self_test


class Verdict(NamedTuple):
    leave: bool
    answer: int


def margin_of(threshold: float | None) -> Criterion:
    def judge(scores: NDArray[Any]) -> Verdict:
        second, top = np.sort(scores.astype(int))[-2:]
        return Verdict(threshold is None or top - second >= threshold, int(scores.argmax()))

    return judge


def three(ratio: str) -> Sequence[Criterion]:
    assert ratio == FULL_RATIO, "the bundle has no other"
    return margin_of(40), margin_of(20), margin_of(None)


class Doctored(Bundle):
    """A bundle whose golden vectors or manifest a test has changed."""

    vectors: GoldenVectors

    def golden(self, ratio: str = FULL_RATIO) -> GoldenVectors:
        return self.vectors


def doctored(
    bundle: Bundle, scores: Sequence[NDArray[Any]], manifest: Manifest | None = None
) -> Bundle:
    changed = Doctored(bundle.path, manifest or bundle.manifest)
    frames = bundle.golden().frames
    object.__setattr__(changed, "vectors", GoldenVectors(frames, tuple(scores)))
    return changed


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
def test_a_sound_bundle_passes_everywhere(early_exit: Bundle, name: str, resolver: str) -> None:
    report = self_test(early_exit, open_backend(name, resolver), three)
    assert report.passed
    assert report.vectors == 8
    if (name, resolver) == ("litert", "reference"):
        assert report.exact and report.wide == 8


def one_step_off(bundle: Bundle) -> list[NDArray[Any]]:
    scores = [array.copy() for array in bundle.golden().scores]
    scores[1][3, scores[1][3].argmin()] += 1
    return scores


def test_one_step_fails_under_the_kernels_that_made_the_scores(early_exit: Bundle) -> None:
    bundle = doctored(early_exit, one_step_off(early_exit))
    report = self_test(bundle, open_backend(resolver="reference"), three)
    assert not report.passed and not report.exact
    assert report.failures == (
        "stage 1: 1 of 8 vectors differ under the reference kernels, by up to 1",
    )


@pytest.mark.backend
@pytest.mark.parametrize(
    ("name", "resolver"), [("litert", "auto"), ("tflite-runtime", "reference")]
)
def test_one_step_is_forgiven_elsewhere(early_exit: Bundle, name: str, resolver: str) -> None:
    bundle = doctored(early_exit, one_step_off(early_exit))
    report = self_test(bundle, open_or_skip(name, resolver), three)
    assert report.passed and not report.exact


def test_the_same_kernels_on_another_processor_must_be_exact(early_exit: Bundle) -> None:
    backend = dataclasses.replace(open_backend(resolver="reference"), arch="aarch64")
    bundle = doctored(early_exit, one_step_off(early_exit))
    assert not self_test(bundle, backend, three).passed


def test_another_answer_by_a_wide_margin_fails(early_exit: Bundle) -> None:
    # Golden scores as another model would have given them: turned by one class.
    turned = [np.roll(array, 1, axis=1) for array in early_exit.golden().scores]
    report = self_test(doctored(early_exit, turned), open_backend(), three)
    assert not report.passed
    assert len(report.failures) == report.wide > 0
    assert "by a wide margin" in report.failures[0]


def test_nothing_is_asked_where_no_margin_is_wide(early_exit: Bundle) -> None:
    turned = [np.roll(array, 1, axis=1) for array in early_exit.golden().scores]
    golden = dataclasses.replace(early_exit.manifest.golden, wide=(1000.0,) * 3)
    manifest = dataclasses.replace(early_exit.manifest, golden=golden)
    report = self_test(doctored(early_exit, turned, manifest), open_backend(), three)
    assert report.wide == 0 and report.passed and not report.exact


@pytest.mark.parametrize(
    ("first", "last", "wide"),
    [
        ([60, 0, 0], [0, 60, 0], True),  # leaves at once: 60 is 20 above the threshold of 40
        ([45, 0, 0], [0, 60, 0], False),  # may or may not leave: 45 - 8 is below 40
        ([33, 0, 0], [0, 60, 0], False),  # may or may not leave: 33 + 8 is above 40
        ([30, 0, 0], [0, 60, 0], True),  # stays whatever, then answers clearly
        ([30, 0, 0], [0, 60, 54], False),  # stays, then the answer may tip
        ([127, 80, 0], [0, 60, 0], False),  # 47 - 8 is below 40, though 127 cannot rise
    ],
)
def test_a_vector_is_wide_if_no_decision_on_its_way_can_tip(
    early_exit: Bundle, first: list[int], last: list[int], wide: bool
) -> None:
    count = len(early_exit.golden().frames)
    scores = [np.array([stage] * count, np.int8) for stage in (first, last, last)]
    info = dataclasses.replace(early_exit.manifest.golden, wide=(8.0,) * 3)
    bundle = doctored(early_exit, scores, dataclasses.replace(early_exit.manifest, golden=info))
    criteria = (margin_of(40), margin_of(None), margin_of(None))
    report = self_test(bundle, open_backend(), lambda ratio: criteria)
    assert report.wide == (count if wide else 0)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_model_that_crashes_is_an_error_not_a_crash(early_exit: Bundle, name: str) -> None:
    class Damaged(Bundle):
        def stage_model(self, index: int, ratio: str = FULL_RATIO) -> bytes:
            return super().stage_model(index, ratio)[:900]

    damaged = Damaged(early_exit.path, early_exit.manifest)
    with pytest.raises(ModelError):
        self_test(damaged, open_backend(name), three)


def test_a_report_says_what_it_means() -> None:
    info = open_backend().info
    assert SelfTestReport(info, ("1.0",), 4, 2, False, ()).passed
    assert not SelfTestReport(info, ("1.0",), 4, 2, True, ("vector 1: ...",)).passed

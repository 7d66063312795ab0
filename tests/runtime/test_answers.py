from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes.runtime_fakes import record_of

from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.models_tflite.manifest_text import manifest_text, read_manifest
from edge_infer.models_tflite.stage_spec import Scores
from edge_infer.runtime.answers import AnswerReader, logits, softmax
from edge_infer.runtime.records import Frame, InferenceRecord

SCORES = np.array([-20, 30, 10, -128, 0, 0, 0, 0, 0, 25], np.int8)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return open_bundle("digits-early-exit").manifest


def answered(scores: NDArray[np.int8] | None = SCORES, exit_: int = 0) -> InferenceRecord:
    record = record_of(Frame(0, np.zeros(1)), 0, 1, [(0, 1)] * (exit_ + 1))
    record.answer, record.scores = 1, scores
    return record


def with_temperatures(manifest: Manifest, *values: float) -> Manifest:
    thresholds = replace(manifest.thresholds["1.0"], temperatures=values or None)
    return replace(manifest, thresholds={**manifest.thresholds, "1.0": thresholds})


def test_the_likeliest_labels_come_first_and_their_scores_are_shares(manifest: Manifest) -> None:
    manifest = with_temperatures(manifest)
    answer = AnswerReader(manifest, 3).read(answered())
    assert answer.label == manifest.labels[1]
    assert [choice.label for choice in answer.top] == [manifest.labels[at] for at in (1, 9, 2)]
    assert answer.kind == "score"
    assert answer.confidence == answer.top[0].confidence
    all_ten = AnswerReader(manifest, 99).read(answered()).top
    assert len(all_ten) == 10
    assert sum(choice.confidence for choice in all_ten) == pytest.approx(1)


def test_a_temperature_makes_it_a_probability_exit_by_exit(manifest: Manifest) -> None:
    count = len(manifest.stages)
    reader = AnswerReader(with_temperatures(manifest, 2.0, *[1.0] * (count - 1)))
    assert reader.confidence_name == "probability"
    warm, cold = (reader.read(answered(exit_=exit_)) for exit_ in (0, 1))
    assert warm.kind == cold.kind == "probability"
    scale = manifest.stages[0].scores.scale
    weights = np.exp(SCORES.astype(float) * scale / 2)
    assert warm.confidence == pytest.approx(weights[1] / weights.sum())


def test_without_scores_there_is_a_label_and_no_confidence(manifest: Manifest) -> None:
    answer = AnswerReader(manifest, 3).read(answered(None))
    assert answer == (manifest.labels[1], None, None, ())


@pytest.mark.parametrize("classes", [10, 65, 1000])
def test_one_row_and_many_give_the_same(manifest: Manifest, classes: int) -> None:
    scores = np.random.default_rng(classes).integers(-128, 128, classes).astype(np.int8)
    labels = tuple(map(str, range(classes)))
    wide = replace(with_temperatures(manifest, 3.0, 1.0, 1.0), labels=labels)
    record = answered(scores)
    record.answer = int(scores.argmax())
    top = AnswerReader(wide, 5).read(record).top
    shares = softmax(logits(scores, manifest.stages[0].scores), 3.0)
    order = np.argsort(-shares, kind="stable")[:5]
    assert [choice.label for choice in top] == [str(at) for at in order]
    assert [choice.confidence for choice in top] == pytest.approx(shares[order])


def test_a_softmax_head_tells_what_it_says(manifest: Manifest) -> None:
    head = Scores(0, 3, "uint8", 1 / 256, 0, "softmax")
    shares = softmax(logits(np.array([[192, 64, 0]], np.uint8), head))
    assert shares[0] == pytest.approx([0.75, 0.25, 0.0], abs=0.002)
    assert shares[0, 2] > 0


@pytest.mark.parametrize("classes", [3, 10, 1001])
def test_a_softmax_head_of_many_classes_is_as_sure_as_it_says(classes: int) -> None:
    head = Scores(0, classes, "uint8", 1 / 256, 0, "softmax")
    scores = np.zeros(classes, np.uint8)
    scores[:2] = 236, 15
    assert softmax(logits(scores, head))[0] == pytest.approx(236 / 256, abs=0.02)


def test_a_manifest_keeps_temperatures_and_older_ones_have_none(manifest: Manifest) -> None:
    assert "temperatures" not in manifest_text(with_temperatures(manifest))
    values = tuple(1.5 + index for index in range(len(manifest.stages)))
    kept = with_temperatures(manifest, *values)
    assert read_manifest(manifest_text(kept)).thresholds["1.0"].temperatures == values
    with pytest.raises(ManifestError, match="one per stage"):
        read_manifest(manifest_text(with_temperatures(manifest, *values, 1.0)))

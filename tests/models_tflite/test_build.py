"""A bundle is written whole or not at all, and what cannot be one is refused in one line."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.tiny_bundles import PIXELS, early_exit_draft, single_draft
from tests.fakes.tiny_models import ModelBuilder, little_big_model, single_model, stateful_model

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.bundle import Bundle, open_bundle
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.drafts import build_single
from edge_infer.models_tflite.errors import (
    BundleError,
    BundleNotFoundError,
    FrameError,
    ManifestError,
    ModelError,
    ModelNotSupportedError,
)
from edge_infer.models_tflite.golden import run_all, synthetic_frames, wide_margin
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.lint import lint_bundle
from edge_infer.models_tflite.ops import list_ops
from edge_infer.models_tflite.stage import load_stages
from edge_infer.models_tflite.stage_spec import Scores


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_manifest_says_what_the_model_is(early_exit: Bundle) -> None:
    manifest = early_exit.manifest
    for index, stage in enumerate(manifest.stages):
        model = early_exit.stage_model(index)
        assert stage.ops == list_ops(Graph(model))
        assert stage.macs == sum(op.macs for op in stage.ops) > 0
        assert stage.bytes == len(model)
        assert (stage.arithmetic, stage.stateful) == ("int8", False)
        assert stage.scores.classes == 5
        assert stage.scores.scale == pytest.approx(0.4)
        assert stage.scores.zero_point == 3
    assert [stage.input.reads for stage in manifest.stages] == ["frame", "previous", "previous"]
    assert len(manifest.stages[2].input.tensors) == 2
    assert manifest.golden.made_with == open_backend(resolver="reference").info
    assert manifest.tuned_on == open_backend().info


def test_golden_scores_are_the_reference_kernels_for_the_samples(early_exit: Bundle) -> None:
    golden = early_exit.golden()
    samples = early_exit.samples()
    assert samples is not None
    np.testing.assert_array_equal(golden.frames, samples[0])
    stages = load_stages(early_exit, open_backend(resolver="reference"))
    for found, stored in zip(run_all(stages, golden.frames), golden.scores, strict=True):
        np.testing.assert_array_equal(found, stored)


def test_without_samples_golden_frames_are_seeded_and_synthetic(single: Bundle) -> None:
    golden = single.golden()
    assert golden.frames.shape == (16, 8, 8, 1) and golden.frames.dtype == np.uint8
    drawn = synthetic_frames(single.manifest.stages[0].input, seed=0, count=64)
    for frame in golden.frames:
        assert (drawn == frame).all(axis=(1, 2, 3)).any()
    # The clearest of those drawn were kept.
    scores = run_all(load_stages(single, open_backend()), drawn)[0].astype(int)
    margins = np.sort(scores, axis=1)[:, -1] - np.sort(scores, axis=1)[:, -2]
    kept = [(golden.frames == frame).all(axis=(1, 2, 3)).any() for frame in drawn]
    assert margins[kept].min() >= margins[~np.array(kept)].max()


def test_the_same_draft_gives_the_same_bytes(tmp_path: Path, early_exit: Bundle) -> None:
    again = write_bundle(tmp_path / "again", early_exit_draft())
    assert contents(again.path) == contents(early_exit.path)


def test_a_model_of_two_branches_becomes_a_little_big_bundle(tmp_path: Path) -> None:
    parts = cut(little_big_model(), ["little_out", "big_out"])
    names = ("little", "big")
    stages = [
        StageDraft(name, part.model, part.reads, part.features, PIXELS)
        for name, part in zip(names, parts, strict=True)
    ]
    thresholds = early_exit_draft().thresholds["1.0"]
    one = {"1.0": dataclasses.replace(thresholds, values=(12,))}
    draft = early_exit_draft(
        name="tiny-little-big", kinds=("little-big",), stages=stages, thresholds=one
    )
    bundle = write_bundle(tmp_path / "tiny-little-big", draft)
    assert [stage.input.reads for stage in bundle.manifest.stages] == ["frame", "frame"]
    assert lint_bundle(bundle) == []


FAILURES: list[tuple[dict[str, Any], type[BundleError], str]] = [
    ({"labels": ("a", "b")}, ManifestError, "scores.classes is 5"),
    ({"name": "no/slash"}, ManifestError, "name is"),
    (
        {"golden_frames": np.zeros((2, 9, 9, 1), np.uint8)},
        FrameError,
        r"frame of shape \[9, 9, 1\]",
    ),
    ({"stages": [StageDraft("net", b"TFL3")]}, ModelError, r"^net: not a TFLite model"),
]


@pytest.mark.parametrize(("changes", "error", "message"), FAILURES)
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, changes: dict[str, Any], error: type[BundleError], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_bundle(tmp_path / "out", single_draft(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def fail_at_the_second(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return 0

    monkeypatch.setattr(Path, "write_bytes", fail_at_the_second)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(tmp_path / "out", single_draft())
    assert len(written) == 2 and list(tmp_path.iterdir()) == []


def test_what_stands_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_bundle(out, single_draft())
    before = contents(out)
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(out, single_draft(version="2.0.0"))
    assert contents(out) == before
    replaced = write_bundle(out, single_draft(version="2.0.0"), replace=True)
    assert replaced.manifest.version == "2.0.0"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_replacement_that_fails_brings_the_old_bundle_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_bundle(out, single_draft())
    before = contents(out)
    rename = Path.rename

    def fail_into_place(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_into_place)
    with pytest.raises(OSError, match="Input/output"):
        write_bundle(out, single_draft(version="2.0.0"), replace=True)
    assert contents(out) == before
    assert open_bundle(out).manifest.version == "1.0.0"


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(tmp_path, single_draft(), replace=True)


def two_inputs() -> bytes:
    builder = ModelBuilder()
    pair = [builder.tensor(name, [1, 4]) for name in ("left", "right")]
    return builder.build(pair, [builder.add("sum", *pair)])


def dynamic() -> bytes:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 8, 8, 1], signature=[-1, -1, -1, 1])
    return builder.build([frame], [builder.head("head", builder.conv("map", frame, 2))])


def custom() -> bytes:
    builder = ModelBuilder()
    frame, output = builder.tensor("frame", [1, 4]), builder.tensor("scores", [1, 4])
    builder.op("CUSTOM", [frame], [output], custom="edgetpu-custom-op")
    return builder.build([frame], [output])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (two_inputs(), r"net\.tflite: 2 inputs \(left \[1, 4\] int8, right"),
        (little_big_model(), r"net\.tflite: 2 outputs .*: name the one"),
        (dynamic(), r"frame: dynamic shape \[-1, -1, -1, 1\]"),
        (custom(), "edgetpu-custom-op: custom operator"),
        (single_model(classes=1), "has 1 value: not a classifier"),
    ],
)
def test_what_cannot_be_a_single_bundle_is_refused_in_one_line(
    tmp_path: Path, model: bytes, message: str
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(model)
    with pytest.raises(ModelNotSupportedError, match=message) as caught:
        build_single(path, tmp_path / "out", name="net")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_truncated_model_is_refused_without_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(single_model()[:900])
    with pytest.raises(ModelError, match=r"^net\.tflite: a truncated or damaged"):
        build_single(path, tmp_path / "out", name="net")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match=r"no model at .*gone\.tflite"):
        build_single(tmp_path / "gone.tflite", tmp_path / "out", name="net")


@pytest.mark.parametrize(("count", "offset"), [(5, 0), (4, 1)])
def test_labels_may_leave_out_a_background_class(tmp_path: Path, count: int, offset: int) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(single_model())
    labels = [f"label {index}" for index in range(count)]
    bundle = build_single(path, tmp_path / "out", name="net", labels=labels)
    assert bundle.manifest.stages[0].scores.label_offset == offset
    assert bundle.golden().scores[0].shape == (16, count)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(single_model())
    with pytest.raises(ModelNotSupportedError, match="3 labels for 5 scores: give 5, or 4"):
        build_single(path, tmp_path / "out", name="net", labels=["a", "b", "c"])


def test_a_stateful_float_model_becomes_a_bundle(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(stateful_model())
    bundle = build_single(path, tmp_path / "out", name="net", source="float32", head="scores")
    stage = bundle.manifest.stages[0]
    assert stage.stateful and stage.arithmetic == "float32"
    golden = bundle.golden()
    stages = load_stages(bundle, open_backend(resolver="reference"))
    backwards = run_all(stages, golden.frames[::-1])[0][::-1]
    np.testing.assert_array_equal(backwards, golden.scores[0])  # no frame leaves a trace


def test_a_published_net_becomes_a_bundle_by_one_call(tmp_path: Path, foreign_models: Path) -> None:
    model = foreign_models / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
    bundle = build_single(model, tmp_path / "resnet", name="resnet")
    (stage,) = bundle.manifest.stages
    assert stage.input.shape == (32, 32, 3) and stage.scores.kind == "softmax"
    (loaded,) = load_stages(bundle, open_backend())
    assert loaded.prepare is not None
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(loaded.prepare(pixels)[0][0], pixels.astype(int) - 128)


def test_a_uint8_net_with_a_background_class_becomes_a_bundle(
    tmp_path: Path, foreign_models: Path
) -> None:
    labels = (foreign_models / "coral" / "imagenet_labels.txt").read_text().splitlines()
    model = foreign_models / "coral" / "mobilenet_v1_0.5_160_quant.tflite"
    assert labels[0] == "background"
    bundle = build_single(
        model, tmp_path / "mobilenet", name="mobilenet", labels=labels[1:], resize="bilinear"
    )
    scores = bundle.manifest.stages[0].scores
    assert (scores.dtype, scores.classes, scores.label_offset) == ("uint8", 1001, 1)
    (loaded,) = load_stages(bundle, open_backend())
    image = pytest.importorskip("PIL.Image", reason="Pillow decodes the photograph")
    parrot = np.asarray(image.open(foreign_models / "coral" / "parrot.jpg").convert("RGB"))
    assert loaded.prepare is not None
    answer = int(loaded.run(loaded.prepare(parrot)).argmax())
    assert bundle.manifest.labels[answer] == "macaw"


def test_wide_is_four_times_the_difference_and_at_least_eight_lsb() -> None:
    scores = open_scores("int8")
    reference = np.array([[10, 20], [30, 40]], np.int8)
    assert wide_margin(scores, reference, reference) == 8
    assert wide_margin(scores, reference, reference + np.array([[0, 0], [0, 5]], np.int8)) == 20
    far = np.array([[-128, 127]], np.int8)
    assert wide_margin(scores, far, far[:, ::-1]) == 4 * 255  # no overflow


def open_scores(dtype: Any) -> Any:
    return Scores(0, 2, dtype, 0.1 if dtype != "float32" else 0.0, 0, "logits")


def test_wide_of_float_scores_is_never_nothing() -> None:
    reference = np.array([[0.0, 2.56]], np.float32)
    assert wide_margin(open_scores("float32"), reference, reference) == pytest.approx(0.01)
    zeros = np.zeros((1, 2), np.float32)
    assert wide_margin(open_scores("float32"), zeros, zeros) > 0

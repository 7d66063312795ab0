"""Loaded stages: the right tensors at the right places, and models that are not the manifest's."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from tests.fakes.backends import BACKENDS, KERNELS
from tests.fakes.tiny_bundles import PIXELS
from tests.fakes.tiny_models import (
    ModelBuilder,
    early_exit_model,
    frame_tensor,
    single_model,
    stateful_model,
)

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.describe import StageDraft, describe_stage
from edge_infer.models_tflite.errors import FrameError, ModelError
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import Stage
from edge_infer.models_tflite.stage import LoadedStage, check_model, load_stages
from edge_infer.models_tflite.stage_spec import Preprocess


def loaded(model: bytes, backend: str = "litert", **draft: Any) -> LoadedStage:
    draft = {"preprocess": PIXELS} | draft
    spec = describe_stage(StageDraft("net", model, **draft), Graph(model))
    interpreter = open_backend(backend).load(model)
    check_model(spec, interpreter)
    return LoadedStage(spec, interpreter)


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
def test_the_stages_of_a_bundle_are_the_whole_model(
    early_exit: Bundle, name: str, resolver: str
) -> None:
    backend = open_backend(name, resolver)
    whole = backend.load(early_exit_model())
    frames = np.random.default_rng(3).integers(0, 256, (30, 8, 8, 1), np.uint8)
    scores = run_all(load_stages(early_exit, backend), frames)
    outputs = [detail["index"] for detail in whole.get_output_details()]
    for index, frame in enumerate(frames):
        raw = (frame.astype(int) - 128).astype(np.int8)  # what PIXELS means for this input
        whole.set_tensor(whole.get_input_details()[0]["index"], raw[None])
        whole.invoke()
        for stage, output in enumerate(outputs):
            np.testing.assert_array_equal(scores[stage][index], whole.get_tensor(output)[0])


def test_scores_are_one_row_of_raw_integers(early_exit: Bundle) -> None:
    stages = load_stages(early_exit, open_backend())
    prepare = stages[0].prepare
    assert prepare is not None and stages[1].prepare is None
    scores = stages[0].run(prepare(np.zeros((8, 8, 1), np.uint8)))
    assert scores.shape == (5,) and scores.dtype == np.int8
    (carried,) = stages[0].features()
    assert carried.shape == (1, 8, 8, 4)


def test_features_are_copies_that_the_next_run_leaves_alone(early_exit: Bundle) -> None:
    first = load_stages(early_exit, open_backend())[0]
    assert first.prepare is not None
    first.run(first.prepare(np.zeros((8, 8, 1), np.uint8)))
    (before,) = first.features()
    kept = before.copy()
    first.run(first.prepare(np.full((8, 8, 1), 255, np.uint8)))
    np.testing.assert_array_equal(before, kept)
    assert not np.array_equal(first.features()[0], kept)


def test_a_background_class_is_dropped() -> None:
    plain, offset = loaded(single_model()), loaded(single_model(), label_offset=1)
    assert plain.prepare is not None
    inputs = plain.prepare(np.full((8, 8, 1), 77, np.uint8))
    np.testing.assert_array_equal(offset.run(inputs), plain.run(inputs)[1:])


def test_a_frame_of_another_shape_is_refused() -> None:
    stage = loaded(single_model())
    assert stage.prepare is not None
    with pytest.raises(FrameError, match=r"\[9, 8, 1\] uint8, the bundle wants \[8, 8, 1\]"):
        stage.prepare(np.zeros((9, 8, 1), np.uint8))


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_a_stateful_model_is_reset_between_frames(backend: str) -> None:
    assert loaded(single_model(), backend).reset is None
    stage = loaded(stateful_model(), backend, preprocess=Preprocess(source="float32"))
    assert stage.prepare is not None and stage.reset is not None
    inputs = stage.prepare(np.ones(3, np.float32))
    first = stage.run(inputs)
    assert not np.array_equal(stage.run(inputs), first)  # it remembers
    stage.reset()
    np.testing.assert_array_equal(stage.run(inputs), first)


def changed(spec: Stage, part: str, **fields: Any) -> Stage:
    if part == "tensor":
        tensor = dataclasses.replace(spec.input.tensors[0], **fields)
        return dataclasses.replace(spec, input=dataclasses.replace(spec.input, tensors=(tensor,)))
    return dataclasses.replace(spec, scores=dataclasses.replace(spec.scores, **fields))


@pytest.mark.parametrize(
    ("part", "fields", "message"),
    [
        ("tensor", {"shape": (8, 9, 1)}, r"input 0 shape is \(1, 8, 8, 1\) in net\.tflite, wants"),
        ("tensor", {"dtype": "uint8"}, "input 0 dtype is int8"),
        ("tensor", {"scale": 1 / 250}, r"input 0 scale is 0\.00392\d+ in net"),
        ("tensor", {"zero_point": 0}, "input 0 zero point is -128"),
        ("scores", {"classes": 6}, r"scores shape is \(1, 5\)"),
        ("scores", {"dtype": "float32"}, "scores dtype is int8"),
        ("scores", {"scale": 0.5}, r"scores scale is 0\.40"),
        ("scores", {"zero_point": 4}, "scores zero point is 3"),
        ("scores", {"output": 1}, "the manifest wants output 1, the model has 1"),
    ],
)
def test_a_model_that_is_not_the_manifests_is_named(
    part: str, fields: dict[str, Any], message: str
) -> None:
    model = single_model()
    spec = describe_stage(StageDraft("net", model, preprocess=PIXELS), Graph(model))
    with pytest.raises(ModelError, match=message):
        check_model(changed(spec, part, **fields), open_backend().load(model))


def test_the_last_bits_of_a_scale_do_not_matter() -> None:
    model = single_model()
    spec = describe_stage(StageDraft("net", model, preprocess=PIXELS), Graph(model))
    check_model(changed(spec, "scores", scale=0.4 * (1 + 1e-7)), open_backend().load(model))


def second_half(scale: float, zero_point: int, depth: int) -> bytes:
    builder = ModelBuilder()
    taken = builder.tensor("taken", [1, 8, 8, depth], "int8", scale, zero_point)
    return builder.build([taken], [builder.head("head", taken)])


def first_half() -> bytes:
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    given = builder.conv("given", frame, 4)  # scale 0.1, zero point -128
    return builder.build([frame], [builder.head("head", given), given])


@pytest.mark.parametrize(
    ("scale", "zero_point", "depth", "message"),
    [
        (0.1, -128, 4, ""),
        (0.1 * (1 + 1e-7), -128, 4, ""),
        (0.11, -128, 4, r"against the stage before it: scale is 0\.1(1|09)"),
        (0.1, -127, 4, "against the stage before it: zero point is -127"),
        (0.1, -128, 3, r"against the stage before it: shape is \(1, 8, 8, 3\)"),
    ],
)
def test_stages_must_chain(
    early_exit: Bundle, scale: float, zero_point: int, depth: int, message: str
) -> None:
    models = [first_half(), second_half(scale, zero_point, depth)]
    drafts = [
        StageDraft("one", models[0], features=(1,), preprocess=PIXELS),
        StageDraft("two", models[1], reads="previous"),
    ]
    stages = tuple(describe_stage(d, Graph(d.model)) for d in drafts)

    class TwoStages(Bundle):
        def stage_model(self, index: int, ratio: str = "1.0") -> bytes:
            return models[index]

    manifest = dataclasses.replace(early_exit.manifest, stages=stages)
    bundle = TwoStages(early_exit.path, manifest)
    if message:
        with pytest.raises(ModelError, match=f"stage two: input 0, {message}"):
            load_stages(bundle, open_backend())
    else:
        assert len(load_stages(bundle, open_backend())) == 2

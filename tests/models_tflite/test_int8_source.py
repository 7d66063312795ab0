"""Bundles whose frames are the integers of the model's own input."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import tiny_bundles

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.describe import identity_preprocess
from edge_infer.models_tflite.drafts import build_single
from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.self_test import self_test
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.exit_criterion import exit_criteria


@pytest.fixture
def model(tmp_path: Path) -> Path:
    bundle = tiny_bundles.write_single(tmp_path)
    return bundle.path / bundle.manifest.stages[0].file


def test_frames_reach_the_model_as_they_are(model: Path, tmp_path: Path) -> None:
    bundle = build_single(
        model, tmp_path / "own", name="own", labels="abcde", source="int8", background=(0,)
    )
    stage = load_stages(bundle, open_backend())[0]
    assert stage.prepare is not None
    frame = np.random.default_rng(4).integers(-128, 128, stage.spec.input.frame_shape, np.int8)
    assert np.array_equal(stage.prepare(frame)[0][0], frame)
    reread = open_bundle(bundle.path)
    assert reread.golden().frames.dtype == np.int8
    assert reread.manifest.stages[0].input.preprocess == stage.spec.input.preprocess
    assert self_test(reread, open_backend(), partial(exit_criteria, reread.manifest)).passed


def test_a_background_that_there_is_none_of_is_not_written(model: Path, tmp_path: Path) -> None:
    bundle = build_single(model, tmp_path / "plain", name="plain", labels="abcde")
    assert "background" not in (bundle.path / "manifest.json").read_text()


def test_a_float_model_has_no_integers_of_its_own(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = Graph(model.read_bytes())
    assert identity_preprocess(graph, "int8").source == "int8"
    floats = list(graph.tensors)
    floats[graph.inputs[0]] = replace(floats[graph.inputs[0]], dtype="float32")
    monkeypatch.setattr(graph, "tensors", floats)
    with pytest.raises(ModelNotSupportedError, match="no integers that int8 frames could be"):
        identity_preprocess(graph, "int8")

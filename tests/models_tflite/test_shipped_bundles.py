"""Every bundle that ships: sound, lint-free, and the same answers with both backends."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.backends import KERNELS
from tests.fakes.joined_model import joined_model

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle, shipped_names
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.lint import lint_bundle
from edge_infer.models_tflite.self_test import self_test
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.exit_criterion import exit_criteria

each_bundle = pytest.mark.parametrize("name", shipped_names())


@each_bundle
def test_it_opens_by_its_name(name: str) -> None:
    bundle = open_bundle(name)
    assert bundle.manifest.name == name
    extra = {path.name for path in bundle.path.iterdir()} - set(bundle.manifest.files)
    assert extra == {"manifest.json"}


@each_bundle
def test_it_runs_on_microcontrollers_and_the_edge_tpu_as_far_as_lint_can_tell(name: str) -> None:
    assert lint_bundle(open_bundle(name)) == []


@each_bundle
@pytest.mark.parametrize(("backend", "resolver"), KERNELS)
def test_its_self_test_passes(name: str, backend: str, resolver: str) -> None:
    bundle = open_bundle(name)
    criteria = partial(exit_criteria, bundle.manifest)
    report = self_test(bundle, open_backend(backend, resolver), criteria)
    assert report.passed
    assert report.ratios == bundle.manifest.ratios
    assert report.wide >= report.vectors // 4  # other kernels are held to something
    if report.backend == bundle.manifest.golden.made_with:
        assert report.exact


@each_bundle
@pytest.mark.parametrize(("backend", "resolver"), KERNELS)
def test_its_chained_stages_equal_the_whole_model(name: str, backend: str, resolver: str) -> None:
    bundle = open_bundle(name)
    samples = bundle.samples()
    frames = bundle.golden().frames if samples is None else samples[0]
    kernels = open_backend(backend, resolver)
    whole = kernels.load_vouched(joined_model(bundle))
    outputs = [detail["index"] for detail in whole.get_output_details()]
    stages = load_stages(bundle, kernels)
    chained = run_all(stages, frames)
    prepare = stages[0].prepare
    assert prepare is not None
    for index, frame in enumerate(frames):
        whole.set_tensor(whole.get_input_details()[0]["index"], prepare(frame)[0])
        whole.invoke()
        for scores, output in zip(chained, outputs, strict=True):
            np.testing.assert_array_equal(scores[index], whole.get_tensor(output)[0])


@each_bundle
def test_its_samples_fit_its_first_stage_and_its_labels(name: str) -> None:
    bundle = open_bundle(name)
    samples = bundle.samples()
    if samples is None:
        pytest.skip(f"{name} carries no samples: its data may not be redistributed")
    frames, labels = samples
    assert set(labels.tolist()) <= set(range(len(bundle.manifest.labels)))
    scores = run_all(load_stages(bundle, open_backend()), frames)
    accuracy = float((scores[-1].argmax(axis=1) == labels).mean())
    assert accuracy > 0.9


@each_bundle
def test_its_provenance_is_told(name: str) -> None:
    provenance = open_bundle(name).manifest.provenance
    assert {"data", "recipe", "seed"} <= set(provenance)


def package_files() -> Iterator[Path]:
    yield from (Path(__file__).parents[2] / "models_tflite" / "bundles").glob("*")


def test_every_folder_among_them_is_a_bundle() -> None:
    folders = {path.name for path in package_files() if path.is_dir()}
    assert folders == set(shipped_names())


@each_bundle
def test_its_confidence_is_a_probability_at_every_ratio(name: str) -> None:
    manifest = open_bundle(name).manifest
    for ratio, thresholds in manifest.thresholds.items():
        assert thresholds.temperatures is not None, ratio
        # An int8 net that was trained to its end is neither a tenth nor three times as sure.
        assert all(0.3 < found < 2 for found in thresholds.temperatures), ratio

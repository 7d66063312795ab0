"""The shipped prunable bundles: every ratio is the one that a flatbuffer writer would pack."""

import subprocess
import sys

import numpy as np
import pytest
from tests.fakes.backends import BACKENDS, open_or_skip

from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.bundle import Bundle, shipped_names
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable.layout import read_payload
from edge_infer.models_tflite.prunable.model import check_hash
from edge_infer.models_tflite.prunable.outline import Outline
from edge_infer.models_tflite.prunable.write import pack_codes
from edge_infer.models_tflite.stage import connect_stages, load_stages

PRUNABLE = [name for name in shipped_names() if open_bundle(name).manifest.prunable is not None]


def packed(model: bytes, ratio: str) -> bytes:
    """Return a ratio of a file, its tensors cut in the object tree and written anew."""
    layout, ratios = read_payload(check_hash(model))
    [codes] = [own for own in ratios if own.name == ratio]
    return pack_codes(Outline(Graph(model), layout, ()), codes)


def narrower(bundle: Bundle) -> list[str]:
    return [ratio for ratio in bundle.manifest.ratios if ratio != "1.0"]


def test_both_are_there() -> None:
    assert PRUNABLE == ["cifar10-all-in-one", "cifar10-prunable"]


@pytest.mark.parametrize("name", PRUNABLE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_ratio_answers_as_the_packed_one(name: str, backend: str) -> None:
    bundle, kernels = open_bundle(name), open_or_skip(backend)
    frames = bundle.golden().frames
    assert len(narrower(bundle)) == 8
    for ratio in narrower(bundle):
        whole = [bundle.stage_model(i) for i in range(len(bundle.manifest.stages))]
        models = [packed(model, ratio) for model in whole]
        assert sum(map(len, models)) < sum(map(len, whole)), "no dead bytes"
        stages = connect_stages(bundle.manifest.stages_at(ratio), models, kernels)
        wanted = run_all(stages, frames)
        found = run_all(load_stages(bundle, kernels, ratio=ratio), frames)
        for mine, theirs in zip(found, wanted, strict=True):
            assert np.array_equal(mine, theirs)
            assert len(np.unique(theirs, axis=0)) > 1


@pytest.mark.parametrize("name", PRUNABLE)
def test_what_the_ratios_take_is_within_the_limits(name: str) -> None:
    bundle = open_bundle(name)
    assert bundle.manifest.prunable is not None
    added = bundle.manifest.prunable.auxiliary_bytes
    graphs = [Graph(bundle.stage_model(i)) for i in range(len(bundle.manifest.stages))]
    kernels = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    weights = sum(
        graph.operand(n, 1).elements for graph in graphs for n in graph.nodes if n.op in kernels
    )
    files = sum(stage.bytes for stage in bundle.manifest.stages)
    assert added <= 0.05 * weights
    assert files <= 1.09 * (files - added)
    assert sum(info.bytes for info in bundle.manifest.files.values()) < 3_000_000


DEVICE = """
import sys
for library in ("ai_edge_litert", "tensorflow", "flatbuffers", "tflite"):
    sys.modules[library] = None
from edge_infer.models_tflite import load_stages, open_backend, open_bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.stage import RatioStages

bundle = open_bundle(sys.argv[1])
quick = RatioStages(bundle, open_backend("tflite-runtime"))
for ratio in bundle.manifest.ratios:
    scores = run_all(quick.load(ratio)[1], bundle.golden().frames)
    print(ratio, *(int(row) for row in scores[-1].astype(int) @ range(1, 11)))
"""


@pytest.mark.backend
@pytest.mark.parametrize("name", PRUNABLE)
def test_a_device_needs_tflite_runtime_alone(name: str) -> None:
    """No flatbuffer library, no training library: 32-bit boards have none."""
    kernels, bundle = open_or_skip("tflite-runtime"), open_bundle(name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DEVICE, name], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert list(found) == list(bundle.manifest.ratios)
    for ratio, sums in found.items():
        stages = load_stages(bundle, kernels, ratio=ratio)
        scores = run_all(stages, bundle.golden().frames)[-1].astype(int)
        assert [int(n) for n in sums] == (scores @ np.arange(1, 11)).tolist()

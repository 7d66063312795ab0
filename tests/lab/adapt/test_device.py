"""The device side in C answers as the Python runtime with an adapted int8 net."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.backbones import CLASSES, backbone, picture
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_bundles import bundle_file, on_the_firmware, on_the_runtime
from tests.models_tflite.test_attached_heads import head

from edge_infer.models_tflite.attached_heads import Pool, attach_heads
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.classifier import Classifier, FrameOptions
from edge_infer.models_tflite.drafts import exits_draft
from edge_infer.models_tflite.graph import Graph


@pytest.mark.backend
def test_heads_of_mean_and_maximum_run_on_the_device(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    graph = Graph(backbone())
    maps = [next(t for t in graph.tensors if t.name == f"map{i}") for i in (0, 1, 3)]
    pools: tuple[tuple[Pool, ...], ...] = (("mean", "max"), ("max",), ("mean",))
    heads = [head(t, f"exit{i}", p) for i, (t, p) in enumerate(zip(maps, pools, strict=True))]
    whole = attach_heads(backbone(), heads)
    net = Classifier("net.tflite", whole, Graph(whole))
    draft = exits_draft(net, ["exit0", "exit1", "exit2"], CLASSES, "net", FrameOptions())
    rule = replace(draft.thresholds["1.0"], values=(10, 30))
    bundle = write_bundle(tmp_path / "net", replace(draft, thresholds={"1.0": rule}))
    frames = [picture(k % 3, np.random.default_rng(k)) for k in range(40)]
    program = build_driver(tmp_path_factory.getbasetemp(), "bundle_runner", kernels="dsp")
    with Driver(program) as driver:
        found = on_the_firmware(driver, bundle_file(bundle), frames)
    assert found == on_the_runtime(bundle, frames)
    assert len({answer.exit for answer in found}) == 3

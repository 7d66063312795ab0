from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.tiny_bundles import write_early_exit

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import NO_EXITS, write_bundle
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft
from edge_infer.models_tflite.stage import load_stages


@pytest.mark.parametrize("name", ["tiny-early-exit", "digits-early-exit", "digits-little-big"])
def test_the_plain_net_answers_as_the_last_stage_bit_for_bit(name: str, tmp_path: Path) -> None:
    bundle = write_early_exit(tmp_path) if name.startswith("tiny") else open_bundle(name)
    alone = replace(
        redraft(bundle),
        calibration=None,
        kinds=("single",),
        stages=[plain_net(bundle)],
        thresholds={"1.0": NO_EXITS},
    )
    plain = write_bundle(tmp_path / "plain", alone)
    samples = bundle.samples()
    assert samples is not None
    for resolver in ("auto", "reference"):
        backend = open_backend(resolver=resolver)
        whole = run_all(load_stages(plain, backend), samples[0][:60])
        staged = run_all(load_stages(bundle, backend), samples[0][:60])
        assert np.array_equal(whole[0], staged[-1])
    assert plain.manifest.stages[0].macs <= sum(s.macs for s in bundle.manifest.stages)
    assert len(plain.manifest.stages[0].ops) < sum(len(s.ops) for s in bundle.manifest.stages)


def test_a_redraft_writes_the_same_bundle(tmp_path: Path) -> None:
    bundle = write_early_exit(tmp_path)
    again = write_bundle(tmp_path / "again", redraft(bundle))
    assert again.manifest == bundle.manifest

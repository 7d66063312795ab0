"""Bundle files on the firmware: the same exits and answers as the Python runtime, and refusals."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_bundles import (
    bundle_file,
    close_on_firmware,
    on_the_firmware,
    on_the_runtime,
    open_on_firmware,
)
from tests.fakes.tiny_bundles import CHOSEN_ON, early_exit_draft, single_draft
from tests.fakes.tiny_models import FRAME, ModelBuilder
from tests.profile import examples

from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.tables import DECISIONS_FILE, decision_table
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.bundle import Bundle, open_bundle, shipped_names
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.manifest import Thresholds
from edge_infer.models_tflite.stage_spec import Preprocess

HASH, NO_ENTRY, UNSUPPORTED, ARENA = 3, 4, 5, 8
"""Values of einf_status."""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    program = build_driver(tmp_path_factory.getbasetemp(), "bundle_runner", kernels="dsp")
    with Driver(program) as driver:
        yield driver


def _int8(name: str) -> Bundle:
    bundle = open_bundle(name)
    dtypes = {stage.scores.dtype for stage in bundle.manifest.stages}
    if dtypes != {"int8"}:
        pytest.skip(f"{name} has {', '.join(sorted(dtypes))} heads")
    return bundle


@pytest.mark.backend
@pytest.mark.parametrize("name", shipped_names())
def test_shipped_bundles_leave_where_the_runtime_leaves(name: str, runner: Driver) -> None:
    bundle = _int8(name)
    samples = bundle.samples()
    frames = list(samples[0] if samples else bundle.golden().frames)
    found = on_the_firmware(runner, bundle_file(bundle), frames)
    assert found == on_the_runtime(bundle, frames)
    if samples:
        assert len({answer.exit for answer in found}) == len(bundle.manifest.stages)


@pytest.mark.backend
@pytest.mark.parametrize("name", shipped_names())
def test_all_samples_through_all_stages(name: str, runner: Driver) -> None:
    bundle = _int8(name)
    rule = bundle.manifest.thresholds["1.0"]
    never = replace(rule, values=(1000,) * len(rule.values))
    bundle = Bundle(bundle.path, replace(bundle.manifest, thresholds={"1.0": never}))
    samples = bundle.samples()
    frames = list(samples[0] if samples else bundle.golden().frames)
    found = on_the_firmware(runner, bundle_file(bundle), frames)
    assert found == on_the_runtime(bundle, frames)
    assert {answer.exit for answer in found} == {len(bundle.manifest.stages) - 1}


@pytest.mark.backend
@pytest.mark.parametrize("name", shipped_names())
def test_frames_that_come_quantised_are_taken_as_they_are(name: str, runner: Driver) -> None:
    bundle = _int8(name)
    shape = bundle.manifest.stages[0].input.shape
    frames = list(np.random.default_rng(3).integers(-128, 128, (20, *shape), np.int8))
    found = on_the_firmware(runner, bundle_file(bundle), frames)
    assert found == on_the_runtime(bundle, frames)


@pytest.mark.backend
@pytest.mark.parametrize(
    "rule",
    [
        Thresholds("score-margin", (40, (20, 30, 20, 10, 0)), CHOSEN_ON),
        Thresholds("top-score", (30, (-5, 20, 60, 10, 0)), CHOSEN_ON),
        Thresholds("top-score", (200, 200), CHOSEN_ON),
    ],
    ids=["margin by label", "top score", "never"],
)
def test_every_integer_rule_decides_as_on_the_host(
    rule: Thresholds, runner: Driver, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "b", early_exit_draft(thresholds={"1.0": rule}))
    frames = list(np.random.default_rng(1).integers(0, 256, (200, *FRAME), np.uint8))
    found = on_the_firmware(runner, bundle_file(bundle), frames)
    assert found == on_the_runtime(bundle, frames)


def test_the_entropy_rule_is_refused_by_the_firmware(runner: Driver, tmp_path: Path) -> None:
    rule = Thresholds("entropy", (0.5, 0.5), CHOSEN_ON)
    bundle = write_bundle(tmp_path / "b", early_exit_draft(thresholds={"1.0": rule}))
    assert open_on_firmware(runner, bundle_file(bundle))[0] == UNSUPPORTED


def test_a_file_without_decisions_is_refused(runner: Driver) -> None:
    payload = stored_zip.pack({"manifest.json": b"{}"})
    file = mcuboot_image.build(payload, mcuboot_image.ImageVersion())
    assert open_on_firmware(runner, file)[0] == NO_ENTRY


def test_the_security_counter_and_what_follows_in_the_slot(runner: Driver) -> None:
    file = bundle_file(open_bundle("digits-little-big"), 7) + b"\xff" * 1000
    status, *_, counter = open_on_firmware(runner, file)
    close_on_firmware(runner)
    assert (status, counter) == (0, 7)


@cache
def _little_big_file() -> bytes:
    return bundle_file(open_bundle("digits-little-big"))


@settings(max_examples=examples(100))
@given(data=st.data())
def test_a_changed_byte_is_always_refused(data: st.DataObject, runner: Driver) -> None:
    file = bytearray(_little_big_file())
    at = data.draw(st.integers(0, len(file) - 1))
    file[at] ^= data.draw(st.integers(1, 255))
    assert open_on_firmware(runner, bytes(file))[0] != 0


@settings(max_examples=examples(100))
@given(data=st.data())
def test_a_table_or_model_damaged_before_the_hash_never_harms(
    data: st.DataObject, runner: Driver
) -> None:
    """The sanitizers end the driver at the first access out of bounds."""
    bundle = open_bundle("digits-early-exit")
    names = [stage.file for stage in bundle.manifest.stages]
    entries = {name: bytearray(bundle.read(name)) for name in names}
    entries[DECISIONS_FILE] = bytearray(decision_table(bundle.manifest))
    hit = data.draw(st.sampled_from(sorted(entries)))
    for _ in range(data.draw(st.integers(1, 8))):
        # The structure of a model stands at both ends of the file, weights between.
        at = data.draw(st.integers(0, len(entries[hit]) - 1))
        entries[hit][at] = data.draw(st.integers(0, 255))
    payload = stored_zip.pack({name: bytes(content) for name, content in entries.items()})
    file = mcuboot_image.build(payload, mcuboot_image.ImageVersion())
    status, *_, frame_bytes, _ = open_on_firmware(runner, file)
    assert status <= ARENA and status != HASH
    if status == 0:
        runner.write((1).to_bytes(4, "little"), bytes(frame_bytes))
        assert int.from_bytes(runner.read(4), "little") < len(names)  # the exit
        runner.read(12)
        close_on_firmware(runner)


def test_the_lookup_table_is_the_frame_input_of_the_runtime() -> None:
    manifest = open_bundle("digits-little-big").manifest
    spec = manifest.stages[0].input
    assert spec.preprocess == Preprocess(mean=(0.0,), std=(16.0,))
    table = decision_table(manifest)
    ramp = np.frombuffer(table, np.int8)
    # 0 is the real 0 at zero point -128; a full pixel of 16 the real 1 at scale 1/255; a quarter
    # of it is 63.75 steps above.
    at = int.from_bytes(table[20 + 24 : 20 + 28], "little")
    assert ramp[at] == -128 and ramp[at + 16] == 127 and ramp[at + 4] == 64 - 128


@pytest.mark.backend
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_frames_of_three_channels_in_both_layouts(
    layout: Literal["NHWC", "NCHW"], runner: Driver, tmp_path: Path
) -> None:
    b = ModelBuilder(4)
    shape = (6, 5, 3) if layout == "NHWC" else (3, 6, 5)
    frame = b.tensor("frame", [1, *shape], scale=0.05, zero_point=4)
    flat = b.tensor("flat", [1, 90], scale=0.05, zero_point=4)
    b.op("RESHAPE", [frame], [flat], "ReshapeOptions", newShape=[1, 90])
    model = b.build([frame], [b.dense("head", flat, 5)])
    means, deviations = (120.0, 110.5, 90.0), (60.0, 55.0, 50.0)
    preprocess = Preprocess(mean=means, std=deviations, layout=layout)
    draft = single_draft(stages=[StageDraft("net", model, preprocess=preprocess)])
    bundle = write_bundle(tmp_path / "b", draft)
    frames = list(np.random.default_rng(2).integers(0, 256, (50, 6, 5, 3), np.uint8))
    found = on_the_firmware(runner, bundle_file(bundle), frames)
    assert found == on_the_runtime(bundle, frames)
    assert len({answer.confidence for answer in found}) > 10

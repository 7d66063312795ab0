"""Pruning ratios on the firmware: weights in place, and the bits of the model cut on the host."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_bundles import bundle_file, on_the_firmware, on_the_runtime
from tests.fakes.firmware_device import FirmwareDevice
from tests.fakes.firmware_models import Reference, run_on_firmware, try_on_firmware
from tests.fakes.prunable_bundles import write_prunable_bundle
from tests.fakes.prunable_cases import RATIOS, PrunableCase, prunable_case
from tests.profile import examples

from edge_infer.firmware_bridge.errors import DeviceRefusedError
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion, build, parse
from edge_infer.firmware_bridge.image.stored_zip import pack, unpack
from edge_infer.firmware_bridge.image.tables import decision_table
from edge_infer.firmware_bridge.wire.command import Group, Op
from edge_infer.firmware_bridge.wire.edge import EdgeCommand
from edge_infer.models_tflite.bundle import Bundle, open_bundle, shipped_names
from edge_infer.models_tflite.prunable import PrunableModel

CASES = int(os.environ.get("EDGE_INFER_RATIO_CASES", "20"))
"""Random nets, each at four ratios; `make test-mcu` takes more."""
OK, TRUNCATED, CORRUPT, HASH, NO_ENTRY, UNSUPPORTED, SHAPE, TOO_MANY, ARENA = range(9)
"""Values of einf_status."""
REFUSALS = {TRUNCATED, CORRUPT, NO_ENTRY, UNSUPPORTED, SHAPE, TOO_MANY, ARENA}
"""Of a part that lies, its hash being right."""
STAGES = [
    (name, stage.file)
    for name in shipped_names()
    if (manifest := open_bundle(name).manifest).prunable is not None
    for stage in manifest.stages
]


@pytest.fixture(scope="module", params=["plain", "dsp"])
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    program = build_driver(tmp_path_factory.getbasetemp(), "model_runner", kernels=request.param)
    with Driver(program) as driver:
        yield driver


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    program = build_driver(tmp_path_factory.getbasetemp(), "bundle_runner", kernels="dsp")
    with Driver(program) as driver:
        yield driver


@cache
def _case(seed: int) -> PrunableCase:
    return prunable_case(seed)


def test_there_are_prunable_bundles() -> None:
    assert {name for name, _ in STAGES} >= {"cifar10-prunable", "cifar10-all-in-one"}


@pytest.mark.backend
@pytest.mark.parametrize(("name", "file"), STAGES)
def test_every_ratio_of_a_shipped_stage(name: str, file: str, runner: Driver) -> None:
    model = open_bundle(name).read(file)
    opened = PrunableModel.open(model)
    random = np.random.default_rng(1)
    arenas = {}
    for ratio in opened.ratios:
        reference = Reference(opened.materialise(ratio))
        runs = [reference.random_input(random) for _ in range(2)]
        ran = run_on_firmware(runner, model, runs, ratio)
        assert ran.status == OK
        assert ran.outputs == [reference.run(run) for run in runs], ratio
        arenas[ratio] = ran.kept_bytes + ran.activation_bytes
    # A ratio's biases are decoded into the arena; the full width's stay in flash.
    assert max(arenas.values()) <= 1.17 * arenas["1.0"], arenas
    assert arenas[opened.ratios[-1]] < 0.7 * arenas["1.0"], arenas


@pytest.mark.backend
def test_random_nets_at_random_ratios(runner: Driver) -> None:
    outputs = 0
    for seed in range(CASES):
        case = _case(seed)
        opened = PrunableModel.open(case.file)
        for ratio in ("1.0", *RATIOS):
            reference = Reference(opened.materialise(ratio))
            runs = [reference.random_input(np.random.default_rng(seed))]
            ran = run_on_firmware(runner, case.file, runs, ratio)
            assert ran.status == OK, f"{seed} at {ratio}: status {ran.status}"
            wanted = reference.run(runs[0])
            assert ran.outputs == [wanted], f"{seed} at {ratio}: {case.kept.get(ratio)}"
            outputs += len(set(wanted)) > 1
    assert outputs > 2 * CASES, "most outputs are all the same: the cases say little"


@pytest.mark.backend
@pytest.mark.parametrize("name", sorted({name for name, _ in STAGES}))
def test_a_bundle_leaves_where_the_runtime_leaves_at_every_ratio(
    name: str, bundles: Driver
) -> None:
    bundle = open_bundle(name)
    frames = list(bundle.golden().frames)
    file = bundle_file(bundle)
    for ratio in bundle.manifest.ratios:
        found = on_the_firmware(bundles, file, frames, ratio)
        assert found == on_the_runtime(bundle, frames, ratio), ratio


def _rehashed(file: bytearray) -> bytes:
    at = file.index(b"EIPR") + 8
    file[at : at + 32] = bytes(32)
    file[at : at + 32] = hashlib.sha256(file).digest()
    return bytes(file)


def test_a_file_that_was_changed_is_refused(runner: Driver) -> None:
    file = bytearray(_case(1).file)
    file[len(file) // 3] ^= 1
    assert run_on_firmware(runner, bytes(file), [], RATIOS[0]).status == HASH


def test_what_is_not_there_is_refused(runner: Driver) -> None:
    plain = open_bundle("digits-early-exit").read("exit1.tflite")
    assert run_on_firmware(runner, plain, [], RATIOS[0]).status == NO_ENTRY
    assert run_on_firmware(runner, _case(1).file, [], "0.3").status == NO_ENTRY


def test_a_newer_version_is_refused(runner: Driver) -> None:
    file = bytearray(_case(1).file)
    file[file.index(b"EIPR") + 4] = 2
    assert run_on_firmware(runner, _rehashed(file), [], RATIOS[0]).status == UNSUPPORTED


@settings(max_examples=examples(200))
@given(data=st.data())
def test_a_part_that_lies_is_refused_or_stays_inside_the_file(
    data: st.DataObject, runner: Driver
) -> None:
    """The sanitizers end the driver at the first access out of bounds."""
    file = bytearray(_case(data.draw(st.integers(0, 5))).file)
    start = file.index(b"EIPR") + 40
    length = int.from_bytes(file[start - 44 : start - 40], "little") - 40
    for _ in range(data.draw(st.integers(1, 6))):
        # The layout stands in front, the codes behind it.
        at = data.draw(st.integers(0, min(length, 300) - 1) | st.integers(0, length - 1))
        file[start + at] = data.draw(st.integers(0, 255))
    changed = _rehashed(file)
    assert try_on_firmware(runner, changed, RATIOS[1]) in {OK, *REFUSALS}
    assert try_on_firmware(runner, b"", RATIOS[1]) == CORRUPT  # it lives


@pytest.fixture(scope="module")
def device_driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "device_runner", kernels="dsp")) as d:
        yield d


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_prunable_bundle(tmp_path_factory.mktemp("bundles"))


def _start(driver: Driver, bundle: Bundle) -> FirmwareDevice:
    device = FirmwareDevice(driver)
    device.load_flash(b"\xff" * len(device.flash()))
    device.power_on()
    file = bundle_file(bundle)
    device.upload(file)
    device.mark(parse(file).digest, permanent=True)
    device.power_on()
    return device


def _engine(device: FirmwareDevice, ratio: str, policy: str = "performance") -> str:
    body = {"policy": policy, "ratio": ratio, "n": 1}
    return str(device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.ENGINE, body)["ratio"])


def _answers(device: FirmwareDevice, frames: NDArray[Any]) -> list[tuple[int, int, int]]:
    answers = []
    for number, frame in enumerate(frames):
        body = {"n": number, "session": 3, "len": frame.nbytes, "off": 0, "data": frame.tobytes(),
                "dtype": "uint8", "shape": list(frame.shape)}  # fmt: skip
        record = device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.INFER, body)
        answers.append((record["exit"], record["answer"], record["confidence"]))
    return answers


@pytest.mark.backend
def test_a_device_answers_at_the_ratio_that_it_is_told(tiny: Bundle, device_driver: Driver) -> None:
    device = _start(device_driver, tiny)
    samples = tiny.samples()
    assert samples is not None
    given = []
    for ratio in (*tiny.manifest.ratios, "1.0"):
        assert _engine(device, ratio) == ratio
        info = device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.INFO)["run"]
        assert info["ratio"] == ratio
        found = _answers(device, samples[0])
        assert found == on_the_runtime(tiny, samples[0], ratio), ratio
        given.append(found)
    assert given[0] == given[-1] and len({str(answers) for answers in given}) == len(given) - 1


@pytest.mark.backend
@pytest.mark.parametrize("ratio", ["0.6", "0.50", "2", "nearest:0.5", "", "0.7500001"])
def test_a_ratio_that_is_not_there_leaves_the_one_before(
    ratio: str, tiny: Bundle, device_driver: Driver
) -> None:
    device = _start(device_driver, tiny)
    _engine(device, "0.5")
    with pytest.raises(DeviceRefusedError, match="no such pruning ratio"):
        _engine(device, ratio)
    samples = tiny.samples()
    assert samples is not None
    assert _answers(device, samples[0]) == on_the_runtime(tiny, samples[0], "0.5")
    device.power_on()
    assert _answers(device, samples[0]) == on_the_runtime(tiny, samples[0])


def test_a_ratio_that_takes_frames_otherwise_is_left_out(tiny: Bundle) -> None:
    prunable = tiny.manifest.prunable
    assert prunable is not None
    first, *others = prunable.ratios["0.5"].stages
    moved = replace(first, tensors=(replace(first.tensors[0], zero_point=7),))
    ratios = {**prunable.ratios, "0.5": replace(prunable.ratios["0.5"], stages=(moved, *others))}
    manifest = replace(tiny.manifest, prunable=replace(prunable, ratios=ratios))
    assert (decision_table(tiny.manifest)[6], decision_table(manifest)[6]) == (4, 3)


def test_a_plan_goes_with_the_full_width(tiny: Bundle, device_driver: Driver) -> None:
    device = _start(device_driver, tiny)
    with pytest.raises(DeviceRefusedError, match="full width"):
        _engine(device, "0.5", "planned")


def test_a_bundle_with_a_bad_ratio_fails_its_self_test(tiny: Bundle, device_driver: Driver) -> None:
    device = _start(device_driver, open_bundle("digits-little-big"))
    entries = unpack(parse(bundle_file(tiny)).payload)
    name = tiny.manifest.stages[1].file
    model = bytearray(entries[name])
    model[model.index(b"EIPR") + 41] ^= 1  # the part's hash is wrong, nothing else is
    payload = pack(entries | {name: bytes(model)})
    file = build(payload, ImageVersion(9))
    device.upload(file)
    with pytest.raises(DeviceRefusedError, match="SHA-256"):
        device.mark(parse(file).digest)
    assert device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.INFO)["run"] is not None

"""The device side over a line: slots that survive any power cut, frames, the log, MLPerf Tiny."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_bundles import bundle_file, on_the_runtime
from tests.fakes.firmware_device import SAMPLE_REGISTERS, FirmwareDevice
from tests.fakes.tiny_bundles import early_exit_draft, single_draft
from tests.profile import examples

from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.firmware_bridge.errors import DeviceRefusedError
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.tables import GOLDEN_FILE
from edge_infer.firmware_bridge.smp.framing import FrameDecoder, Framing, encode
from edge_infer.firmware_bridge.smp.message import Header, Message
from edge_infer.firmware_bridge.wire import log_batch
from edge_infer.firmware_bridge.wire.command import Group, Op
from edge_infer.firmware_bridge.wire.edge import EdgeCommand
from edge_infer.firmware_bridge.wire.log_batch import Mark, MarkEntry
from edge_infer.firmware_bridge.wire.standard import Code, ImageCode
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.bundle import Bundle, open_bundle

CUTS = int(os.environ.get("EDGE_INFER_POWER_CUTS", "60"))
"""Power cuts; `make test-mcu` makes more."""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "device_runner", kernels="dsp")) as d:
        yield d


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("old") / "b", early_exit_draft())


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("new") / "b", single_draft())


@pytest.fixture
def device(driver: Driver, old: Bundle) -> FirmwareDevice:
    """A device that runs `old`, confirmed."""
    found = FirmwareDevice(driver)
    found.load_flash(b"\xff" * len(found.flash()))
    found.cut_after(0)
    found.set_registers({})
    found.power_on()
    file = bundle_file(old, 1)
    found.upload(file)
    found.mark(_digest(file), permanent=True)
    found.power_on()
    return found


def _digest(file: bytes) -> bytes:
    return mcuboot_image.parse(file).digest


def _info(device: FirmwareDevice) -> dict[str, Any]:
    return device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.INFO)


def _runs(device: FirmwareDevice) -> str:
    run = _info(device)["run"]
    return "" if run is None else str(run["bundle"])


def test_a_new_device_says_that_nothing_runs(driver: Driver) -> None:
    device = FirmwareDevice(driver)
    device.load_flash(b"\xff" * len(device.flash()))
    assert device.power_on() == b"m-init-done\r\nm-ready\r\n"
    assert device.images() == []
    info = _info(device)
    assert info["run"] is None and "flash one" in info["failure"] and info["revert"] is None


def test_a_bundle_on_trial_reverts_unless_it_is_confirmed(
    device: FirmwareDevice, new: Bundle
) -> None:
    file = bundle_file(new, 2)
    assert device.upload(file)["match"] is True
    device.mark(_digest(file))
    assert [i["pending"] for i in device.images()] == [False, True]
    device.power_on()
    assert _runs(device) == "tiny-single" and _info(device)["trial"]
    device.power_on()
    assert _runs(device) == "tiny-early-exit"
    revert = _info(device)["revert"]
    assert revert["digest"] == _digest(file).hex() and "not confirmed" in revert["reason"]


def test_what_is_confirmed_stays_and_older_counters_are_refused(
    device: FirmwareDevice, old: Bundle, new: Bundle
) -> None:
    file = bundle_file(new, 2)
    device.upload(file)
    device.mark(_digest(file))
    device.power_on()
    device.confirm()
    device.power_on()
    assert _runs(device) == "tiny-single" and _info(device)["counter"] == 2
    with pytest.raises(DeviceRefusedError, match="security counter"):
        device.mark(_digest(bundle_file(old, 1)))
    with pytest.raises(DeviceRefusedError, match="security counter"):
        device.upload(bundle_file(old, 0))


def test_a_rollback_that_is_asked_for_keeps_its_reason(device: FirmwareDevice, new: Bundle) -> None:
    file = bundle_file(new, 1)
    device.upload(file)
    device.mark(_digest(file), permanent=True)
    device.power_on()
    device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.ROLLBACK, {"reason": "too hot"})
    device.power_on()
    assert _runs(device) == "tiny-early-exit"
    assert _info(device)["revert"]["reason"] == "too hot"


@pytest.mark.parametrize(("counter", "runs"), [(1, "tiny-early-exit"), (2, "")])
def test_a_slot_that_is_damaged_gives_way_to_the_other_unless_that_is_older(
    counter: int, runs: str, device: FirmwareDevice, new: Bundle
) -> None:
    file = bundle_file(new, counter)
    device.upload(file)
    device.mark(_digest(file), permanent=True)
    device.power_on()
    assert _runs(device) == "tiny-single"
    flash = bytearray(device.flash())
    flash[flash.index(file[:64]) + 500] ^= 4
    device.load_flash(bytes(flash))
    device.power_on()
    assert _runs(device) == runs
    if runs:
        assert "damaged" in _info(device)["revert"]["reason"]


def test_a_state_that_was_destroyed_is_found_again_from_the_slots(device: FirmwareDevice) -> None:
    flash = device.flash()
    device.load_flash(flash[: -2 * 1024] + bytes(2 * 1024))
    device.power_on()
    assert _runs(device) == "tiny-early-exit" and _info(device)["counter"] == 1
    assert "unreadable" in _info(device)["revert"]["reason"]


def test_uploads_that_are_wrong_change_nothing_that_runs(
    device: FirmwareDevice, new: Bundle
) -> None:
    file = bytearray(bundle_file(new, 2))
    file[len(file) // 2] ^= 1
    with pytest.raises(DeviceRefusedError, match="SHA-256"):
        device.upload(bytes(file))
    with pytest.raises(DeviceRefusedError, match="larger"):
        device.ask(Op.WRITE, Group.IMAGE, 1, {"off": 0, "len": 1 << 30, "data": b""})
    with pytest.raises(DeviceRefusedError, match="no upload"):
        device.ask(Op.WRITE, Group.IMAGE, 1, {"off": 64, "data": b"abc"})
    assert _runs(device) == "tiny-early-exit"
    assert [image["slot"] for image in device.images()] == [0]


def test_a_bundle_that_this_firmware_cannot_run_fails_its_self_test(device: FirmwareDevice) -> None:
    payload = bundle_file(open_bundle("digits-little-big"))
    image = mcuboot_image.parse(payload)
    cut = image.payload.replace(b"EIDT", b"EIDX")  # a table of another format
    file = mcuboot_image.build(cut, image.version, 1)
    device.upload(file)
    with pytest.raises(DeviceRefusedError, match="corrupt"):
        device.mark(_digest(file))
    assert _runs(device) == "tiny-early-exit"


@pytest.mark.parametrize(("off", "refused"), [(0, False), (1, False), (2, True)])
def test_golden_vectors_are_run_before_a_bundle_may(
    off: int, refused: bool, device: FirmwareDevice, new: Bundle
) -> None:
    image = mcuboot_image.parse(bundle_file(new))
    entries = stored_zip.unpack(image.payload)
    golden = bytearray(entries[GOLDEN_FILE])
    last = golden[-1] if golden[-1] < 128 else golden[-1] - 256
    golden[-1] = (last + off if last < 100 else last - off) & 0xFF
    file = mcuboot_image.build(
        stored_zip.pack(entries | {GOLDEN_FILE: bytes(golden)}), image.version, 1
    )
    device.upload(file)
    if refused:
        with pytest.raises(DeviceRefusedError, match="golden vectors"):
            device.mark(_digest(file))
    else:
        device.mark(_digest(file))
    assert _runs(device) == "tiny-early-exit"


def test_a_long_self_test_is_busy_until_it_is_done(device: FirmwareDevice, new: Bundle) -> None:
    file = bundle_file(new, 2)
    device.upload(file)
    device.be_slow(300_000_000)
    busy = 0
    while True:
        try:
            device.mark(_digest(file))
            break
        except DeviceRefusedError as refusal:
            assert refusal.code == Code.BUSY
            busy += 1
    device.be_slow(0)
    assert 2 <= busy <= new.manifest.golden.count
    device.power_on()
    assert _runs(device) == "tiny-single"


def test_an_upload_goes_on_where_the_line_broke(device: FirmwareDevice, new: Bundle) -> None:
    file = bundle_file(new, 2)
    opening = {"len": len(file), "sha": hashlib.sha256(file).digest()}
    device.ask(Op.WRITE, Group.IMAGE, 1, {"off": 0, "data": file[:501], **opening})
    again = device.ask(Op.WRITE, Group.IMAGE, 1, {"off": 0, "data": file[:100], **opening})
    assert again["off"] == 501
    ahead = device.ask(Op.WRITE, Group.IMAGE, 1, {"off": 900, "data": file[900:1000]})
    assert ahead["off"] == 501
    assert device.upload(file, 777)["match"] is True
    assert device.upload(file)["match"] is True  # a second time, nothing is written


@pytest.mark.parametrize("seed", range(4))
def test_power_may_fail_at_any_write(
    seed: int, device: FirmwareDevice, old: Bundle, new: Bundle
) -> None:
    before, file = device.flash(), bundle_file(new, 2)
    random = np.random.default_rng(seed)
    ran = set()
    for _ in range(-(-CUTS // 4)):
        device.load_flash(before)
        device.power_on()
        # A small number hits the state pages and the first page, a large one the upload.
        device.cut_after(int(random.integers(1, 40 if random.random() < 0.3 else 2600)))
        confirmed = False
        try:
            device.upload(file, int(random.integers(64, 1500)))
            device.mark(_digest(file))
            device.ask(Op.WRITE, Group.OS, 5)
            device.confirm()
            confirmed = True
        except AssertionError:
            pass
        device.cut_after(0)
        device.power_on()
        runs = _runs(device)
        assert runs == "tiny-single" if confirmed else runs in ("tiny-single", "tiny-early-exit")
        active = device.images()[0]
        assert active["active"] and active["hash"] in (_digest(bundle_file(old, 1)), _digest(file))
        ran.add(runs)
    assert "tiny-early-exit" in ran


def _infer(device: FirmwareDevice, number: int, frame: Any, piece: int = 1500) -> dict[str, Any]:
    content = frame.tobytes()
    answer: dict[str, Any] = {"off": 0}
    while "off" in answer:
        at = answer["off"]
        body = {"n": number, "session": 7, "len": len(content), "off": at,
                "data": content[at : at + piece], "dtype": str(frame.dtype),
                "shape": list(frame.shape)}  # fmt: skip
        answer = device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.INFER, body)
    return answer


@pytest.mark.backend
def test_frames_are_answered_once_as_on_the_host(device: FirmwareDevice, old: Bundle) -> None:
    random = np.random.default_rng(11)
    shape = old.manifest.stages[0].input.shape
    frames = [random.integers(0, 256, shape, np.uint8) for _ in range(20)]
    for number, (frame, wanted) in enumerate(zip(frames, on_the_runtime(old, frames), strict=True)):
        record = _infer(device, number, frame, piece=int(random.integers(10, 64)))
        assert (record["exit"], record["answer"], record["confidence"]) == wanted
        assert len(record["starts"]) == len(record["ends"]) == record["exit"] + 1
        assert _infer(device, number, frame) == record  # the answer was lost, the host asks again
    counted = device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.STATISTICS)
    assert counted["inferences"] == 20
    assert sum(count for _, count in counted["exits"]) == 20


def test_frames_of_another_size_or_type_are_refused(device: FirmwareDevice) -> None:
    with pytest.raises(DeviceRefusedError, match="size"):
        _infer(device, 1, np.zeros((3, 3, 1), np.uint8))
    with pytest.raises(DeviceRefusedError, match="dtype"):
        _infer(device, 2, np.zeros((4, 4, 1), np.float32))


def test_the_log_tells_of_inferences_and_of_the_meter(device: FirmwareDevice, old: Bundle) -> None:
    device.set_registers(SAMPLE_REGISTERS)
    device.power_on()
    device.set_registers(SAMPLE_REGISTERS)
    device.wait_us(1000)
    _infer(device, 5, np.zeros(old.manifest.stages[0].input.shape, np.uint8))
    device.set_registers({1: 32000, 2: (1200 << 3) | 2})
    device.wait_us(2000)
    answer = device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.LOG, {"from": 0})
    entries = log_batch.decode(answer["batch"])
    assert answer["first"] == 0 and answer["count"] == len(entries) == answer["end"]
    marks = [e.mark for e in entries if isinstance(e, MarkEntry)]
    assert marks == [
        Mark.CLOCK_KHZ, Mark.METER_START, Mark.INFERENCE_START, Mark.INFERENCE_EXIT,
    ]  # fmt: skip
    first, last = [e for e in entries if isinstance(e, PowerSample)]
    # 60 mV over 0.1 ohm; 1250 steps of 4 mV. Then the PGA's limit.
    assert (first.current_ua, first.bus_mv, first.flags) == (600_000, 5000, SampleFlag.NONE)
    assert (last.current_ua, last.bus_mv) == (3_200_000, 4800)
    assert last.flags == SampleFlag.SATURATED and last.seq == first.seq + 1


def test_a_log_that_overran_says_from_where_it_goes_on(device: FirmwareDevice, old: Bundle) -> None:
    frame = np.zeros(old.manifest.stages[0].input.shape, np.uint8)
    for number in range(700):  # two marks each, into 1024 entries
        _infer(device, number, frame)
    first = device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.LOG, {"from": 0})
    assert first["first"] == first["end"] - 1024 == 2 * 700 + 1 - 1024
    at, seen = first["first"], 0
    while at < first["end"]:
        part = device.ask(Op.READ, Group.EDGE_INFER, EdgeCommand.LOG, {"from": at})
        assert part["first"] == at and part["count"] == len(log_batch.decode(part["batch"]))
        at, seen = at + part["count"], seen + part["count"]
    assert seen == 1024


def test_commands_of_the_groups(device: FirmwareDevice) -> None:
    assert device.ask(Op.WRITE, Group.OS, 0, {"d": "hi"}) == {"r": "hi"}
    assert device.ask(Op.READ, Group.OS, 6) == {"buf_size": 2048, "buf_count": 1}
    assert device.ask(Op.READ, Group.OS, 8) == {"bootloader": "edge-infer"}
    assert device.ask(Op.READ, Group.ENUMERATION, 1)["groups"] == [0, 1, 10, 70]
    assert device.ask(Op.READ, Group.ENUMERATION, 2, {"index": 3}) == {"group": 70, "end": True}
    with pytest.raises(DeviceRefusedError, match="no such command"):
        device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.RUN, {"frames": 1, "n": 1})
    with pytest.raises(DeviceRefusedError, match="policies"):
        device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.ENGINE, {"policy": "ondemand", "n": 1})


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("size", [0, 1, 93, 94, 95, 252, 253, 254, 255, 600, 2000])
def test_both_framings_carry_messages_of_any_size(
    framing: Framing, size: int, driver: Driver
) -> None:
    device = FirmwareDevice(driver, framing)
    device.power_on()
    for letters in ("x" * size, "".join(chr(i % 128) for i in range(size))):
        assert device.ask(Op.WRITE, Group.OS, 0, {"d": letters}) == {"r": letters}


def test_version_1_names_the_group_of_a_refusal(device: FirmwareDevice) -> None:
    header = Header(Op.WRITE, Group.IMAGE, 1, 9, version=1)
    request = Message(header, {"off": 64, "data": b"abc"}).pack()
    answers = FrameDecoder().feed(device.feed(encode(request, Framing.COBS)), 0)
    body = Message.unpack(answers[0].message).body
    assert body == {"err": {"group": Group.IMAGE, "rc": ImageCode.INVALID_OFFSET}}


@settings(max_examples=examples(100))
@given(noise=st.binary(max_size=400))
def test_noise_never_harms_and_the_next_message_is_answered(noise: bytes, driver: Driver) -> None:
    device = FirmwareDevice(driver)
    device.power_on()
    device.feed(noise)
    device.wait_us(500_000)  # what was begun is given up
    assert device.ask(Op.WRITE, Group.OS, 0, {"d": "still there"}) == {"r": "still there"}


@settings(max_examples=examples(100))
@given(
    body=st.binary(max_size=300),
    op=st.sampled_from((Op.READ, Op.WRITE)),
    group=st.sampled_from((0, 1, 10, 70, 99)),
    command=st.integers(0, 10),
)
def test_any_body_is_answered(
    body: bytes, op: Op, group: int, command: int, driver: Driver
) -> None:
    device = FirmwareDevice(driver)
    device.power_on()
    header = Header(op, group, command, 3, length=len(body), version=0)
    output = device.feed(encode(header.pack() + body, Framing.COBS))
    answers = FrameDecoder().feed(output, 0)
    assert len(answers) == 1
    assert isinstance(Message.unpack(answers[0].message).body, dict)


@pytest.mark.backend
def test_mlperf_tinys_runner_can_drive_it(device: FirmwareDevice, old: Bundle) -> None:
    frame = np.random.default_rng(3).integers(0, 256, old.manifest.stages[0].input.shape, np.uint8)
    assert device.feed(b"name%") == b"m-name-dut-[runner]\r\nm-ready\r\n"
    assert b"m-model-[tiny-early-exit]\r\nm-ready" in device.feed(b"profile%")
    assert b"e-[" in device.feed(b"infer 1 0%")
    assert device.feed(b"db load 64%") == b"m-[Expecting 64 bytes]\r\nm-ready\r\n"
    content = frame.tobytes().hex().encode()
    assert device.feed(b"db " + content[:64] + b"%") == b"m-ready\r\n"
    assert device.feed(b"db " + content[64:] + b"%") == b"m-load-done\r\nm-ready\r\n"
    said = device.feed(b"infer 3 2%") + device.poll(6)
    lines = said.decode().split("\r\n")
    assert lines[:3] == ["m-warmup-start-2", "m-warmup-done", "m-infer-start-3"]
    assert lines[3].startswith("m-lap-us-") and lines[4].startswith("m-lap-us-")
    assert lines[5] == "m-infer-done" and lines[7] == "m-ready"
    shares = [float(p) for p in lines[6].removeprefix("m-results-[").removesuffix("]").split(",")]
    assert int(np.argmax(shares)) == on_the_runtime(old, [frame])[0].answer
    assert abs(sum(shares) - 1) < 0.01
    assert b"e-[Unknown command: nonsense]" in device.feed(b"nonsense%")
    assert device.ask(Op.WRITE, Group.OS, 0, {"d": "smp"}) == {"r": "smp"}

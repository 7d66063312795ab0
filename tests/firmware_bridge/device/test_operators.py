"""Who may change something: an operator who proves a key, on this line, for this start."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bridge_device import KEY, KEYS, FakeSelfTests, bundle_file, digest
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.serial_line import SerialLine

from edge_infer.firmware_bridge.device.device import ClientLine, Device, DeviceSettings
from edge_infer.firmware_bridge.device.operators import QUIET_NS, OperatorSettings
from edge_infer.firmware_bridge.errors import DeviceRefusedError, FrameError, ImageError
from edge_infer.firmware_bridge.host.flashing import edge_info, images, mark, reset, slot_of
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.wire import edge, proof, standard
from edge_infer.firmware_bridge.wire.command import Command, Empty, Fields, Op
from edge_infer.firmware_bridge.wire.proof import (
    CHALLENGE,
    NONCE_BYTES,
    PROVE,
    ChallengeWanted,
    Proof,
    signed_text,
)
from edge_infer.firmware_bridge.wire.standard import Code

OPERATOR, STRANGER = SigningKey.generate(), SigningKey.generate()
OPERATORS = OperatorSettings(TrustedKeys([("alice", OPERATOR.public)]), required=True)
NONCE = bytes(range(NONCE_BYTES))

Make = Callable[..., Link]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    settings = DeviceSettings(tmp_path / "state", "sim:raspberry-pi-5")
    return Device(settings, KEYS, InProcessWorker, lambda *_: FakeSelfTests(), OPERATORS)


def link_to(line: Device | ClientLine, key: SigningKey | None = None) -> Link:
    return Link(SerialLine(line.feed, 921_600, on_lost=line.line_lost), operator=key)


def changes(command: Command[Fields, Fields]) -> bool:
    free = (standard.ECHO, CHALLENGE, PROVE)
    return command is edge.ENERGIES or (command.op is Op.WRITE and command not in free)


ALL = (*standard.COMMANDS, *edge.COMMANDS, *proof.COMMANDS)


@pytest.mark.parametrize("command", ALL, ids=lambda c: f"{c.group.name}-{c.number.name}-{c.op}")
def test_what_changes_something_is_refused_without_a_proof(
    device: Device, command: Command[Fields, Fields]
) -> None:
    raw = Command(command.group, command.number, command.op, Empty, Empty)
    try:
        link_to(device).ask(raw, Empty())
        denied = False
    except DeviceRefusedError as refusal:
        denied = refusal.code == Code.ACCESS_DENIED
    assert denied == changes(command)


def test_with_the_key_a_bundle_is_flashed_and_reset(
    device: Device, tiny_files: list[bytes]
) -> None:
    link, file = link_to(device, OPERATOR), tiny_files[0]
    link.upload(file)
    mark(link, digest(file))
    reset(link)
    active = slot_of(images(link), 0)
    assert active is not None and active.digest == digest(file)


def test_a_strangers_key_is_told_so(device: Device) -> None:
    with pytest.raises(DeviceRefusedError, match="no operator"):
        link_to(device, STRANGER).ask(standard.RESET, Empty())
    with pytest.raises(DeviceRefusedError, match="no operator"):
        link_to(device, KEY).upload(bundle_file(1))
    assert edge_info(link_to(device)) is not None


def test_a_proof_counts_on_its_own_line_until_that_is_lost_or_quiet(device: Device) -> None:
    other = link_to(device.another_line())
    mine = link_to(device, OPERATOR)
    mine.ask(standard.RESET, Empty())
    plain = Link(mine.port)
    plain.ask(standard.RESET, Empty())
    with pytest.raises(DeviceRefusedError, match="--operator-key"):
        other.ask(standard.RESET, Empty())
    for _ in range(3):
        plain.pause(QUIET_NS * 2 // 3)
        plain.ask(standard.RESET, Empty())
    plain.pause(QUIET_NS + 1)
    with pytest.raises(DeviceRefusedError, match="--operator-key"):
        plain.ask(standard.RESET, Empty())
    mine.ask(standard.RESET, Empty())
    device.line_lost()
    with pytest.raises(DeviceRefusedError, match="--operator-key"):
        plain.ask(standard.RESET, Empty())


def proof_of(link: Link, key: SigningKey, **changed: object) -> Proof:
    challenge = link.ask(CHALLENGE, ChallengeWanted(NONCE))
    text = signed_text(replace(challenge, **changed), NONCE)  # type: ignore[arg-type]
    return Proof(key.key_hash, key.sign(text))


@pytest.mark.parametrize(
    "changed", [{"board_id": bytes(16)}, {"boot": 7}, {"nonce": bytes(NONCE_BYTES)}]
)
def test_board_boot_and_nonce_are_signed(device: Device, changed: dict[str, object]) -> None:
    link = link_to(device)
    link.ask(PROVE, proof_of(link, OPERATOR))
    with pytest.raises(DeviceRefusedError, match="is wrong"):
        link.ask(PROVE, proof_of(link, OPERATOR, **changed))
    with pytest.raises(DeviceRefusedError, match="--operator-key"):
        link.ask(standard.RESET, Empty())


def test_a_challenge_is_good_for_one_proof(device: Device) -> None:
    link = link_to(device)
    good = proof_of(link, OPERATOR)
    with pytest.raises(DeviceRefusedError, match="is wrong"):
        link.ask(PROVE, replace(good, signature=bytes(64)))
    with pytest.raises(DeviceRefusedError, match="ask for one first"):
        link.ask(PROVE, good)
    link.ask(PROVE, again := proof_of(link, OPERATOR))
    link.ask(PROVE, again)  # its answer was lost
    device.line_lost()
    with pytest.raises(DeviceRefusedError, match="ask for one first"):
        link.ask(PROVE, again)


def test_no_digest_of_a_bundle_is_signed_as_a_challenge() -> None:
    challenge = proof.Challenge(bytes(16), 0, bytes(NONCE_BYTES))
    assert len(signed_text(challenge, NONCE)) > 64
    assert signed_text(challenge, NONCE).startswith(b"edge-infer operator proof 1\n")
    for wrong in (
        replace(challenge, board_id=bytes(15)),
        replace(challenge, nonce=bytes(33)),
        replace(challenge, boot=1 << 64),
    ):
        with pytest.raises(FrameError):
            signed_text(wrong, NONCE)


def test_a_key_that_signs_bundles_is_no_operators(tmp_path: Path) -> None:
    both = OperatorSettings(TrustedKeys([("both", KEY.public)]), required=True)
    with pytest.raises(ImageError, match="trusted to sign bundles as well"):
        Device(DeviceSettings(tmp_path), KEYS, InProcessWorker, operators=both)


def test_lines_stay_open_unless_a_key_is_required(tmp_path: Path) -> None:
    settings = DeviceSettings(tmp_path / "state", "sim:raspberry-pi-5")
    device = Device(settings, KEYS, InProcessWorker, lambda *_: FakeSelfTests())
    file = bundle_file(1)
    link_to(device).upload(file)
    assert device.slots.other is not None and device.slots.other.digest == digest(file)
    assert link_to(device, OPERATOR).ask(standard.RESET, Empty()) == Empty()

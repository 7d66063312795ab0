"""ed25519 on the firmware: RFC 8032's vectors, the host's signatures, and nothing tampered with."""

import hashlib
import struct
from collections.abc import Iterator
from functools import cache

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_bundles import bundle_file
from tests.fakes.firmware_device import FirmwareDevice
from tests.profile import examples

from edge_infer.firmware_bridge.errors import DeviceRefusedError
from edge_infer.firmware_bridge.image import mcuboot_image
from edge_infer.firmware_bridge.image.keys import SigningKey
from edge_infer.firmware_bridge.image.mcuboot_image import Tlv
from edge_infer.models_tflite.bundle import open_bundle

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19

RFC_8032 = {
    "TEST 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}
"""Section 7.1: public key, message, signature."""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "signature_runner")) as driver:
        yield driver


def _verifies(runner: Driver, signature: bytes, key: bytes, message: bytes) -> bool:
    runner.write(struct.pack("<I", len(message)), signature, key, message)
    return bool(runner.numbers(2)[0])


def _on_the_host(signature: bytes, key: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _flipped(data: bytes, bit: int) -> bytes:
    at = bit % (8 * len(data))
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


@pytest.mark.parametrize("name", RFC_8032)
def test_vectors_of_the_rfc(name: str, runner: Driver) -> None:
    key, message, signature = (bytes.fromhex(part) for part in RFC_8032[name])
    assert _verifies(runner, signature, key, message)
    for bit in range(0, 512, 7):
        assert not _verifies(runner, _flipped(signature, bit), key, message)
    assert not _verifies(runner, signature, key, message + b"\0")


@settings(max_examples=examples(60))
@given(
    secret=st.binary(min_size=32, max_size=32), message=st.binary(max_size=600),
    part=st.sampled_from(["none", "signature", "key", "message"]), bit=st.integers(0, 8 * 600),
)  # fmt: skip
def test_the_host_and_the_firmware_agree(
    secret: bytes, message: bytes, part: str, bit: int, runner: Driver
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    if part == "signature":
        signature = _flipped(signature, bit)
    elif part == "key":
        key = _flipped(key, bit)
    elif part == "message" and message:
        message = _flipped(message, bit)
    wanted = _on_the_host(signature, key, message)
    assert _verifies(runner, signature, key, message) == wanted
    assert wanted == (part == "none" or (part == "message" and not message))


def test_numbers_that_are_too_large_are_refused(runner: Driver) -> None:
    """RFC 8032, section 5.1.7: s below the order; section 5.1.3: y below the prime."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"m")
    s = int.from_bytes(signature[32:], "little")
    assert _verifies(runner, signature, key, b"m")
    again = signature[:32] + (s + ORDER).to_bytes(32, "little")
    assert not _verifies(runner, again, key, b"m")
    for y in (PRIME, PRIME + 1, 2**255 - 1):
        assert not _verifies(runner, signature, y.to_bytes(32, "little"), b"m")


def test_points_that_are_not_on_the_curve_are_refused(runner: Driver) -> None:
    signature = bytes(64)
    off = [y for y in range(2, 40) if not _has_x(y)]
    assert len(off) > 10
    for y in off:
        assert not _verifies(runner, signature, y.to_bytes(32, "little"), b"")


def _has_x(y: int) -> bool:
    d = -121665 * pow(121666, PRIME - 2, PRIME)
    square = (y * y - 1) * pow(d * y * y + 1, PRIME - 2, PRIME) % PRIME
    return square == 0 or pow(square, (PRIME - 1) // 2, PRIME) == 1


@pytest.fixture(scope="module")
def device_driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "device_runner", kernels="dsp")) as d:
        yield d


@pytest.fixture
def device(device_driver: Driver) -> Iterator[FirmwareDevice]:
    """An empty device that trusts `KEY`."""
    found = FirmwareDevice(device_driver)
    found.trust(KEY.public.public_bytes_raw())
    found.load_flash(b"\xff" * len(found.flash()))
    found.power_on()
    yield found
    found.trust(b"")


KEY = SigningKey.generate()


@cache
def _signed(key: SigningKey | None = KEY) -> bytes:
    return bundle_file(open_bundle("digits-little-big"), 1, key)


def _with_tlvs(file: bytes, *kinds: Tlv, **changed: bytes) -> bytes:
    """Return an image with these TLVs in this order, some with other values."""
    image = mcuboot_image.parse(file)
    assert image.key_hash is not None and image.signature is not None
    values = {Tlv.SHA256: image.digest, Tlv.KEY_HASH: image.key_hash, Tlv.ED25519: image.signature}
    values |= {Tlv[name]: value for name, value in changed.items()}
    area = b"".join(struct.pack("<HH", kind, len(values[kind])) + values[kind] for kind in kinds)
    hashed = file[: len(file) - 4 - sum(4 + len(value) for value in values.values())]
    return hashed + struct.pack("<HH", 0x6907, 4 + len(area)) + area


IN_ORDER = (Tlv.SHA256, Tlv.KEY_HASH, Tlv.ED25519)


def test_a_signed_bundle_is_taken_and_runs(device: FirmwareDevice) -> None:
    assert _with_tlvs(_signed(), *IN_ORDER) == _signed()
    assert device.upload(_signed())["match"] is True
    device.mark(mcuboot_image.parse(_signed()).digest, permanent=True)
    device.power_on()
    assert device.images()[0]["active"]


def _refused() -> dict[str, tuple[bytes, str]]:
    signature = mcuboot_image.parse(_signed()).signature
    assert signature is not None
    return {
        "unsigned": (_signed(None), "not signed"),
        "another key": (_signed(SigningKey.generate()), "not signed"),
        "signature changed": (
            _with_tlvs(_signed(), *IN_ORDER, ED25519=_flipped(signature, 300)), "not signed",
        ),
        "another's signature": (
            _with_tlvs(_signed(), *IN_ORDER, ED25519=SigningKey.generate().sign(b"")), "not signed",
        ),
        "key hash changed": (_with_tlvs(_signed(), *IN_ORDER, KEY_HASH=bytes(32)), "not signed"),
        "key after signature": (
            _with_tlvs(_signed(), Tlv.SHA256, Tlv.ED25519, Tlv.KEY_HASH), "damaged",
        ),
        "no key": (_with_tlvs(_signed(), Tlv.SHA256, Tlv.ED25519), "damaged"),
        "hash last": (_with_tlvs(_signed(), Tlv.KEY_HASH, Tlv.ED25519, Tlv.SHA256), "damaged"),
        "two signatures": (_with_tlvs(_signed(), *IN_ORDER, Tlv.ED25519), "damaged"),
    }  # fmt: skip


def test_what_is_not_signed_well_is_refused(device: FirmwareDevice) -> None:
    for how, (file, reason) in _refused().items():
        with pytest.raises(DeviceRefusedError) as refusal:
            device.upload(file)
        assert reason in str(refusal.value), how
        assert device.images() == [], how


def test_a_signature_that_changed_in_flash_is_found_at_the_start(device: FirmwareDevice) -> None:
    device.upload(_signed())
    device.mark(mcuboot_image.parse(_signed()).digest, permanent=True)
    device.power_on()
    flash = bytearray(device.flash())
    at = flash.index(_signed()[-64:])
    flash[at + 9] ^= 1
    device.load_flash(bytes(flash))
    device.power_on()
    assert device.images() == []


def test_a_device_without_keys_takes_everything(device: FirmwareDevice) -> None:
    device.trust(b"")
    assert device.upload(_signed(None))["match"] is True
    assert device.upload(_signed())["match"] is True

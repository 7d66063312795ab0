"""The bundle file: what goes in comes out, and nothing that was touched is accepted."""

import io
import random
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smpclient.mcuboot import IMAGE_F, IMAGE_TLV, ImageInfo
from tests.profile import examples

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.bundle_file import (
    check_image,
    is_laid_out,
    lay_out,
    sign_bundle_file,
)
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import HEADER_BYTES, ImageVersion

ENTRIES = {
    "manifest.json": b'{"name": "x"}',
    "stage_0.tflite": bytes(range(256)) * 3,
    "sub/golden.npz": b"",
    "a.bin": b"1234567",
}
NAMES = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,12}(/[a-z0-9]{1,5})?\Z")


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="module")
def trusted(key: SigningKey) -> TrustedKeys:
    return TrustedKeys([("mine", key.public)])


@pytest.fixture(scope="module")
def signed(key: SigningKey) -> bytes:
    return mcuboot_image.build(stored_zip.pack(ENTRIES), ImageVersion(1, 2, 3, 4), 7, key)


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=6))
def test_zip_round_trip_sorted_and_aligned(entries: dict[str, bytes]) -> None:
    payload = stored_zip.pack(entries)
    assert payload == stored_zip.pack(dict(reversed(entries.items())))
    assert stored_zip.unpack(payload) == entries
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(entries)
        for info in archive.infolist():
            name, extra = struct.unpack_from("<HH", payload, info.header_offset + 26)
            assert (info.header_offset + 30 + name + extra) % 16 == 0


def _other_zip(*members: tuple[zipfile.ZipInfo | str, bytes], deflate: bool = False) -> bytes:
    out = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _claiming_4_gb() -> bytes:
    payload = bytearray(stored_zip.pack({"manifest.json": b"{}"}))
    at = payload.rindex(b"PK\x01\x02")
    payload[at + 20 : at + 28] = b"\xff\xff\xff\xfe" * 2
    return bytes(payload)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "make",
    [
        lambda: _other_zip(("../evil", b"x")),
        lambda: _other_zip(("/etc/passwd", b"x")),
        lambda: _other_zip(("a/../../evil", b"x")),
        lambda: _other_zip((".hidden", b"x")),
        lambda: _other_zip(("a\\b", b"x")),
        lambda: _other_zip((_link(), b"/etc/passwd")),
        lambda: _other_zip(("a", b"1"), ("a", b"2")),
        lambda: _other_zip(("a", b"1"), ("A", b"2")),
        lambda: _other_zip(("bomb", bytes(10_000_000)), deflate=True),
        lambda: _other_zip(("a/", b"")),
        lambda: _other_zip(("plain.json", b"not aligned, not ours")),
        _claiming_4_gb,
        lambda: b"junk" + stored_zip.pack(ENTRIES),
        lambda: stored_zip.pack(ENTRIES) + b"junk",
        lambda: b"",
    ],
)
def test_every_other_zip_is_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImageError):
        stored_zip.unpack(make())


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/./b", "a/b/c/d/e", "", "nul\x00", "ä"])
def test_bad_names_cannot_be_packed(name: str) -> None:
    with pytest.raises(ImageError):
        stored_zip.pack({name: b""})


@given(st.binary(max_size=400))
def test_any_bytes_are_no_zip(payload: bytes) -> None:
    with pytest.raises(ImageError):
        stored_zip.unpack(payload)


def test_a_signed_image_says_what_went_in(signed: bytes, trusted: TrustedKeys) -> None:
    image = check_image(signed, trusted)
    assert image.check_trust(trusted) == "mine"
    assert (str(image.version), image.security_counter) == ("1.2.3.4", 7)
    assert stored_zip.unpack(image.payload) == ENTRIES
    assert signed[HEADER_BYTES : HEADER_BYTES + len(image.payload)] == image.payload


def test_every_single_changed_byte_is_refused(signed: bytes, trusted: TrustedKeys) -> None:
    for at in range(len(signed)):
        changed = bytearray(signed)
        changed[at] ^= 0x40
        with pytest.raises(ImageError):
            check_image(bytes(changed), trusted)


def test_every_truncation_and_any_padding_is_refused(signed: bytes, trusted: TrustedKeys) -> None:
    for size in range(len(signed)):
        with pytest.raises(ImageError):
            check_image(signed[:size], trusted)
    with pytest.raises(ImageError):
        check_image(signed + b"\xff" * 16, trusted)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutations_are_refused_or_change_nothing(
    signed: bytes, trusted: TrustedKeys, seed: int
) -> None:
    rng = random.Random(seed)
    changed = bytearray(signed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(3):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                del changed[at : at + rng.randint(1, 9)]
            case _:
                changed[at:at] = rng.randbytes(rng.randint(1, 9))
    if bytes(changed) != signed:
        with pytest.raises(ImageError):
            check_image(bytes(changed), trusted)


def test_another_key_an_unsigned_file_and_a_stripped_signature_are_refused(
    signed: bytes, trusted: TrustedKeys
) -> None:
    payload = stored_zip.pack(ENTRIES)
    other = mcuboot_image.build(payload, ImageVersion(1), 7, SigningKey.generate())
    plain = mcuboot_image.build(payload, ImageVersion(1), 7)
    with pytest.raises(ImageError, match="not trusted here"):
        check_image(other, trusted)
    with pytest.raises(ImageError, match="not signed"):
        check_image(plain, trusted)
    with pytest.raises(ImageError, match="not trusted here"):
        check_image(other, trusted, allow_unsigned=True)
    assert (
        check_image(plain, trusted, allow_unsigned=True).check_trust(trusted, allow_unsigned=True)
        == "unsigned"
    )


def test_a_key_named_as_trusted_but_signing_wrongly_is_refused(
    signed: bytes, key: SigningKey, trusted: TrustedKeys
) -> None:
    forger = SigningKey.generate()
    forger.key_hash = key.key_hash
    with pytest.raises(ImageError, match="signature by key mine is wrong"):
        check_image(sign_bundle_file(signed, forger), trusted)


def test_signing_again_keeps_payload_and_version(signed: bytes) -> None:
    second = SigningKey.generate()
    image = check_image(sign_bundle_file(signed, second, 9), TrustedKeys([("2", second.public)]))
    assert stored_zip.unpack(image.payload) == ENTRIES
    assert (image.version, image.security_counter) == (ImageVersion(1, 2, 3, 4), 9)


@pytest.mark.parametrize("text", ["1", "1.2", "1.2.3.4", "256.0.0", "1.2.65536", "a.b.c", "-1.0.0"])
def test_versions_that_do_not_fit_the_header_are_refused(text: str) -> None:
    with pytest.raises(ImageError):
        ImageVersion.parse(text)


def test_layout_is_exact_and_checked(tmp_path: Path, signed: bytes, trusted: TrustedKeys) -> None:
    image = check_image(signed, trusted)
    lay_out(image, tmp_path / "slot")
    assert is_laid_out(image, tmp_path / "slot")
    (tmp_path / "slot" / "extra").write_bytes(b"")
    assert not is_laid_out(image, tmp_path / "slot")
    (tmp_path / "slot" / "extra").unlink()
    (tmp_path / "slot" / "a.bin").write_bytes(b"7654321")
    assert not is_laid_out(image, tmp_path / "slot")


def test_a_peer_reads_the_image(tmp_path: Path, signed: bytes) -> None:
    path = tmp_path / "x.bundle"
    path.write_bytes(signed)
    info = ImageInfo.load_file(str(path))
    assert info.header.flags == IMAGE_F.NON_BOOTABLE
    assert str(info.header.ver) == "1.2.3-build4"
    assert info.get_tlv(IMAGE_TLV.SEC_CNT).value == (7).to_bytes(4, "little")
    assert info.get_tlv(IMAGE_TLV.SHA256).value == mcuboot_image.parse(signed).digest


def _imgtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("imgtool")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def test_imgtool_verifies_ours_and_notices_a_change(
    tmp_path: Path, signed: bytes, key: SigningKey
) -> None:
    pem, path = tmp_path / "key.pem", tmp_path / "x.bundle"
    key.save(pem)
    path.write_bytes(signed)
    good = _imgtool("verify", "-k", pem, path)
    assert good.returncode == 0 and "correctly validated" in good.stdout
    path.write_bytes(signed[:40] + b"\x00\x01" + signed[42:])
    assert _imgtool("verify", "-k", pem, path).returncode != 0


@pytest.mark.parametrize("counter", [None, "42"])
def test_ours_accepts_what_imgtool_signed(
    tmp_path: Path, counter: str | None, key: SigningKey, trusted: TrustedKeys
) -> None:
    pem, raw, out = tmp_path / "key.pem", tmp_path / "x.zip", tmp_path / "x.bundle"
    key.save(pem)
    raw.write_bytes(stored_zip.pack(ENTRIES))
    options = ["-s", counter] if counter else []
    done = _imgtool(
        "sign", "-k", pem, "-v", "3.1.4+15", "-H", "0x20", "--pad-header", "-S", "0x100000",
        "--align", "8", "--non-bootable", *options, raw, out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    image = check_image(out.read_bytes(), trusted)
    assert (str(image.version), image.security_counter) == ("3.1.4.15", int(counter or 0))
    assert stored_zip.unpack(image.payload) == ENTRIES


def test_keys_survive_their_files(tmp_path: Path, signed: bytes, key: SigningKey) -> None:
    key.save(tmp_path / "private.pem")
    (tmp_path / "trust").mkdir()
    SigningKey.load(tmp_path / "private.pem").save_public(tmp_path / "trust" / "release.pem")
    assert (tmp_path / "private.pem").stat().st_mode & 0o077 == 0
    image = mcuboot_image.parse(signed)
    assert image.check_trust(TrustedKeys.load(tmp_path / "trust")) == "release"
    assert image.check_trust(TrustedKeys.load(tmp_path / "private.pem")) == "private"
    with pytest.raises(FileExistsError):
        key.save(tmp_path / "private.pem")


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_files_that_are_no_keys_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pem").write_bytes(content)
    with pytest.raises(ImageError):
        TrustedKeys.load(tmp_path)
    with pytest.raises(ImageError):
        SigningKey.load(tmp_path / "x.pem")

"""Bundle files with something wrong: bytes, fields and TLVs, and the ZIP under a right hash."""

import hashlib
import random
import struct
from pathlib import Path

from tests.fakes.tiny_bundles import write_early_exit
from tests.hostile.smp_frames import KEY, KEYS, scratch
from tests.hostile.suite import Suite, Tally

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.bundle_file import check_image, lay_out, pack_bundle
from edge_infer.firmware_bridge.image.mcuboot_image import HEADER_BYTES, Image, ImageVersion

_NUMBERS = (0, 1, 15, 16, 31, 255, 0x6907, 0x6908, 0xFFFF, 1 << 31, (1 << 32) - 1)
_NAMES = (b"../../../etc/x", b"/etc/passwd", b"a\x00b", b"manifest.json", b"\xff\xfe", b"C:\\x")


def mutated(file: bytes, rng: random.Random) -> bytes:
    """Return a file with one to five changes."""
    data = bytearray(file)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        # Header, TLVs and the ZIP's directory stand at the ends: they are hit as often as the rest.
        at = rng.choice((
            rng.randrange(len(data)), rng.randrange(min(64, len(data))),
            max(0, len(data) - 1 - rng.randrange(500)),
        ))  # fmt: skip
        match rng.randrange(7):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.randrange(256)
            case 2:
                size = rng.choice((2, 4))
                data[at : at + size] = (rng.choice(_NUMBERS) % (1 << 8 * size)).to_bytes(
                    size, "little"
                )
            case 3:
                del data[at : at + rng.randint(1, 40)]
            case 4:
                data[at:at] = rng.randbytes(rng.randint(1, 40))
            case 5:
                del data[at + 1 :]
            case _:
                name = rng.choice(_NAMES)
                data[at : at + len(name)] = name
        if not data:
            return b""
    return bytes(data)


def _files(tally: Tally) -> None:
    """Any change of a signed file is noticed."""
    with scratch() as folder:
        file = pack_bundle(Path(write_early_exit(folder).path), security_counter=1, key=KEY)
    sound = mcuboot_image.parse(file)
    for case in range(tally.count):
        data = mutated(file, tally.rng)
        with tally.case(f"case {case}"):
            try:
                image = check_image(data, KEYS)
            except ImageError:
                continue
            assert _same(image, sound), "a changed file passed"


def _same(image: Image, sound: Image) -> bool:
    return (image.digest, image.payload, image.version, image.security_counter) == (
        sound.digest, sound.payload, sound.version, sound.security_counter,
    )  # fmt: skip


def _payloads(tally: Tally) -> None:
    """A ZIP of any form, with a right hash and a trusted signature: refused, or exactly ours."""
    entries = {"manifest.json": b"{}", "stage0.tflite": bytes(range(200)), "a/b.bin": b"x" * 33}
    payload = stored_zip.pack(entries)
    with scratch() as folder:
        for case in range(tally.count):
            changed = mutated(payload, tally.rng)
            version = ImageVersion(1)
            data = mcuboot_image.build(changed, version, 0, KEY if case % 50 == 0 else None)
            with tally.case(f"case {case}: {changed.hex()[:3000]}"):
                try:
                    image = check_image(data, KEYS, allow_unsigned=True)
                except ImageError:
                    continue
                assert stored_zip.pack(stored_zip.unpack(image.payload)) == image.payload
                lay_out(image, folder / str(case))
                assert {p.name for p in folder.iterdir()} == {str(case)}
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()


def _tlvs(tally: Tally) -> None:
    """Areas behind the payload put together at will, with a right hash where one is wanted."""
    payload = stored_zip.pack({"manifest.json": b"{}"})
    rng = tally.rng
    for case in range(tally.count):
        protected = _area(0x6908, rng, (0x50, 0x50, 0x10, 0x60)) if rng.random() < 0.7 else b""
        header = bytearray(mcuboot_image.build(payload, ImageVersion(1))[:HEADER_BYTES])
        claimed = len(protected) if rng.random() < 0.9 else rng.choice(_NUMBERS) & 0xFFFF
        struct.pack_into("<H", header, 10, claimed)
        hashed = bytes(header) + payload + protected
        data = hashed + _area(0x6907, rng, (0x10, 0x10, 0x01, 0x24, 0x22), hashed)
        with tally.case(f"case {case}: {data.hex()}"):
            try:
                image = check_image(data, KEYS)
            except ImageError:
                continue
            assert KEYS.verify(image.key_hash or b"", image.signature or b"", image.digest)


def _area(magic: int, rng: random.Random, kinds: tuple[int, ...], hashed: bytes = b"") -> bytes:
    digest = hashlib.sha256(hashed).digest()
    content = b""
    for kind in rng.sample(kinds, rng.randint(0, len(kinds))):
        sound = {0x10: digest, 0x01: KEY.key_hash, 0x50: b"\x01\0\0\0"}.get(kind, b"\x00" * 64)
        if kind == 0x24 and rng.random() < 0.3:
            sound = KEY.sign(digest)
        value = sound if rng.random() < 0.8 else rng.randbytes(rng.choice((0, 1, 32, 64)))
        size = len(value) if rng.random() < 0.95 else rng.choice(_NUMBERS) & 0xFFFF
        content += struct.pack("<HH", kind, size) + value
    length = 4 + len(content) + (0 if rng.random() < 0.95 else rng.randint(-4, 8))
    return struct.pack("<HH", magic, max(0, length)) + content


SUITES = (
    Suite("bundle files", 100_000, _files),
    Suite("bundle files, signed payloads", 50_000, _payloads),
    Suite("bundle files, TLV areas", 50_000, _tlvs),
)

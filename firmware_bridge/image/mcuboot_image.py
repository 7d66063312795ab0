"""The MCUboot image that a bundle travels in: header, payload, TLVs with hash and signature.

MCUboot documentation, "Image format" (design.md). Little endian. The SHA-256 covers header,
payload and protected TLVs; the ed25519 signature covers the SHA-256. Read strictly: anything
that the hash does not cover and that is not hash, key or signature is refused.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from edge_infer.firmware_bridge.errors import ImageError

if TYPE_CHECKING:  # an image is read and its hash checked without cryptography
    from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys

MAGIC = 0x96F3B83D
HEADER_BYTES = 32
"""A multiple of 16, so that entries aligned in the payload are aligned in the file."""
FLAG_NON_BOOTABLE = 0x10

_HEADER = struct.Struct("<IIHHIIBBHI4x")
_KEY_HASH_BYTES = 32
_TLV_INFO = struct.Struct("<HH")
_TLV = struct.Struct("<HH")
_MAGIC_TLV_INFO = 0x6907
_MAGIC_PROTECTED = 0x6908
assert _HEADER.size == HEADER_BYTES


class Tlv(IntEnum):
    """The TLV types that a bundle file may hold."""

    KEY_HASH = 0x01
    SHA256 = 0x10
    ED25519 = 0x24
    SECURITY_COUNTER = 0x50


@dataclass(frozen=True, slots=True, order=True)
class ImageVersion:
    """Version of an image: major.minor.revision, and a build number."""

    major: int = 0
    minor: int = 0
    revision: int = 0
    build: int = 0

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}.{self.build}" if self.build else text

    @classmethod
    def parse(cls, text: str) -> "ImageVersion":
        """Read "1.2.3" or "1.2.3+4". Raises ImageError for anything else."""
        found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?", text)
        version = cls(*(int(part or 0) for part in found.groups())) if found else None
        if version is None or max(version.major, version.minor) > 255:
            raise ImageError(
                f"version {text!r}: expected like 1.2.3 or 1.2.3+4, each part in range"
            )
        if version.revision > 0xFFFF or version.build > 0xFFFFFFFF:
            raise ImageError(f"version {text!r}: revision at most 65535, build at most 4294967295")
        return version


@dataclass(frozen=True, slots=True)
class Image:
    """An image whose hash is right; whether its signature is trusted, `check_trust` says."""

    version: ImageVersion
    security_counter: int
    digest: bytes
    """SHA-256 over header, payload and protected TLVs: what names an image in SMP."""
    payload: bytes
    key_hash: bytes | None
    signature: bytes | None

    def check_trust(self, keys: "TrustedKeys", *, allow_unsigned: bool = False) -> str:
        """Return the name of the key that signed. Raises ImageError when none of `keys` did.

        With `allow_unsigned`, an image without any signature passes as "unsigned"; a signature
        that is there must still be right.
        """
        if self.signature is None:
            if allow_unsigned:
                return "unsigned"
            raise ImageError("the bundle file is not signed; sign it with: edge-infer bundle sign")
        return keys.verify(self.key_hash or b"", self.signature, self.digest)


def build(
    payload: bytes,
    version: ImageVersion,
    security_counter: int = 0,
    key: "SigningKey | None" = None,
) -> bytes:
    """Return the image of `payload`, signed when a key is given.

    Raises ImageError for a security counter that is not a 32-bit number.
    """
    if not 0 <= security_counter <= 0xFFFFFFFF:
        raise ImageError(f"security counter {security_counter}: 0 to 4294967295")
    counter = _tlv(Tlv.SECURITY_COUNTER, security_counter.to_bytes(4, "little"))
    protected = _tlv_area(_MAGIC_PROTECTED, counter)
    header = _HEADER.pack(
        MAGIC,
        0,
        HEADER_BYTES,
        len(protected),
        len(payload),
        FLAG_NON_BOOTABLE,
        version.major,
        version.minor,
        version.revision,
        version.build,
    )
    hashed = header + payload + protected
    digest = hashlib.sha256(hashed).digest()
    tlvs = _tlv(Tlv.SHA256, digest)
    if key is not None:
        tlvs += _tlv(Tlv.KEY_HASH, key.key_hash) + _tlv(Tlv.ED25519, key.sign(digest))
    return hashed + _tlv_area(_MAGIC_TLV_INFO, tlvs)


def _tlv(kind: Tlv, value: bytes) -> bytes:
    return _TLV.pack(kind, len(value)) + value


def _tlv_area(magic: int, tlvs: bytes) -> bytes:
    return _TLV_INFO.pack(magic, _TLV_INFO.size + len(tlvs)) + tlvs


def parse(data: bytes) -> Image:
    """Read an image and check its hash. Raises ImageError with what is wrong."""
    header_bytes, protected_bytes, payload_bytes, version = _read_header(data)
    end_payload = header_bytes + payload_bytes
    end_hashed = end_payload + protected_bytes
    counter = 0
    if protected_bytes:
        area = data[end_payload:end_hashed]
        tlvs = _read_tlvs(area, _MAGIC_PROTECTED, {Tlv.SECURITY_COUNTER})
        counter = int.from_bytes(_sized(tlvs, Tlv.SECURITY_COUNTER, 4) or b"", "little")
    rest = data[end_hashed:]
    tlvs = _read_tlvs(rest, _MAGIC_TLV_INFO, {Tlv.SHA256, Tlv.KEY_HASH, Tlv.ED25519})
    digest = hashlib.sha256(data[:end_hashed]).digest()
    if _sized(tlvs, Tlv.SHA256, len(digest)) != digest:
        raise ImageError("the SHA-256 of the bundle file is missing or wrong: it is damaged")
    return Image(
        version,
        counter,
        digest,
        data[header_bytes:end_payload],
        _sized(tlvs, Tlv.KEY_HASH, _KEY_HASH_BYTES),
        _sized(tlvs, Tlv.ED25519, 64),
    )


def _read_header(data: bytes) -> tuple[int, int, int, ImageVersion]:
    if len(data) < HEADER_BYTES:
        raise ImageError(f"{len(data)} bytes are too few for a bundle file")
    magic, load, header, protected, payload, flags, *version = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ImageError(f"not a bundle file: it starts with {magic:#010x}, not {MAGIC:#010x}")
    if flags != FLAG_NON_BOOTABLE or load != 0:
        raise ImageError(f"flags {flags:#x}, load address {load:#x}: not a non-bootable image")
    if header < HEADER_BYTES or header % 16 or header + payload + protected > len(data):
        raise ImageError(
            f"a header of {header}, payload of {payload} and protected TLVs of {protected} bytes "
            f"in a file of {len(data)}: it is truncated or damaged"
        )
    return header, protected, payload, ImageVersion(*version)


def _read_tlvs(area: bytes, magic: int, allowed: set[Tlv]) -> dict[int, bytes]:
    if len(area) < _TLV_INFO.size or _TLV_INFO.unpack_from(area) != (magic, len(area)):
        raise ImageError(f"no TLV area {magic:#x} that ends where it should: truncated or padded")
    found: dict[int, bytes] = {}
    at = _TLV_INFO.size
    while at < len(area):
        if at + _TLV.size > len(area):
            raise ImageError("a TLV is cut short")
        kind, size = _TLV.unpack_from(area, at)
        value = area[at + _TLV.size : at + _TLV.size + size]
        if kind not in allowed or kind in found or len(value) != size:
            raise ImageError(f"TLV {kind:#x} of {size} bytes is unknown here, double or cut short")
        found[kind] = value
        at += _TLV.size + size
    return found


def _sized(tlvs: dict[int, bytes], kind: Tlv, size: int) -> bytes | None:
    value = tlvs.get(kind)
    if value is not None and len(value) != size:
        raise ImageError(f"TLV {kind.name} of {len(value)} bytes, not {size}")
    return value

"""ed25519 keys that sign bundle files, and the set of them that a device trusts.

PEM files as `imgtool keygen -t ed25519` and OpenSSL write them. A key is named in an image by
the SHA-256 of its DER public key, as MCUboot's KEYHASH TLV has it.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_infer.files import whole_file, write_whole
from edge_infer.firmware_bridge.errors import ImageError


def _key_hash(key: Ed25519PublicKey) -> bytes:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).digest()


class SigningKey:
    """A private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()
        self.key_hash = _key_hash(self.public)

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a new key from the system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read an unencrypted PEM file. Raises ImageError when it holds no such key."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ImageError(f"{path} is not an unencrypted PEM private key: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ImageError(f"{path} is not an ed25519 key; make one: edge-infer bundle keygen")
        return cls(key)

    def sign(self, digest: bytes) -> bytes:
        """Return the 64-byte signature of `digest`."""
        return self._key.sign(digest)

    def save(self, path: Path) -> None:
        """Write the PEM file, readable by its owner only. Raises FileExistsError."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with whole_file(path, mode=0o600, replace=False) as file:
            file.write(pem)

    def save_public(self, path: Path) -> None:
        """Write the public half, the file that a device is given to trust."""
        pem = self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_whole(path, pem)


class TrustedKeys:
    """The public keys whose signatures count, each with the name of its file."""

    def __init__(self, named: Iterable[tuple[str, Ed25519PublicKey]] = ()) -> None:
        self._keys = {_key_hash(key): (name, key) for name, key in named}

    @classmethod
    def load(cls, path: Path) -> "TrustedKeys":
        """Read a PEM file, or every *.pem of a folder; private keys count as their public half.

        Raises ImageError when a file is no ed25519 key or a folder holds none.
        """
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        if not files:
            raise ImageError(f"{path} holds no .pem file; make one: edge-infer bundle keygen")
        return cls((file.stem, _read_public(file)) for file in files)

    def __len__(self) -> int:
        return len(self._keys)

    def shared(self, others: "TrustedKeys") -> list[str]:
        """Return the names of the keys that are among `others` too."""
        return [name for key_hash, (name, _) in self._keys.items() if key_hash in others._keys]

    def verify(self, key_hash: bytes, signature: bytes, digest: bytes) -> str:
        """Return the name of the key. Raises ImageError for an unknown key or wrong signature."""
        if key_hash not in self._keys:
            raise ImageError(
                f"signed with a key that is not trusted here ({key_hash.hex()[:16] or 'unnamed'}); "
                f"{len(self)} keys are"
            )
        name, key = self._keys[key_hash]
        try:
            key.verify(signature, digest)
        except InvalidSignature:
            raise ImageError(f"the signature by key {name} is wrong: do not trust it") from None
        return name


def _read_public(file: Path) -> Ed25519PublicKey:
    data = file.read_bytes()
    if b"PRIVATE KEY" in data:
        return SigningKey.load(file).public
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ImageError(f"{file} is not a PEM public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ImageError(f"{file} is not an ed25519 key")
    return key

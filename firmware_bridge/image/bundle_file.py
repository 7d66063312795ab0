"""A bundle as one file, NAME.bundle: an MCUboot image whose payload is a stored ZIP.

Pack, check and lay out again. Nothing of a bundle file is written or opened before its hash,
its signature and the form of its ZIP are right.
"""

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.mcuboot_image import Image, ImageVersion
from edge_infer.firmware_bridge.image.tables import CLOCK_PLAN_FILE, tables
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.manifest import MANIFEST_FILE

if TYPE_CHECKING:  # a file is read and packed without cryptography
    from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys

MAX_FILE_BYTES = 1 << 28
"""Larger files are not read: no board this is for has room for them."""

_NAME_DIGITS = 16
"""Of an image's digest, in the name of its folder."""


@dataclass(frozen=True, slots=True)
class BundleFileInfo:
    """What `verify_bundle_file` found out."""

    version: str
    security_counter: int
    digest: str
    """SHA-256 that names the image in SMP, in hex."""
    signed_by: str
    """Name of the trusted key, or "unsigned"."""
    files: dict[str, int]
    """Name to size in bytes."""


def pack_bundle(
    folder: Path,
    version: ImageVersion | None = None,
    security_counter: int = 0,
    key: "SigningKey | None" = None,
    clock_plan: bytes | None = None,
) -> bytes:
    """Return the bundle file of a bundle folder, signed when a key is given.

    `version` is the manifest's unless given; `clock_plan` is one for a microcontroller. What the
    manifest does not name is left out. Raises ImageError, or the BundleError of a folder that is
    no sound bundle.
    """
    bundle = open_bundle(folder)
    names = [MANIFEST_FILE, *bundle.manifest.files]
    entries = {name: (bundle.path / name).read_bytes() for name in names} | tables(bundle)
    if clock_plan is not None:
        entries[CLOCK_PLAN_FILE] = clock_plan
    version = version or ImageVersion.parse(bundle.manifest.version)
    return mcuboot_image.build(stored_zip.pack(entries), version, security_counter, key)


def sign_bundle_file(data: bytes, key: "SigningKey", security_counter: int | None = None) -> bytes:
    """Return the same payload and version, signed with `key`; an older signature is replaced.

    Raises ImageError when `data` is no bundle file.
    """
    image = mcuboot_image.parse(data)
    stored_zip.unpack(image.payload)
    counter = image.security_counter if security_counter is None else security_counter
    return mcuboot_image.build(image.payload, image.version, counter, key)


def read_bundle_file(path: Path) -> bytes:
    """Return the bytes of a bundle file. Raises ImageError when it is too large to be one."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ImageError(f"{path} has {size} bytes, a bundle file at most {MAX_FILE_BYTES}")
    return path.read_bytes()


def check_image(data: bytes, keys: "TrustedKeys", *, allow_unsigned: bool = False) -> Image:
    """Return the image when hash, signature and ZIP are right. Raises ImageError otherwise."""
    image = whole_image(data)
    image.check_trust(keys, allow_unsigned=allow_unsigned)
    return image


def whole_image(data: bytes) -> Image:
    """Return the image when hash and ZIP are right, whoever signed it. Raises ImageError."""
    image = mcuboot_image.parse(data)
    if MANIFEST_FILE not in stored_zip.unpack(image.payload):
        raise ImageError(f"the bundle file holds no {MANIFEST_FILE}")
    return image


def verify_bundle_file(
    path: Path, keys: "TrustedKeys", *, allow_unsigned: bool = False
) -> BundleFileInfo:
    """Check a bundle file and say what it is.

    Raises ImageError when hash, signature, key or ZIP are not right, OSError when `path` cannot
    be read.
    """
    image = check_image(read_bundle_file(path), keys, allow_unsigned=allow_unsigned)
    return BundleFileInfo(
        version=str(image.version),
        security_counter=image.security_counter,
        digest=image.digest.hex(),
        signed_by=image.check_trust(keys, allow_unsigned=allow_unsigned),
        files={name: len(data) for name, data in stored_zip.unpack(image.payload).items()},
    )


def lay_out(image: Image, folder: Path) -> None:
    """Write the files of a checked image into the new folder `folder`, synced to the disk."""
    folder.mkdir(parents=True)
    for name, content in stored_zip.unpack(image.payload).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())


def is_laid_out(image: Image, folder: Path) -> bool:
    """Return True when `folder` holds exactly the image's files, byte for byte."""
    entries = stored_zip.unpack(image.payload)
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if not p.is_dir()}
    return found.keys() == entries.keys() and all(
        _holds(found[name], content) for name, content in entries.items()
    )


def _holds(path: Path, content: bytes) -> bool:
    """Return True when a file holds `content`; what is no file, or too long, is not read."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size != len(content):
        return False
    return path.read_bytes() == content


class BundleFolders:
    """One folder for each image, named by its digest. Only a cache: the slots are the truth."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            _remove(root)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root

    def folder_of(self, image: Image) -> Path:
        """Return the folder of a checked image; what a power cut left half done is renewed."""
        folder = self._root / image.digest.hex()[:_NAME_DIGITS]
        if folder.is_dir() and is_laid_out(image, folder):
            return folder
        part = folder.with_suffix(".part")
        _remove(part)
        lay_out(image, part)
        _remove(folder)
        part.rename(folder)
        return folder

    def keep_only(self, *images: Image | None) -> None:
        """Remove the folders of all other images."""
        kept = {image.digest.hex()[:_NAME_DIGITS] for image in images if image}
        for folder in self._root.iterdir():
            if folder.name not in kept:
                with contextlib.suppress(OSError):
                    _remove(folder)


def _remove(path: Path) -> None:
    """Remove a folder, or what has its name and is none. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""The image files of the slots: read within bounds, checked, and described in a few words."""

import hashlib
from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image.bundle_file import check_image
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import Image
from edge_infer.firmware_bridge.slots.slot_storage import SlotStorage

MAX_IMAGE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class SlotImage:
    """What stands in a slot; its bytes stay in storage."""

    version: str
    digest: bytes
    security_counter: int
    signed_by: str
    file_sha: bytes
    """SHA-256 of the whole file, as an upload announces it."""


class ImageFiles:
    """Reads them. Whatever a file holds, its errors are ImageError, or OSError."""

    def __init__(self, storage: SlotStorage, keys: TrustedKeys, *, allow_unsigned: bool) -> None:
        self._storage = storage
        self._keys = keys
        self._allow_unsigned = allow_unsigned

    def read(self, file: str) -> Image:
        """Return an image with its payload."""
        return self._check(self._content(file))

    def describe(self, file: str) -> SlotImage:
        """Return what an image is."""
        content = self._content(file)
        image = self._check(content)
        signed_by = image.check_trust(self._keys, allow_unsigned=self._allow_unsigned)
        sha = hashlib.sha256(content).digest()
        return SlotImage(str(image.version), image.digest, image.security_counter, signed_by, sha)

    def _content(self, file: str) -> bytes:
        size = self._storage.size(file) or 0
        if size > MAX_IMAGE_BYTES:
            raise ImageError(f"{size} bytes, a bundle file here has at most {MAX_IMAGE_BYTES}")
        return self._storage.read(file)

    def _check(self, content: bytes) -> Image:
        return check_image(content, self._keys, allow_unsigned=self._allow_unsigned)

"""An upload into the other slot: in any order within a small window, resumable, checked at the end.

The offset in the answer is the next byte wanted, as in the SMP image group. A chunk that comes
early is kept if it is near, so that one lost chunk costs one repetition, not the window.
"""

import hashlib
import json
from typing import Any

from edge_infer.firmware_bridge.errors import ImageError, SlotError
from edge_infer.firmware_bridge.slots.image_files import MAX_IMAGE_BYTES, SlotImage
from edge_infer.firmware_bridge.slots.slot_storage import (
    SlotStorage,
    read_sealed,
    replace_file,
    seal,
)
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.wire.standard import NO_UPLOAD, ImageCode

_DATA_FILE = "upload.part"
_SESSION_FILE = "upload.json"
_MAX_EARLY_CHUNKS = 16
CHECKPOINT_BYTES = 64 * 1024
_CHECKPOINT_NS = 1_000_000_000
"""A checkpoint syncs; more often than this a fast line would wait for the flash, and on a slow
one a power cut costs this much of the upload."""


class Upload:
    """The one upload that can be under way."""

    def __init__(self, slots: Slots, checkpoint_bytes: int = CHECKPOINT_BYTES) -> None:
        self._slots = slots
        self._checkpoint_after = checkpoint_bytes
        self._hash = hashlib.sha256()
        self._early: dict[int, bytes] = {}
        self.offset = 0
        """Next byte wanted."""
        self.length = 0
        """Bytes of the whole file; 0 when no upload is under way."""
        self._sha = b""
        self._checkpoint_bytes = 0
        self._checkpoint_ns = 0
        self._restore()

    @property
    def _storage(self) -> SlotStorage:
        return self._slots.storage

    def begin(self, length: int, sha: bytes) -> int:
        """Start an upload, or go on with an interrupted one of the same length and hash.

        `sha` is the SHA-256 of the file, empty when it is not known (then nothing is resumed).
        Returns the next offset wanted. Raises SlotError.
        """
        if not 0 < length <= MAX_IMAGE_BYTES:
            raise SlotError(ImageCode.TOO_LARGE, f"{length} bytes, at most {MAX_IMAGE_BYTES}")
        self._slots.check_writable()
        if not (sha and sha == self._sha and length == self.length):
            self._start(length, sha)
        return self.offset

    def stored(self, length: int, sha: bytes) -> bool:
        """Return True when the other slot already holds this very file.

        Then the answer to its last chunk was lost, or somebody flashes it twice.
        """
        other = self._slots.other
        if other is None or sha != other.file_sha:
            return False
        return self._storage.size(self._slots.other_file) == length

    def write(self, offset: int, data: bytes, now_ns: int) -> int:
        """Take a chunk and return the next offset wanted; the caller finishes when it is `length`.

        Raises SlotError when no upload was begun or the chunk ends behind the file's end.
        """
        if not self.length:
            raise SlotError(ImageCode.INVALID_OFFSET, f"{NO_UPLOAD}: start at offset 0")
        if offset + len(data) > self.length:
            raise SlotError(
                ImageCode.OVERRUN, f"chunk ends at {offset + len(data)} of {self.length} bytes"
            )
        if offset > self.offset:
            if len(self._early) < _MAX_EARLY_CHUNKS:
                self._early[offset] = data
            return self.offset
        self._append(data[self.offset - offset :])
        self._append_early()
        self._checkpoint(now_ns)
        return self.offset

    def finish(self) -> SlotImage:
        """Check the complete file and make it the other slot's image.

        Raises ImageError or SlotError with the reason; the upload is then gone, the slot as it was.
        """
        self._storage.sync(_DATA_FILE)
        try:
            if self._sha and self._hash.digest() != self._sha:
                raise ImageError("the SHA-256 of the uploaded file is not the one announced")
            return self._slots.accept(_DATA_FILE)
        finally:
            self.drop()

    def drop(self) -> None:
        """Forget the upload and what it stored."""
        self._storage.remove(_SESSION_FILE)
        self._storage.remove(_DATA_FILE)
        self._reset(0, b"")

    def _start(self, length: int, sha: bytes) -> None:
        # The session goes first: without it, half a file is never taken for a beginning.
        self._storage.remove(_SESSION_FILE)
        self._storage.sync_folder()
        self._storage.create(_DATA_FILE)
        self._reset(length, sha)

    def _reset(self, length: int, sha: bytes) -> None:
        self._hash = hashlib.sha256()
        self._early.clear()
        self.offset, self.length, self._sha = 0, length, sha
        self._checkpoint_bytes = 0

    def _append(self, data: bytes) -> None:
        if not data:
            return
        try:
            self._storage.append(_DATA_FILE, data)
        except OSError as error:
            self._storage.truncate(_DATA_FILE, self.offset)
            raise SlotError(
                ImageCode.WRITE_FAILED, f"cannot store the upload: {error.strerror}"
            ) from error
        self._hash.update(data)
        self.offset += len(data)

    def _append_early(self) -> None:
        while fitting := [at for at in self._early if at <= self.offset]:
            at = fitting[0]
            self._append(self._early.pop(at)[self.offset - at :])

    def _checkpoint(self, now_ns: int) -> None:
        """Make what came so far survive a power cut, now and then."""
        if not self._sha or now_ns - self._checkpoint_ns < _CHECKPOINT_NS:
            return
        if self.offset - self._checkpoint_bytes < self._checkpoint_after:
            return
        self._storage.sync(_DATA_FILE)
        session = {"length": self.length, "sha": self._sha.hex(), "offset": self.offset}
        replace_file(self._storage, _SESSION_FILE, seal(json.dumps(session).encode()))
        self._checkpoint_bytes, self._checkpoint_ns = self.offset, now_ns

    def _restore(self) -> None:
        """Take up, at its last checkpoint, the upload that a power cut interrupted."""
        try:
            content = read_sealed(self._storage, _SESSION_FILE)
            if content is None or (self._storage.size(_DATA_FILE) or 0) > MAX_IMAGE_BYTES:
                return
            session: dict[str, Any] = json.loads(content)
            offset, length = int(session["offset"]), int(session["length"])
            sha = bytes.fromhex(session["sha"])
            stored = self._storage.read(_DATA_FILE)[:offset]
        # It starts again at the first byte, and says nothing: nothing but time was lost.
        except (OSError, ValueError, TypeError, KeyError):
            return
        if len(stored) < offset:
            return
        self._storage.truncate(_DATA_FILE, offset)
        self._reset(length, sha)
        self._hash.update(stored)
        self.offset = self._checkpoint_bytes = offset

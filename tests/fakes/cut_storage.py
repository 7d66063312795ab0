"""A disk whose power fails: slot storage that keeps apart what was written and what is safe.

The model is the weakest that POSIX allows and journalling file systems show: unsynced bytes may
be there, partly there, or zeros; names change atomically and in order, but only a folder sync
makes them last.
"""

import random
from collections.abc import Callable


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


class _File:
    def __init__(self, safe: bytes = b"") -> None:
        self.written = bytearray(safe)
        self.safe = safe


class CutStorage:
    """Fulfils SlotStorage; loses power in its `cut_at`-th operation that changes something."""

    def __init__(self, files: dict[str, bytes] | None = None, cut_at: int | None = None) -> None:
        self.names = {name: _File(content) for name, content in (files or {}).items()}
        self.safe_names = dict(self.names)
        self.pending: list[Callable[[dict[str, _File]], object]] = []
        self.operations = 0
        self.cut_at = cut_at

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise FileNotFoundError(name)
        return bytes(self.names[name].written)

    def size(self, name: str) -> int | None:
        return len(self.names[name].written) if name in self.names else None

    def create(self, name: str) -> None:
        self._operation()
        if name in self.names:
            self.names[name].written.clear()
        else:
            file = _File()
            self._rename_like(lambda names: names.update({name: file}))

    def append(self, name: str, data: bytes) -> None:
        file = self.names[name]
        try:
            self._operation()
        except PowerCut:
            file.written += data[: len(data) // 2]
            raise
        file.written += data

    def truncate(self, name: str, size_bytes: int) -> None:
        self._operation()
        del self.names[name].written[size_bytes:]

    def sync(self, name: str) -> None:
        self._operation()
        self.names[name].safe = bytes(self.names[name].written)

    def rename(self, old: str, new: str) -> None:
        self._operation()
        self._rename_like(lambda names: names.update({new: names.pop(old)}))

    def remove(self, name: str) -> None:
        self._operation()
        if name in self.names:
            self._rename_like(lambda names: names.pop(name))

    def sync_folder(self) -> None:
        self._operation()
        for change in self.pending:
            change(self.safe_names)
        self.pending.clear()

    def after_cut(self, rng: random.Random, cut_at: int | None = None) -> "CutStorage":
        """Return the disk as the next boot finds it."""
        for change in self.pending[: rng.randint(0, len(self.pending))]:
            change(self.safe_names)
        found = {name: _survivor(file, rng) for name, file in self.safe_names.items()}
        return CutStorage(found, cut_at)

    def _operation(self) -> None:
        if self.operations == self.cut_at:
            raise PowerCut
        self.operations += 1

    def _rename_like(self, change: Callable[[dict[str, _File]], object]) -> None:
        change(self.names)
        self.pending.append(change)


def _survivor(file: _File, rng: random.Random) -> bytes:
    written, safe = bytes(file.written), file.safe
    if written == safe:
        return safe
    common = 0
    while common < min(len(written), len(safe)) and written[common] == safe[common]:
        common += 1
    kept = rng.randint(common, max(common, len(written)))
    zeros = bytes(rng.randint(0, len(written) - kept)) if len(written) > kept else b""
    return rng.choice([safe, written, written[:kept], written[:kept] + zeros])

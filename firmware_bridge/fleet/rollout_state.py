"""How far a rollout is, in a file: it is gone on with after whatever ended it."""

import json
import threading
from pathlib import Path
from typing import Any

from edge_infer.files import write_whole
from edge_infer.runtime.errors import InputError

_VERSION = 1


class RolloutState:
    """What a rollout changed so far; each change is on the disk before it is made on a board.

    Args:
        path: of the file; one of another bundle's rollout is begun anew.
        digest: of the bundle, in hex.

    Raises:
        InputError: what is there is no such file.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path, self.digest = path, digest
        self._lock = threading.Lock()
        self.boards: dict[str, dict[str, Any]] = {}
        """By name: `before`, digest of the bundle that was changed, null for none; `state`."""
        self.resumed = self._read()
        """Whether the file was there, of this bundle."""

    def begun(self, name: str, before: bytes | None) -> None:
        """Note, before a board is changed, what it can go back to; the first note counts."""
        digest = None if before is None else before.hex()
        self._note(name, lambda row: row.setdefault("before", digest))

    def ended(self, name: str, state: str) -> None:
        """Note where a board that was begun stands."""
        if name in self.boards:
            self._note(name, lambda row: row.update(state=state))

    def _note(self, name: str, change: Any) -> None:
        with self._lock:
            change(self.boards.setdefault(name, {}))
            document = {"version": _VERSION, "digest": self.digest, "boards": self.boards}
            write_whole(self._path, json.dumps(document, indent=1) + "\n")

    def _read(self) -> bool:
        try:
            found = json.loads(self._path.read_text("utf-8"))
            rows = {name: dict(row) for name, row in found["boards"].items()}
            if found["version"] != _VERSION or not all("before" in row for row in rows.values()):
                raise ValueError("another version")
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self._path}: it is there and is no state of a rollout: move it away, or name "
                "another with --state"
            ) from error
        if found["digest"] != self.digest:
            return False
        self.boards = rows
        return True

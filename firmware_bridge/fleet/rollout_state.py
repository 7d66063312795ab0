"""How far a rollout is, in a file: it is gone on with after whatever ended it."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from edge_infer.files import RowFile
from edge_infer.runtime.errors import InputError

_VERSION = 1


class RolloutState(RowFile):
    """What a rollout changed so far; each change is on the disk before it is made on a board.

    Args:
        path: of the file, a line each change; one of another bundle's rollout is begun anew.
        digest: of the bundle, in hex.

    Raises:
        InputError: what is there is no such file.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self.boards: dict[str, dict[str, Any]] = {}
        """By name: `before`, digest of the bundle that was changed, null for none; `state`."""
        self._lock = threading.Lock()
        self.resumed = _read(path, digest, self.boards)
        """Whether the file was there, of this bundle."""
        super().__init__(path, append=self.resumed)
        if not self.resumed:
            self._put({"version": _VERSION, "digest": digest})

    def begun(self, name: str, before: bytes | None) -> None:
        """Note, before a board is changed, what it can go back to; the first note counts."""
        with self._lock:
            if name not in self.boards:
                row = {"board": name, "before": None if before is None else before.hex()}
                _take(row, self.boards)
                self._put(row)

    def ended(self, name: str, state: str) -> None:
        """Note where a board that was begun stands."""
        with self._lock:
            if name in self.boards:
                row = {"board": name, "state": state}
                _take(row, self.boards)
                self._put(row)

    def _put(self, row: dict[str, Any]) -> None:
        self.write(json.dumps(row) + "\n")
        self.flush()
        os.fsync(self._descriptor)


def _read(path: Path, digest: str, boards: dict[str, dict[str, Any]]) -> bool:
    """Read what is there into `boards`; return whether it is of this bundle."""
    try:
        with path.open("r+b") as file:
            *lines, cut = file.read().split(b"\n")
            first, *rows = map(json.loads, lines)
            if first["version"] != _VERSION:
                raise ValueError("another version")
            for row in rows:
                _take(row, boards)
            if first["digest"] != digest:
                boards.clear()
                return False
            file.truncate(file.tell() - len(cut))  # of a line that a power cut ended
            return True
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: it is there and is no state of a rollout: move it away, or name another "
            "with --state"
        ) from error


def _take(row: dict[str, Any], boards: dict[str, dict[str, Any]]) -> None:
    """Take up a line. Raises KeyError for a state of a board that was not begun."""
    name = str(row["board"])
    if "before" in row:
        boards[name] = {"before": row["before"]}
    else:
        boards[name]["state"] = str(row["state"])

"""Results of cells in a file: a run that ended goes on with them."""

import base64
import fcntl
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

from edge_infer.files import RowFile
from edge_infer.runtime.errors import InputError, RunError

_FORMAT = "edge-infer results 1"
_KNOWN = {
    ("array", "array"),
    ("array", "_array_reconstructor"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("edge_infer.lab.replay.result", "ReplayResult"),
    ("edge_infer.lab.comparison.replays", "PrunedNet"),
    ("edge_infer.boards.cost_table", "OperatingPoint"),
}
"""What a kept result may hold besides plain values: a file of somebody else's runs nothing here."""


class KeptResults(RowFile):
    """Results by key, in a file of one line each that is gone on with.

    Args:
        path: of the file; made where there is none.

    Raises:
        InputError: what is there is no such file.
        RunError: another run writes it.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, append=True)
        self._found: dict[str, Any] = {}
        try:
            self._take_over(path)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def get(self, key: str) -> Any:
        """Return a result."""
        return self._found[key]

    def put(self, key: str, result: Any) -> None:
        """Keep a result, on its way to the disk before this returns."""
        text = base64.b64encode(pickle.dumps(result, protocol=4)).decode()
        self.write(json.dumps({"key": key, "result": text}) + "\n")
        self.flush()

    def _take_over(self, path: Path) -> None:
        if not self._regular:
            raise InputError(f"{path}: results are kept in a file")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"{path}: another run keeps its results there; name another") from error
        *lines, cut = path.read_bytes().split(b"\n")
        try:
            self._read(lines or [cut])
        except Exception as error:  # whatever a pickle of somebody else's raises
            raise InputError(
                f"{path}: it is there and holds no results of edge-infer: name another"
            ) from error
        if not lines:
            self.write(json.dumps({"format": _FORMAT}) + "\n")
        elif cut:  # the run before was killed in the middle of a line
            self._end -= len(cut)
            os.ftruncate(self._descriptor, self._end)
            os.lseek(self._descriptor, self._end, os.SEEK_SET)
        self.flush()

    def _read(self, lines: list[bytes]) -> None:
        if lines == [b""]:
            return
        if json.loads(lines[0])["format"] != _FORMAT:
            raise ValueError("another format")
        for line in lines[1:]:
            row = json.loads(line)
            self._found[str(row["key"])] = _loads(base64.b64decode(row["result"]))


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what a result may be made of."""
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def _loads(data: bytes) -> Any:
    return _Unpickler(io.BytesIO(data)).load()

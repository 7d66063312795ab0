"""The file of `power stream`: whole lines, gone on with where it ends, by one writer at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_infer.files import RowFile
from edge_infer.firmware_bridge.host.log_reader import Boot, LogPosition
from edge_infer.firmware_bridge.wire.log_text import COLUMNS, CSV_HEADER
from edge_infer.runtime.errors import RunError


class StreamFile(RowFile):
    """A log of entries, new or gone on with.

    Args:
        path: .jsonl for objects, CSV otherwise.

    Raises:
        RunError: another writer has it, or what is there is no such log.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.as_objects = path.suffix == ".jsonl"
        super().__init__(path, append=True)
        self.position: LogPosition | None = None
        """Where the log that was there ends."""
        self.dropped_bytes = 0
        """Of a line that was cut at its end, and of what follows the last whole one."""
        try:
            self._take_over(path)
        except BaseException:
            with contextlib.suppress(OSError):
                self.close()
            raise

    def _take_over(self, path: Path) -> None:
        if self._regular:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{path}: another stream writes it; name another file") from error
            self._go_on(path)
        if not self._end and not self.as_objects:
            self.write(CSV_HEADER + "\n")
            self.flush()

    def _go_on(self, path: Path) -> None:
        """Find where the log ends; cut off what is no whole line."""
        end, boot, following = 0, None, 0
        for fields, end_of_line in self._rows(path):
            end = end_of_line
            match fields:
                case {"kind": "boot", "entry": base}:
                    boot, following = Boot(fields.get("value"), base), max(following, base)
                case {"kind": "gap", "entry": first, "value": lost}:
                    following = first + lost
                case {"entry": number}:
                    following = number + 1
        if end < self._end:
            self.dropped_bytes = self._end - end
            os.ftruncate(self._descriptor, end)
        self._end = os.lseek(self._descriptor, end, os.SEEK_SET)
        if boot is None and following:
            raise RunError(f"{path}: it does not say which device's log it is; name another file")
        if boot is not None:
            self.position = LogPosition(following, boot)

    def _rows(self, path: Path) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each whole line's fields, none of a heading, and where it ends in the file."""
        end = 0
        with path.open("rb") as file:
            for number, row in enumerate(file):
                end += len(row)
                fields = self._fields(row) if row.endswith(b"\n") else None
                if fields is not None:
                    yield fields, end
                elif not number and not CSV_HEADER.encode().startswith(row):
                    raise RunError(f"{path}: it is there and is no log of power stream")

    def _fields(self, row: bytes) -> dict[str, Any] | None:
        """Return a line's numbers and kind, {} of a heading, None for one that is none."""
        try:
            text = row.decode()[:-1]
            if self.as_objects:
                fields = json.loads(text)
                return fields if type(fields) is dict and type(fields["entry"]) is int else None
            if text == CSV_HEADER:
                return {}
            cells = dict(zip(COLUMNS, text.split(","), strict=True))
            kind = cells.pop("kind")
            return {"kind": kind} | {name: int(cell) for name, cell in cells.items() if cell}
        except (ValueError, KeyError, RecursionError):
            return None

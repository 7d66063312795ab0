"""The raw data beside a survey's figures: every sample and every time of a unit."""

import json
from collections.abc import Sequence
from pathlib import Path

from edge_infer.boards.power import PowerMeter, PowerSample
from edge_infer.boards.power_csv import PowerCsvWriter
from edge_infer.files import RowFile


class RawData:
    """Keeps the data of one unit at a time in a folder; a unit that is repeated replaces its own.

    Args:
        folder: where; None keeps nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._unit = ""
        self._samples: RowFile | None = None
        self._writer: PowerCsvWriter | None = None
        self._times: RowFile | None = None

    def begin(self, unit: str) -> None:
        """What comes now is of a unit. Raises OSError."""
        self.end()
        self._unit = "".join(c if c.isalnum() else "-" for c in unit)

    def samples(self, meter: PowerMeter, samples: Sequence[PowerSample]) -> None:
        """Keep samples, as `power report` reads them. Raises OSError."""
        if self._folder is None:
            return
        if self._writer is None:
            self._samples = RowFile(self._folder / f"{self._unit}.power.csv")
            self._writer = PowerCsvWriter(self._samples, meter)
        self._writer.write(samples)

    def times_ns(self, name: str, times_ns: Sequence[int]) -> None:
        """Keep the times of one thing. Raises OSError."""
        if self._folder is None:
            return
        if self._times is None:
            self._times = RowFile(self._folder / f"{self._unit}.times.jsonl")
        self._times.write(json.dumps({"what": name, "times_ns": times_ns}) + "\n")

    def end(self) -> None:
        """The unit is at its end. May be called twice. Raises OSError."""
        for file in (self._samples, self._times):
            if file is not None:
                file.close()
        self._samples = self._writer = self._times = None

"""Power samples as CSV, written by `edge-infer power record` and read back as a meter.

The first line says where the samples come from: `# edge-infer power log, origin: measured, ...`.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast, get_args

from edge_infer.boards.errors import MeterError
from edge_infer.boards.power import Origin, PowerMeter, PowerSample, SampleFlag

TITLE = "# edge-infer power log"
COLUMNS = PowerSample._fields


@dataclass(frozen=True, slots=True)
class PowerLog:
    """A log: samples with what is known of the meter that took them."""

    origin: Origin
    gain_uncertainty_ppm: int
    offset_uncertainty_uw: int
    resolution_uw: int
    samples: tuple[PowerSample, ...]


class PowerCsvWriter:
    """Writes samples of `meter` to a file, the heading first."""

    def __init__(self, file: IO[str], meter: PowerMeter) -> None:
        file.write(
            f"{TITLE}, origin: {meter.origin}, gain_uncertainty_ppm: {meter.gain_uncertainty_ppm}, "
            f"offset_uncertainty_uw: {meter.offset_uncertainty_uw}, "
            f"resolution_uw: {meter.resolution_uw}\n"
        )
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def write(self, samples: Iterable[PowerSample]) -> None:
        """Append samples."""
        self._writer.writerows((*sample[:-1], int(sample.flags)) for sample in samples)


def read_power_log(path: Path) -> PowerLog:
    """Return a log. Raises MeterError that names the file and the line that is wrong."""
    try:
        with path.open(newline="") as file:
            heading = _heading(file.readline(), path)
            samples = tuple(_samples(file, path))
    except (OSError, UnicodeDecodeError) as error:
        raise MeterError(f"cannot read the power log {path}: {error}") from error
    if not samples:
        raise MeterError(f"the power log {path} holds no samples")
    origin = heading["origin"]
    if origin not in get_args(Origin):
        raise MeterError(f"{path} line 1: origin {origin!r} is none of {get_args(Origin)}")
    numbers = ("gain_uncertainty_ppm", "offset_uncertainty_uw", "resolution_uw")
    try:
        gain_ppm, offset_uw, resolution_uw = (int(heading[name]) for name in numbers)
    except ValueError as error:
        raise MeterError(f"{path} line 1: {error}") from error
    return PowerLog(cast(Origin, origin), gain_ppm, offset_uw, resolution_uw, samples)


def _heading(line: str, path: Path) -> dict[str, str]:
    words = dict(part.strip().split(": ", 1) for part in line.split(",")[1:] if ": " in part)
    known = {"origin", "gain_uncertainty_ppm", "offset_uncertainty_uw", "resolution_uw"}
    if not line.startswith(TITLE) or not known <= words.keys():
        raise MeterError(
            f"{path} line 1 is no heading of a power log: record one with power record"
        )
    return words


def _samples(file: IO[str], path: Path) -> Iterator[PowerSample]:
    rows = csv.reader(file)
    if tuple(next(rows, ())) != COLUMNS:
        raise MeterError(f"{path} line 2: the columns must be {','.join(COLUMNS)}")
    last_ns = -1
    for number, row in enumerate(rows, 3):
        try:
            seq, timestamp_ns, interval_ns, bus_mv, current_ua, power_uw, flags = map(int, row)
        except ValueError as error:
            raise MeterError(f"{path} line {number}: {error}") from error
        if timestamp_ns <= last_ns or interval_ns <= 0:
            raise MeterError(f"{path} line {number}: the time does not go on")
        last_ns = timestamp_ns
        known = SampleFlag(flags & sum(SampleFlag))
        yield PowerSample(seq, timestamp_ns, interval_ns, bus_mv, current_ua, power_uw, known)

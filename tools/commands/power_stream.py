"""`edge-infer power stream`: the device's power log, as it grows."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

import click

from edge_infer.commands.exit_codes import INTERRUPTED, OK
from edge_infer.commands.link_options import Line, line_options
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import Duration
from edge_infer.commands.render import emit, warn
from edge_infer.firmware_bridge.host.clock_sync import ClockFit
from edge_infer.firmware_bridge.host.flashing import edge_info
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import FROM_NOW, LogPart, LogReader
from edge_infer.firmware_bridge.wire.log_text import (
    CSV_HEADER,
    csv_line,
    entry_fields,
    gap_fields,
    json_line,
)


@click.command("stream", short_help="Read a device's power log over a serial line.")
@line_options
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, .csv or .jsonl.  [default: CSV on standard output]",
)
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@option("--all", "from_start", is_flag=True, help="Begin with what the device has kept.")
@json_option
@click.pass_context
def power_stream_command(
    ctx: click.Context,
    line: Line,
    output: Path | None,
    duration: int | None,
    from_start: bool,
    as_json: bool,
) -> None:
    """Write a device's power, clock, temperature and inferences as lines, none of them lost.

    What the device had to overwrite before it could be read is counted in a line of kind gap.
    t_host_ns is this computer's monotonic time; a simulated board lives in its own.
    """
    as_objects = output is not None and output.suffix == ".jsonl"
    if output is not None and output.suffix not in (".csv", ".jsonl"):
        raise click.UsageError(f"{output}: the name has to end with .csv or .jsonl")
    with line.link() as link, _file(output) as file:
        reader = LogReader(link, 0 if from_start else FROM_NOW)
        virtual_time = _is_simulated(link)
        if not as_objects:
            file.write(CSV_HEADER + "\n")
        end_ns = None if duration is None else link.port.now_ns() + duration
        with _interruptible() as stopping:
            while not stopping and (end_ns is None or link.port.now_ns() < end_ns):
                part = reader.read()
                clock = None if virtual_time else reader.clock()
                _write(file, part, clock, as_objects)
    _report(reader, as_json and output is not None)
    ctx.exit(INTERRUPTED if stopping else OK)


def _is_simulated(link: Link) -> bool:
    """Return True when the log's times are virtual: no clock of this computer maps to them."""
    info = edge_info(link)
    return info is not None and info.run is not None and info.run.simulated


def _write(file: TextIO, part: LogPart, clock: ClockFit | None, as_objects: bool) -> None:
    line = json_line if as_objects else csv_line
    if part.lost:
        warn(f"{part.lost} entries before number {part.first} were overwritten on the device")
        file.write(line(gap_fields(part.first, part.lost)) + "\n")
    for number, entry in enumerate(part.entries, part.first):
        host_ns = clock.to_host_ns(entry.timestamp_ns) if clock else None
        file.write(line(entry_fields(number, entry, host_ns)) + "\n")
    file.flush()


def _report(reader: LogReader, as_json: bool) -> None:
    clock = reader.clock()
    document = {
        "entries": reader.entries,
        "lost": reader.lost,
        "clock_offset_ns": clock.offset_ns if clock else None,
        "clock_drift_ppm": clock.drift_ppm if clock else None,
        "clock_bound_ns": clock.bound_ns if clock else None,
    }
    if as_json:
        emit(True, document, "")
    else:
        click.echo(f"{reader.entries} entries, {reader.lost} lost", err=True)


@contextmanager
def _file(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        file = output.open("w")
    except OSError as error:
        raise click.FileError(str(output), error.strerror) from error
    with file:
        yield file


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Yield a list that Ctrl-C fills, so that the part at hand is still written whole."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    found = signal.signal(signal.SIGINT, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, found)

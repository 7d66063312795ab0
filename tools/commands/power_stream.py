"""`edge-infer power stream`: the device's power log, as it grows."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from edge_infer.commands.exit_codes import OK
from edge_infer.commands.link_options import Line, line_options
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import Duration
from edge_infer.commands.render import emit, say, show, warn
from edge_infer.commands.stream_file import StreamFile
from edge_infer.firmware_bridge.errors import LinkError
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import FROM_NOW, LogReader
from edge_infer.firmware_bridge.host.log_writer import Lines, LogWriter
from edge_infer.firmware_bridge.wire.log_text import CSV_HEADER


@click.command("stream", short_help="Read a device's power log over a serial line.")
@line_options
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, .csv or .jsonl; a log that is there already is gone on with, from where "
    "it ends.  [default: CSV on standard output]",
)
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@option(
    "--patience",
    type=Duration(),
    default="120s",
    show_default=True,
    help="How long a device that is silent or unplugged is waited for.",
)
@option("--all", "from_start", is_flag=True, help="Begin with what the device has kept.")
@json_option
@click.pass_context
def power_stream_command(
    ctx: click.Context,
    line: Line,
    output: Path | None,
    duration: int | None,
    patience: int,
    from_start: bool,
    as_json: bool,
) -> None:
    """Write a device's power, clock, temperature and inferences as lines, none of them lost.

    What could not be read, since the device had to overwrite it or was started anew, is counted in
    a line of kind gap. A line of kind boot names a start of the device's agent, from which its
    numbers begin anew; here they go on. t_host_ns is this computer's monotonic time; a simulated
    board lives in its own.
    """
    if output is not None and output.suffix not in (".csv", ".jsonl"):
        raise click.UsageError(f"{output}: the name has to end with .csv or .jsonl")
    start = 0 if from_start else FROM_NOW
    with line.link() as link, _opened(output) as file:
        reader = LogReader(link, file.position or start, patience)
        with _interruptible(reader) as stopping:
            failure = _stream(reader, link, file, duration, stopping)
    _report(reader, as_json and output is not None)
    if failure is not None:
        raise failure
    ctx.exit(128 + stopping[0] if stopping else OK)


class _StandardOutput:
    """Takes lines of CSV."""

    as_objects = False
    position = None

    def write(self, text: str) -> None:
        """Print lines."""
        show(text.removesuffix("\n"))


@contextmanager
def _opened(output: Path | None) -> Iterator[StreamFile | _StandardOutput]:
    if output is None:
        shown = _StandardOutput()
        shown.write(CSV_HEADER)
        yield shown
        return
    with StreamFile(output) as file:
        if file.dropped_bytes:
            warn(f"{output}: the last {file.dropped_bytes} bytes were no whole line, and are gone")
        yield file


def _stream(
    reader: LogReader, link: Link, file: Lines, duration: int | None, stopping: list[int]
) -> LinkError | None:
    """Write what the reader reads until it is time; return what ended it earlier."""
    end_ns = None if duration is None else link.port.now_ns() + duration
    writer = LogWriter(link, reader, file, warn)
    try:
        while not stopping and (end_ns is None or link.port.now_ns() < end_ns):
            writer.step()
    except LinkError as error:
        return error
    except KeyboardInterrupt:
        stopping.append(signal.SIGINT)
    return None


def _report(reader: LogReader, as_json: bool) -> None:
    clock = reader.clock()
    document = {
        "entries": reader.entries,
        "lost": reader.lost,
        "boots": reader.boots,
        "clock_offset_ns": clock.offset_ns if clock else None,
        "clock_drift_ppm": clock.drift_ppm if clock else None,
        "clock_bound_ns": clock.bound_ns if clock else None,
    }
    if as_json:
        emit(True, document, "")
    else:
        say(f"{reader.entries} entries, {reader.lost} lost")


@contextmanager
def _interruptible(reader: LogReader) -> Iterator[list[int]]:
    """Yield a list that Ctrl-C and SIGTERM fill, so that the part at hand is still written whole.

    While a device is waited for, and at the second Ctrl-C, there is nothing to wait for.
    """
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        again = bool(stopping)
        stopping.append(number)
        if again or reader.in_outage:
            raise KeyboardInterrupt

    found = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)

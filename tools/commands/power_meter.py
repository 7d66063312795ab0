"""`edge-infer power monitor` and `record`: a meter as it runs, on a terminal or into a file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from edge_infer.boards import open_board
from edge_infer.boards.errors import MeterError
from edge_infer.boards.meter_config import FORMS, MeterConfig, parse_meter, profile_meter
from edge_infer.boards.meters import named_meter, open_meter
from edge_infer.boards.power import PowerMeter, PowerSample, SampleFlag
from edge_infer.boards.power_csv import PowerCsvWriter, RecordedMeter
from edge_infer.boards.profile import load_profile
from edge_infer.boards.registry import SIMULATED, detect_board
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.timebase import MonotonicTimebase, Timebase
from edge_infer.commands.exit_codes import INTERRUPTED, OK
from edge_infer.commands.options import json_option, option
from edge_infer.commands.quantities import Duration
from edge_infer.commands.render import end_line, json_text, note, say, show, warn
from edge_infer.files import RowFile

BATCH_NS = 200_000_000
NEVER_NS = 1 << 62

meter_option = option(
    "--meter",
    "meter_text",
    help=f"{FORMS}, or sim:NAME.  [default: the meter file's, the kernel's, the board's]",
)


@dataclass(frozen=True, slots=True)
class MeterSource:
    """A meter that was started, its name, and its time."""

    name: str
    meter: PowerMeter
    timebase: Timebase

    def batches(self, every_ns: int, duration_ns: int | None) -> Iterator[list[PowerSample]]:
        """Yield the samples of each `every_ns` for `duration_ns`, or until interrupted.

        A log that is played ends it too.

        Raises BusError when the meter fails for good.
        """
        now_ns = self.timebase.now_ns()
        end_ns = NEVER_NS if duration_ns is None else now_ns + duration_ns
        if isinstance(self.meter, RecordedMeter):
            end_ns = min(end_ns, self.meter.end_ns)
        while now_ns < end_ns:
            now_ns = min(now_ns + every_ns, end_ns)
            self.timebase.sleep_until_ns(now_ns)
            yield list(self.meter.drain(now_ns))


def configured_meter(text: str | None) -> MeterConfig:
    """Return the meter of a --meter text; without one the meter file's, the kernel's, the board's.

    Raises MeterError when there is none, or several that the kernel drives.
    """
    if text is not None:
        return parse_meter(text)
    sysfs = RealSysfs()
    named = named_meter(sysfs)
    if named is not None:
        return named
    profile = load_profile(detect_board(sysfs))
    if profile.meter is None:
        raise MeterError("no meter is known here; name one with --meter, or look with doctor")
    config = profile_meter(profile.meter)
    warn(
        f"nobody named a meter: {config} is tried, as {profile.title} usually has it, with a shunt "
        f"of {config.shunt_uohm / 1e6:g} ohm; edge-infer power calibrate --meter {config} names it"
    )
    return config


@contextmanager
def open_source(text: str | None, config: MeterConfig | None = None) -> Iterator[MeterSource]:
    """Open and start a meter; stop it at the end. Raises MeterError or BusError."""
    if text is not None and text.startswith(SIMULATED):
        with open_board(text) as board:
            if board.meter is None:
                raise MeterError(f"{text} has no meter")
            yield from _started(MeterSource(text, board.meter, board.timebase))
        return
    config = config or configured_meter(text)
    sysfs = RealSysfs()
    meter = open_meter(config, sysfs, LinuxThermometer(sysfs).throttled)
    yield from _started(MeterSource(str(config), meter, MonotonicTimebase()))


def _started(source: MeterSource) -> Iterator[MeterSource]:
    source.meter.start()
    try:
        yield source
    finally:
        source.meter.stop()


def statistics_text(source: MeterSource) -> str:
    """Return what the meter did, in words, its own overhead included."""
    counts = source.meter.statistics()
    return (
        f"{counts.samples} samples, {counts.lost} lost, {counts.saturated} saturated, "
        f"{counts.bus_out_of_range} of a bus voltage at the end of its range or near 0, "
        f"{counts.retries} retries; the bus was held {counts.busy_ns / 1e9:.2f} s"
    )


@click.command("monitor", short_help="Show the power now, line by line.")
@meter_option
@option("--every", type=Duration(), default="500ms", show_default=True, help="Time of a line.")
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@json_option
def monitor_command(
    meter_text: str | None, every: int, duration: int | None, as_json: bool
) -> None:
    """Show mean power, voltage and current of each moment, on one line of a terminal."""
    live = sys.stdout.isatty() and not as_json
    with open_source(meter_text) as source:
        lost = 0
        try:
            for batch in source.batches(every, duration):
                lost_before, lost = lost, source.meter.statistics().lost
                text = json_text(_document(batch, lost - lost_before)) if as_json else _line(batch)
                show(text, over=live)
        except KeyboardInterrupt:
            pass
        finally:
            if live:
                end_line(err=False)
        say(f"{source.name} ({source.meter.origin}): {statistics_text(source)}")


def _document(batch: list[PowerSample], lost: int) -> dict[str, int | None]:
    count = len(batch)
    flags = SampleFlag.NONE
    for sample in batch:
        flags |= sample.flags

    def mean(values: list[int]) -> int | None:
        return sum(values) // count if count else None

    return {
        "timestamp_ns": batch[-1].timestamp_ns if batch else None,
        "power_uw": mean([sample.power_uw for sample in batch]),
        "bus_mv": mean([sample.bus_mv for sample in batch]),
        "current_ua": mean([sample.current_ua for sample in batch]),
        "samples": count,
        "lost": lost,
        "flags": int(flags),
    }


def _line(batch: list[PowerSample]) -> str:
    if not batch:
        return "no sample"
    figures = _document(batch, 0)
    least, greatest = (f(s.power_uw for s in batch) / 1e6 for f in (min, max))
    marks = "".join(
        f"  {flag.name}" for flag in SampleFlag if flag in SampleFlag(figures["flags"] or 0)
    )
    return (
        f"{(figures['power_uw'] or 0) / 1e6:7.3f} W  ({least:.3f} to {greatest:.3f})  "
        f"{(figures['bus_mv'] or 0) / 1e3:6.3f} V  {(figures['current_ua'] or 0) / 1e6:7.4f} A  "
        f"{len(batch):4d} samples{marks}"
    )


@click.command("record", short_help="Write every sample to a CSV file.")
@meter_option
@option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.",
)
@option("--duration", type=Duration(), help="How long, as 30s.  [default: until Ctrl-C]")
@click.pass_context
def record_command(
    ctx: click.Context, meter_text: str | None, output: Path, duration: int | None
) -> None:
    """Write every sample of a meter to a CSV file that `power report` and --meter log: read."""
    code = OK
    with open_source(meter_text) as source:
        with RowFile(output) as file:
            writer = PowerCsvWriter(file, source.meter)
            try:
                for batch in source.batches(BATCH_NS, duration):
                    writer.write(batch)
                    note(f"{source.meter.statistics().samples} samples")
            except KeyboardInterrupt:
                code = INTERRUPTED
                writer.write(source.meter.drain(source.timebase.now_ns()))
        say(f"{source.name} ({source.meter.origin}): {statistics_text(source)}")
    ctx.exit(code)

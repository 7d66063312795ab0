"""The meter that a power command reads, and the time it lives in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge_infer.boards import open_board
from edge_infer.boards.errors import MeterError
from edge_infer.boards.kernel_gauge import kernel_devices
from edge_infer.boards.meter_config import (
    FORMS,
    MeterConfig,
    meter_file,
    parse_meter,
    profile_meter,
    read_meter_file,
)
from edge_infer.boards.meters import open_meter
from edge_infer.boards.power import PowerMeter, PowerSample
from edge_infer.boards.profile import load_profile
from edge_infer.boards.registry import SIMULATED, detect_board
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.timebase import MonotonicTimebase, Timebase
from edge_infer.commands.options import option

NEVER_NS = 1 << 62

meter_option = option(
    "--meter",
    "meter_text",
    help=f"{FORMS}, or sim:NAME.  [default: the meter file's, the board's, the kernel's]",
)


@dataclass(frozen=True, slots=True)
class MeterSource:
    """A meter that was started, its name, and its time."""

    name: str
    meter: PowerMeter
    timebase: Timebase

    def batches(self, every_ns: int, duration_ns: int | None) -> Iterator[list[PowerSample]]:
        """Yield the samples of each `every_ns` for `duration_ns`, or until interrupted.

        Raises BusError when the meter fails for good.
        """
        now_ns = self.timebase.now_ns()
        end_ns = NEVER_NS if duration_ns is None else now_ns + duration_ns
        while now_ns < end_ns:
            now_ns = min(now_ns + every_ns, end_ns)
            self.timebase.sleep_until_ns(now_ns)
            yield list(self.meter.drain(now_ns))


def configured_meter(text: str | None) -> MeterConfig:
    """Return the meter of a --meter text; without one the meter file's, the board's, the kernel's.

    Raises MeterError when there is none.
    """
    if text is not None:
        return parse_meter(text)
    file = meter_file()
    if file is not None:
        return read_meter_file(file)
    sysfs = RealSysfs()
    profile = load_profile(detect_board(sysfs))
    if kernel_devices(sysfs):
        return MeterConfig("kernel")
    if profile.meter is not None:
        return profile_meter(profile.meter)
    raise MeterError("no meter is known here; name one with --meter, or look with doctor")


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
        f"{counts.retries} retries; the bus was held {counts.busy_ns / 1e9:.2f} s"
    )

"""The power log over a slow line that goes away: every sample once, or exactly counted."""

import pytest
from tests.fakes.bridge_device import KEYS
from tests.fakes.cut_storage import CutStorage
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.serial_line import Faults, SerialLine

from edge_infer.boards.power import PowerSample
from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import FROM_NOW, LogReader
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.wire.log_batch import LogEntry, Mark, MarkEntry
from edge_infer.firmware_bridge.wire.log_text import CSV_HEADER, csv_line, entry_fields, gap_fields
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner

S = 1_000_000_000
RATE = 900
OFFSET_NS = 987_654_321_000


class Sampler:
    """A device that logs 900 samples a second, as an INA219 of 12 bits gives them."""

    def __init__(
        self, capacity: int, faults: Faults, seed: int = 1, drift_ppm: float = 0.0
    ) -> None:
        self.log = PowerLog(capacity)
        runner = Runner(InProcessWorker, "none", self.log)
        group = EdgeGroup(Slots(CutStorage(), KEYS), runner, self.log).group()
        agent = Agent([group])
        self.line = SerialLine(
            lambda data, now_ns: agent.feed(data, self._device_ns(now_ns)),
            115_200,
            faults,
            seed,
            agent.line_lost,
        )
        self._drift = drift_ppm / 1e6
        self.line.every(S // 100, self._sample)

    def _device_ns(self, now_ns: int) -> int:
        return round(now_ns * (1 - self._drift)) + OFFSET_NS

    def _sample(self, now_ns: int) -> bytes:
        while self.log.end < now_ns * RATE // S:
            seq = self.log.end
            current_ua = 100 * (5000 + seq * 7919 % 900)
            bus_mv = 5000 + 4 * (seq * 31 % 5)
            at_ns = self._device_ns(seq * S // RATE)
            power_uw = bus_mv * current_ua // 1000
            self.log.add(PowerSample(seq, at_ns, 532_000, bus_mv, current_ua, power_uw))
        return b""


def stream(device: Sampler, seconds: int, start: int = 0) -> tuple[LogReader, list[LogEntry]]:
    reader = LogReader(Link(device.line), start)
    entries: list[LogEntry] = []
    while device.line.time_ns < seconds * S:
        entries += reader.read().entries
    return reader, entries


@pytest.mark.parametrize("seconds", [90, pytest.param(600, marks=pytest.mark.slow)])
def test_900_samples_a_second_with_two_outages_lose_nothing(seconds: int) -> None:
    outages = [(at * S // 6, at * S // 6 + seconds * S // 30) for at in (seconds, 4 * seconds)]
    device = Sampler(1 << 16, Faults(unplugged=outages))
    reader, entries = stream(device, seconds)
    numbers = [entry.seq for entry in entries if isinstance(entry, PowerSample)]
    assert numbers == list(range(len(numbers)))
    assert reader.lost == 0
    assert seconds * RATE - len(numbers) < RATE, "it has caught up"


def test_beyond_the_buffer_the_gap_is_counted_exactly() -> None:
    device = Sampler(5000, Faults(unplugged=[(30 * S, 50 * S)]))
    reader, entries = stream(device, 90)
    numbers = [entry.seq for entry in entries if isinstance(entry, PowerSample)]
    assert numbers == sorted(set(numbers))
    missing = set(range(numbers[-1] + 1)) - set(numbers)
    assert reader.lost == len(missing) > 20 * RATE - 5000 - RATE


def test_a_noisy_line_costs_time_but_no_sample() -> None:
    device = Sampler(1 << 16, Faults(byte_error=1e-4, drop_piece=0.002, duplicate_piece=0.002))
    reader, entries = stream(device, 60)
    numbers = [entry.seq for entry in entries if isinstance(entry, PowerSample)]
    assert numbers == list(range(len(numbers)))
    assert reader.lost == 0 and len(numbers) > 55 * RATE


def test_from_now_on_skips_what_is_old_without_calling_it_lost() -> None:
    device = Sampler(1 << 16, Faults())
    device.line.run_until(20 * S)
    reader, entries = stream(device, 25, FROM_NOW)
    first = entries[0]
    assert isinstance(first, PowerSample) and first.seq >= 20 * RATE
    assert reader.lost == 0


@pytest.mark.parametrize("drift_ppm", [-80.0, 50.0])
def test_device_times_map_to_the_hosts(drift_ppm: float) -> None:
    device = Sampler(1 << 16, Faults(), drift_ppm=drift_ppm)
    reader, entries = stream(device, 120)
    clock = reader.clock()
    assert clock is not None
    # A question of 20 bytes waits for up to 10 ms of ticks and answers; the bound says so.
    assert clock.bound_ns < 20_000_000
    for entry in entries[:: RATE * 10]:
        assert isinstance(entry, PowerSample)
        true_ns = entry.seq * S // RATE
        assert abs(clock.to_host_ns(entry.timestamp_ns) - true_ns) < 2 * clock.bound_ns + 2_000_000


def test_a_device_that_stays_away_ends_the_stream() -> None:
    device = Sampler(100, Faults(unplugged=[(5 * S, 10_000 * S)]))
    with pytest.raises(LinkLostError):
        stream(device, 600)


def test_lines_have_a_column_for_everything() -> None:
    sample = PowerSample(7, 1000, 532_000, 5000, -200, -1000)
    fields = entry_fields(12, sample, None)
    assert csv_line(fields) == "12,power,1000,,7,532000,5000,-200,-1000,0,"
    assert len(CSV_HEADER.split(",")) == len(csv_line(fields).split(","))
    mark = entry_fields(13, MarkEntry(2000, Mark.CLOCK_KHZ, 1_500_000), None)
    assert csv_line(mark) == "13,clock_khz,2000,,,,,,,,1500000"
    assert csv_line(gap_fields(100, 30)) == "70,gap,,,,,,,,,30"

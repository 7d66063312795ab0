"""The power log over a slow line that goes away: every sample once, or exactly counted."""

from pathlib import Path

import pytest
from tests.fakes.bridge_device import KEYS
from tests.fakes.cut_storage import CutStorage
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.sampler import RATE, S, Sampler
from tests.fakes.serial_line import Faults, SerialLine

from edge_infer.boards.power import PowerSample
from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import FROM_NOW, LogPart, LogPosition, LogReader
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.wire.log_batch import LogEntry, Mark, MarkEntry
from edge_infer.firmware_bridge.wire.log_text import CSV_HEADER, csv_line, entry_fields, gap_fields
from edge_infer.firmware_bridge.worker.power_log import BootHistory, PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner


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


@pytest.mark.parametrize("at_ns", range(10 * S, 10 * S + S // 5, S // 100))
def test_an_outage_in_any_state_is_outlasted(at_ns: int) -> None:
    device = Sampler(1 << 16, Faults(unplugged=[(at_ns, at_ns + 2 * S)]))
    reader, entries = stream(device, 25)
    assert [e.seq for e in entries if isinstance(e, PowerSample)] == list(range(len(entries)))
    assert reader.lost == 0 and len(entries) > 23 * RATE


class RestartedDevice:
    """A device whose agent is killed and started again; a log of so many entries each time."""

    def __init__(self, history: Path | None) -> None:
        self._history = history
        self.line = SerialLine(self._feed)
        self.start_anew(0)

    def start_anew(self, count: int) -> None:
        self.log = PowerLog(100, BootHistory(self._history))
        group = EdgeGroup(
            Slots(CutStorage(), KEYS), Runner(InProcessWorker, "none", self.log), self.log
        ).group()
        self._agent = Agent([group])
        self.add(count)

    def add(self, count: int) -> None:
        self.log.extend([MarkEntry(n, Mark.CLOCK_KHZ, n) for n in range(count)])

    def _feed(self, data: bytes, now_ns: int) -> bytes:
        return self._agent.feed(data, now_ns)


def read_all(reader: LogReader) -> list[LogPart]:
    parts = [reader.read()]
    while parts[-1].entries or parts[-1].boot:
        parts.append(reader.read())
    return parts


def test_what_a_killed_agent_took_with_it_is_counted(tmp_path: Path) -> None:
    device = RestartedDevice(tmp_path / "log-ends")
    device.add(30)
    reader = LogReader(Link(device.line), 0)
    first = read_all(reader)[0]
    assert first.boot is not None and (first.first, len(first.entries)) == (0, 30)
    device.add(7)  # nobody reads them
    device.start_anew(5)
    device.start_anew(3)  # nobody reads the five before either
    part = read_all(reader)[0]
    assert part.boot is not None and part.boot.exact
    assert (part.boot.first_lost, part.boot.lost, part.boot.base) == (30, 12, 42)
    assert (part.first, part.lost, len(part.entries)) == (42, 0, 3)
    assert (reader.entries, reader.lost, reader.boots) == (33, 12, 1)
    device.start_anew(150)  # its ring holds 100
    part = read_all(reader)[0]
    assert part.boot is not None and (part.boot.base, part.lost, part.first) == (45, 50, 95)


def test_without_a_history_the_loss_is_a_lower_bound() -> None:
    device = RestartedDevice(None)
    device.add(30)
    reader = LogReader(Link(device.line), 0)
    read_all(reader)
    device.add(7)
    device.start_anew(5)
    part = read_all(reader)[0]
    assert part.boot is not None and not part.boot.exact
    assert (part.boot.base, part.first, len(part.entries)) == (30, 30, 5)


def test_a_device_without_boots_says_so_by_its_end() -> None:
    device = RestartedDevice(None)
    device.log.history.boot = None  # type: ignore[assignment]
    device.add(30)
    reader = LogReader(Link(device.line), 0)
    read_all(reader)
    device.start_anew(4)
    device.log.history.boot = None  # type: ignore[assignment]
    parts = read_all(reader)
    assert parts[0].boot is not None and parts[0].boot.base == 30
    assert [(part.first, len(part.entries)) for part in parts[1:2]] == [(30, 4)]


def test_a_log_is_gone_on_with_where_it_was_left(tmp_path: Path) -> None:
    device = RestartedDevice(tmp_path / "log-ends")
    device.add(30)
    reader = LogReader(Link(device.line), 0)
    boot = read_all(reader)[0].boot
    device.add(10)
    assert boot is not None
    again = LogReader(Link(device.line), LogPosition(30, boot))
    assert [(p.first, len(p.entries), p.boot) for p in read_all(again)[:1]] == [(30, 10, None)]


@pytest.mark.parametrize("junk", [b"", b"x" * 7, bytes(20), b"\xff" * 500])
def test_a_history_that_is_damaged_is_none(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "log-ends"
    path.write_bytes(junk)
    first = BootHistory(path)
    assert first.before == ()
    first.note_end(12)
    assert BootHistory(path).before == ((first.boot, 12),)
    for _ in range(20):
        last = BootHistory(path)
    assert len(last.before) == BootHistory.KEPT - 1
    (tmp_path / "folder").mkdir()
    BootHistory(tmp_path / "folder").note_end(1)  # nothing is kept there


def test_lines_have_a_column_for_everything() -> None:
    sample = PowerSample(7, 1000, 532_000, 5000, -200, -1000)
    fields = entry_fields(12, sample, None)
    assert csv_line(fields) == "12,power,1000,,7,532000,5000,-200,-1000,0,"
    assert len(CSV_HEADER.split(",")) == len(csv_line(fields).split(","))
    mark = entry_fields(13, MarkEntry(2000, Mark.CLOCK_KHZ, 1_500_000), None)
    assert csv_line(mark) == "13,clock_khz,2000,,,,,,,,1500000"
    assert csv_line(gap_fields(100, 30)) == "70,gap,,,,,,,,,30"

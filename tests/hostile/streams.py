"""`power stream` over a line that is cut, and an agent that is started anew, in every state.

Everything that the device numbered is in the file once, or in a gap of the file.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.bridge_device import KEYS
from tests.fakes.cut_storage import CutStorage
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.serial_line import SerialLine
from tests.hostile.suite import Suite, Tally

from edge_infer.boards.power import PowerSample
from edge_infer.commands.stream_file import StreamFile
from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import LogReader
from edge_infer.firmware_bridge.host.log_writer import LogWriter
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.worker.power_log import BootHistory, PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner

_S = 1_000_000_000
_RATE = 400
_CAPACITY = 2_000
_SAMPLED_S = 12
"""The device logs for so long; then the reader catches up."""
_LIMIT_S = 60


class CutLine(SerialLine):
    """A line that is cut when the host does something for the n-th time."""

    def __init__(self, device: "Device", cuts: dict[int, int]) -> None:
        super().__init__(device.feed, on_lost=device.line_lost)
        self._cuts = cuts
        """Number of a read or write, and for how many ns the line is away from then on."""
        self._done = 0

    def write(self, data: bytes) -> None:
        self._step()
        super().write(data)

    def read(self, until_ns: int) -> bytes:
        self._step()
        return super().read(until_ns)

    def _step(self) -> None:
        self._done += 1
        if away_ns := self._cuts.get(self._done):
            self._pull()
            self.at(self.time_ns + away_ns, self._push)


class Device:
    """Logs samples that say which boot they are of, and is started anew now and then."""

    def __init__(self, history: Path) -> None:
        self._history = history
        self._boots = 0
        self.ends: list[int] = []
        """Entries of the boots before."""
        self._start(0)

    def start_anew(self, now_ns: int) -> None:
        self.ends.append(self.log.end)
        self.log.history.close()
        self._start(now_ns)

    def sample(self, now_ns: int) -> bytes:
        until = min(now_ns, _SAMPLED_S * _S) - self._since_ns
        while self.log.end < until * _RATE // _S:
            seq = self.log.end
            at_ns = self._since_ns + seq * _S // _RATE
            self.log.extend([PowerSample(seq, at_ns, 532_000, self._boots, 100, seq)])
        return b""

    def feed(self, data: bytes, now_ns: int) -> bytes:
        return self._agent.feed(data, now_ns)

    def line_lost(self) -> None:
        self._agent.line_lost()

    def _start(self, now_ns: int) -> None:
        self._boots += 1
        self._since_ns = now_ns
        self.log = PowerLog(_CAPACITY, BootHistory(self._history))
        runner = Runner(InProcessWorker, "none", self.log)
        self._agent = Agent([EdgeGroup(Slots(CutStorage(), KEYS), runner, self.log).group()])


def _play(tally: Tally) -> None:
    for number in range(tally.count):
        cuts = {
            tally.rng.randrange(1, 400): int(10 ** tally.rng.uniform(6, 10.2))
            for _ in range(tally.rng.randrange(1, 4))
        }
        starts = [tally.rng.randrange(_SAMPLED_S * _S) for _ in range(tally.rng.randrange(3))]
        resumes = tally.rng.random() < 0.3
        with tally.case((number, cuts, starts, resumes)), tempfile.TemporaryDirectory() as folder:
            _stream(Path(folder), cuts, starts, resumes)


def _stream(folder: Path, cuts: dict[int, int], starts: list[int], resumes: bool) -> None:
    device = Device(folder / "log-ends")
    line = CutLine(device, cuts)
    line.every(_S // 100, device.sample)
    for at_ns in starts:
        line.at(at_ns, lambda: device.start_anew(line.time_ns))
    path = folder / "power.csv"
    _read_until(line, path, _SAMPLED_S * _S // 2 if resumes else _LIMIT_S * _S)
    _read_until(line, path, _LIMIT_S * _S)
    _check(path, [*device.ends, device.log.end])


def _read_until(line: CutLine, path: Path, until_ns: int) -> None:
    with StreamFile(path) as file:
        link = Link(line)
        reader = LogReader(link, file.position or 0)
        writer = LogWriter(link, reader, file, lambda text: None)
        while line.now_ns() < until_ns:
            writer.step()


def _check(path: Path, ends: list[int]) -> None:
    """Every number of every boot is in the file once, or in a gap."""
    covered, seen = 0, set()
    for kind, number, cells in _rows(path):
        if kind == "boot":
            assert number == covered, f"boot at {number}, {covered} are covered"
            continue
        assert number == covered, f"{kind} {number} follows {covered - 1}"
        covered += int(cells[-1]) if kind == "gap" else 1
        if kind == "power":
            entry = int(cells[6]), int(cells[4])
            assert entry not in seen, f"{entry} stands there twice"
            seen.add(entry)
    assert covered == sum(ends), f"{covered} of {sum(ends)} accounted for"


def _rows(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    text = path.read_text()
    assert text.endswith("\n")
    for row in text.splitlines()[1:]:
        cells = row.split(",")
        yield cells[1], int(cells[0]), cells


SUITES = (Suite("streams: outages, restarts", 200, _play),)

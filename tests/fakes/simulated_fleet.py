"""A fleet of simulated boards in this process: real agents and slots, lines in virtual time.

What goes wrong comes from a seed: bytes on the line, power cuts in the middle of a write, boards
that are not there, bundles that fail on some profiles.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.bridge_device import KEYS, FakeSelfTests
from tests.fakes.cut_storage import CutStorage, PowerCut
from tests.fakes.serial_line import Faults, SerialLine

from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.device.standard_groups import ImageGroup, os_group
from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.image.mcuboot_image import parse
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.slots.upload import Upload
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.wire.edge import Energy, Finished, Ran, RunInfo, RunSamples
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner
from edge_infer.firmware_bridge.worker.worker_pipe import (
    Answered,
    Done,
    Job,
    Ready,
    WorkerEvent,
    WorkerSettings,
)

S = 1_000_000_000
BOOT_NS = 3 * S
EXITS = ("early", "late")


@dataclass(frozen=True)
class Behaviour:
    """How a bundle does, by the profile of the board; what is not named is good."""

    self_test: Mapping[str, str] = field(default_factory=dict)
    """Why it fails its self-test there."""
    net_uj: Mapping[str, float] = field(default_factory=dict)
    """Of an inference, 100 elsewhere."""
    early: float = 0.75
    """Share that leaves at the first exit."""
    hangs: frozenset[str] = frozenset()
    """Profiles whose boards never answer again once they run it."""


@dataclass(frozen=True)
class BoardFaults:
    """What goes wrong on one board."""

    line: Faults = field(default_factory=Faults)
    cuts: tuple[int, ...] = ()
    """Power fails in the so-manyth write of each boot, one after the other."""
    absent: int = 0
    """So many times its port is not there."""


class CountingWorker:
    """Fulfils WorkerHandle: inferences by arithmetic."""

    def __init__(self, settings: WorkerSettings, behaviour: Behaviour) -> None:
        profile = settings.board
        self._net_nj = round(1e3 * behaviour.net_uj.get(profile, 100.0))
        self._early = behaviour.early
        info = RunInfo("tiny", "1", f"sim:{profile}", True, True, "performance", "1.0", EXITS, {})
        self._events: deque[WorkerEvent] = deque([Ready(info)])

    def send(self, job: Job) -> None:
        assert isinstance(job.request, RunSamples)
        frames = job.request.frames
        early = round(self._early * frames)
        net_nj = frames * self._net_nj
        energy = Energy("simulated", 0, S, 2 * net_nj, 0, 0, None, None, 0.0, 1, 0, 0, 0)
        self._events += [
            Answered([], {0: early, 1: frames - early}, 0, 0, 2 * net_nj, net_nj),
            Done(job.number, Ran(True, frames, frames, Finished((), energy))),
        ]

    def events(self) -> list[WorkerEvent]:
        found = list(self._events)
        self._events.clear()
        return found

    def death(self) -> str | None:
        return None

    def descriptor(self) -> int | None:
        return None

    def end(self, *, at_once: bool = False) -> None:
        pass


class SimulatedBoard:
    """A board whose disk and line may fail, with a bundle that it ran before.

    Args:
        board: as the fleet's file has it.
        profile: what it really is.
        before: a bundle file, confirmed; None for none.
        behaviour: of a bundle by its digest.
        faults: what goes wrong.
        seed: of it.
    """

    def __init__(
        self,
        board: FleetBoard,
        profile: str,
        before: bytes | None,
        behaviour: Callable[[bytes], Behaviour],
        faults: BoardFaults,
        seed: int,
    ) -> None:
        self.board, self._profile, self._behaviour = board, profile, behaviour
        self._faults, self._rng = faults, random.Random(seed)
        self._absent = faults.absent
        self._cuts = deque(faults.cuts)
        self.power_cuts = 0
        self.resets = 0
        self._off = False
        self.storage = CutStorage()
        if before is not None:
            self._install(before)
        self.line = SerialLine(self._feed, 115_200, faults.line, seed, self._line_lost)
        self.line.every(S // 10, self._poll)
        self._boot()

    def open_port(self) -> SerialLine:
        if self._absent:
            self._absent -= 1
            self.line.time_ns += S
            raise LinkLostError(f"cannot open {self.board.port}: there is no such port")
        self.line.reopen(self.line.time_ns + 2 * S)
        return self.line

    @property
    def runs(self) -> bytes | None:
        """Digest of what it runs after a last power cut, a sound bundle or None."""
        image = Slots(self.storage.after_cut(self._rng), KEYS).active
        return image.digest if image else None

    def _install(self, file: bytes) -> None:
        slots = Slots(self.storage, KEYS)
        self.storage.create("upload.part")
        self.storage.append("upload.part", file)
        self.storage.sync("upload.part")
        slots.accept("upload.part")
        slots.test(parse(file).digest, permanent=True)
        slots.reset()

    def lose_power(self) -> None:
        """Go off in the midst of what it does; it boots anew after a while."""
        self._off = True
        self.power_cuts += 1
        self.line.at(self.line.time_ns + BOOT_NS, self._boot)

    def _boot(self) -> None:
        cut_at = self._cuts.popleft() if self._cuts else None
        self.storage = self.storage.after_cut(self._rng, cut_at)
        self._off = False
        with self._power():
            self._slots = Slots(self.storage, KEYS)
            log = PowerLog(100)
            self.runner = Runner(self._worker, self._profile, log)
            tests = FakeSelfTests()
            verdict = lambda digest: self._behaviour(digest).self_test.get(self._profile, "")  # noqa: E731
            tests.verdict = verdict  # type: ignore[method-assign]
            images = ImageGroup(self._slots, Upload(self._slots), tests).group()
            edge = EdgeGroup(self._slots, self.runner, log).group()
            self._agent = Agent([os_group(self._want_reset), images, edge])
            self._reset_wanted = False
            self._open_active()

    def _worker(self, settings: WorkerSettings) -> CountingWorker:
        active = self._slots.active
        assert active is not None
        return CountingWorker(settings, self._behaviour(active.digest))

    def _open_active(self) -> None:
        active = self._slots.active
        self.runner.open(Path(active.digest.hex()) if active else None)
        self._off = bool(active and self._profile in self._behaviour(active.digest).hangs)

    def _want_reset(self) -> None:
        self._reset_wanted = True

    def _feed(self, data: bytes, now_ns: int) -> bytes:
        answer = b""
        if not self._off:
            with self._power():
                answer = self._agent.feed(data, now_ns)
                if self._reset_wanted:
                    self._reset_wanted = False
                    self.resets += 1
                    self.runner.close()
                    self._slots.reset()
                    self._open_active()
        return answer

    def _poll(self, now_ns: int) -> bytes:
        if self._off:
            return b""
        self.runner.poll(now_ns)
        return self._agent.poll(now_ns)

    def _line_lost(self) -> None:
        if not self._off:
            self._agent.line_lost()

    def _power(self) -> "_Power":
        return _Power(self)


class _Power:
    """While it is on; a cut turns the board off, and boots it a while later."""

    def __init__(self, board: SimulatedBoard) -> None:
        self._board = board

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, PowerCut):
            return False
        self._board.lose_power()
        return True

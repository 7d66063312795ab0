"""What streaming costs an inference: a bare engine against the worker of an agent, in turns.

Both run on this computer with a synthetic meter of 900 samples a second, so that its samples take
the whole way: account, tap, pipe, log, batches, line, host. The meter itself costs nothing here;
what a real one costs is its own (`sampler_busy_us` of a run).
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection

from boards.fixed_clock import FixedClock
from boards.linux_board import LinuxBoard
from boards.power import MeterStatistics, Origin, PowerSample
from boards.profile import load_profile
from boards.sysfs import RealSysfs
from firmware_bridge import edge_group
from firmware_bridge.agent import Agent
from firmware_bridge.child_worker import ChildWorker
from firmware_bridge.link import Link
from firmware_bridge.log_reader import LogReader
from firmware_bridge.port import DescriptorPort
from firmware_bridge.power_log import PowerLog
from firmware_bridge.runner import Runner
from firmware_bridge.server import SerialOpener, Server
from firmware_bridge.slots import Slots
from firmware_bridge.smp import Body, Op
from firmware_bridge.worker import REPORT_S, Worker
from firmware_bridge.worker_messages import WorkerSettings
from models_tflite import Bundle, open_bundle
from runtime.engine import Engine
from runtime.records import Frame
from tests.fakes.bridge_device import KEYS
from tests.fakes.cut_storage import CutStorage
from tests.fakes.pty_line import PtyLine

_PERIOD_NS = 1_000_000_000 // 900


class SyntheticMeter:
    """Fulfils PowerMeter: constant power, 900 samples a second of real time."""

    origin: Origin = "modelled"
    gain_uncertainty_ppm = offset_uncertainty_uw = resolution_uw = 0

    def __init__(self) -> None:
        self._start_ns = self._given = 0

    def start(self) -> None:
        """See PowerMeter."""
        self._start_ns, self._given = time.monotonic_ns(), 0

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """See PowerMeter."""
        first, self._given = self._given, max(0, until_ns - self._start_ns) // _PERIOD_NS
        return [
            PowerSample(seq, self._start_ns + seq * _PERIOD_NS, 532_000, 5000, 600_000, 3_000_000)
            for seq in range(first, self._given)
        ]

    def statistics(self) -> MeterStatistics:
        """See PowerMeter."""
        return MeterStatistics(samples=self._given)

    def stop(self) -> None:
        """See PowerMeter."""


def _board() -> LinuxBoard:
    return LinuxBoard(load_profile("host"), FixedClock(), SyntheticMeter(), RealSysfs())


def _run_worker(connection: Connection, settings: WorkerSettings) -> None:
    with suppress(EOFError), _board() as board:
        Worker(connection, board, settings).run()


class _Device:
    """A runner and its group as the protocol of a server."""

    def __init__(self, runner: Runner, log: PowerLog) -> None:
        self._runner = runner
        slots = Slots(CutStorage(), KEYS)
        self._agent = Agent([edge_group.EdgeGroup(slots, runner, log).group()])

    def line_up(self, now_ns: int) -> bytes:
        return self._agent.line_up(now_ns)

    def line_lost(self) -> None:
        self._agent.line_lost()

    def feed(self, data: bytes, now_ns: int) -> bytes:
        return self._agent.feed(data, now_ns)

    def poll(self, now_ns: int) -> bytes:
        self._runner.poll(now_ns)
        return self._agent.poll(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        return self._agent.wait_ns(now_ns)

    def descriptors(self) -> Sequence[int]:
        return self._runner.descriptors()


def streaming_overhead(name: str, rounds: int, block_s: float) -> tuple[float, float, int]:
    """Return us per inference bare and streaming (medians of the rounds), and samples streamed."""
    bundle, log = open_bundle(name), PowerLog()
    runner = Runner(partial(ChildWorker, target=_run_worker), "host", log)
    bare: list[float] = []
    streamed: list[float] = []
    with PtyLine(115_200) as line:
        runner.open(bundle.path)
        server = Server(_Device(runner, log), SerialOpener(line.device))
        thread = threading.Thread(target=server.run)
        thread.start()
        link = Link(DescriptorPort(line.host))
        reader = LogReader(link)
        frames = int(block_s / _bare_s(bundle, 500))
        for number in range(rounds):
            bare.append(_bare_s(bundle, frames) * 1e6)
            streamed.append(_streamed_s(link, reader, frames, number) * 1e6)
        link.port.close()
        server.stop()
        thread.join()
        runner.close()
    return sorted(bare)[rounds // 2], sorted(streamed)[rounds // 2], reader.entries


def _bare_s(bundle: Bundle, count: int) -> float:
    """Mean seconds an inference of an engine, its energy settled ten times a second."""
    samples = bundle.samples()
    assert samples is not None
    frames, labels = samples
    with _board() as board, Engine(bundle, board) as engine:
        settle_s = time.monotonic() + REPORT_S
        for number in range(count):
            at = number % len(frames)
            engine.infer(Frame(number, frames[at], label=int(labels[at])))
            if time.monotonic() >= settle_s:
                engine.settle()
                settle_s += REPORT_S
        engine.finish()
        return sum(engine.residency_ns.values()) / count / 1e9


def _streamed_s(link: Link, reader: LogReader, frames: int, number: int) -> float:
    """Mean seconds an inference of a run on the device, its log read meanwhile."""
    body: Body = {"frames": frames, "n": number}
    while True:
        answer = link.ask_until_ready(Op.WRITE, 70, edge_group.RUN, body, within_ns=30_000_000_000)
        if answer["done"]:
            run_ns = sum(int(ns) for _, ns in answer["residency"])
            return run_ns / frames / 1e9
        reader.read()

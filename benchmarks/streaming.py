"""What streaming costs an inference: a bare engine against the worker of an agent, in turns.

Both run on this computer with a synthetic meter of 900 samples a second, so that its samples take
the whole way: account, tap, pipe, log, batches, line, host. The meter itself costs nothing here;
what a real one costs is its own (`sampler_busy_us` of a run).
"""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fakes.bridge_device import KEYS
from tests.fakes.cut_storage import CutStorage
from tests.fakes.pty_line import PtyLine

from edge_infer.boards.linux_board import FixedClock, LinuxBoard
from edge_infer.boards.power import MeterStatistics, Origin, PowerSample
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.device.port_opener import SerialOpener
from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import LogReader
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.wire.edge import RUN, RunSamples
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner
from edge_infer.firmware_bridge.worker.worker import REPORT_S, Worker
from edge_infer.firmware_bridge.worker.worker_pipe import ChildWorker, WorkerSettings
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame

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
        self._agent = Agent([EdgeGroup(slots, runner, log).group()])

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


@dataclass(frozen=True)
class Streaming:
    """The least disturbed round of each arm (as timeit takes it), wall and CPU time."""

    bare_us: float
    streaming_us: float
    bare_cpu_us: float
    streaming_cpu_us: float
    """Of the worker's thread that runs the inferences."""
    agent_cpu_share: float
    """Of one core, while it takes the log from the worker and serves it to the line."""
    entries: int
    """Log entries that reached the host."""


def streaming_overhead(name: str, rounds: int, block_s: float) -> Streaming:
    """Run a bare engine and a worker under an agent that streams, `rounds` times in turn."""
    bundle, log = open_bundle(name), PowerLog()
    runner = Runner(partial(ChildWorker, target=_run_worker), "host", log)
    bare: list[tuple[float, float]] = []
    streamed: list[tuple[float, float]] = []
    with PtyLine(115_200) as line:
        runner.open(bundle.path)
        server = Server(_Device(runner, log), SerialOpener(line.device))
        thread = threading.Thread(target=server.run)
        thread.start()
        link = Link(DescriptorPort(line.host))
        reader = LogReader(link)
        frames = int(block_s / _bare(bundle, 500)[0])
        agent_ns = wall_s = 0.0
        for number in range(rounds):
            bare.append(_bare(bundle, frames))
            before_ns, before_s = _cpu_ns(os.getpid(), thread.native_id), time.monotonic()
            streamed.append(_streamed(link, reader, _worker_pid(runner), frames, number))
            agent_ns += _cpu_ns(os.getpid(), thread.native_id) - before_ns
            wall_s += time.monotonic() - before_s
        link.port.close()
        server.stop()
        thread.join()
        runner.close()
    return Streaming(
        bare_us=min(wall for wall, _ in bare) * 1e6,
        streaming_us=min(wall for wall, _ in streamed) * 1e6,
        bare_cpu_us=min(cpu for _, cpu in bare) * 1e6,
        streaming_cpu_us=min(cpu for _, cpu in streamed) * 1e6,
        agent_cpu_share=agent_ns / 1e9 / wall_s,
        entries=reader.entries,
    )


def _worker_pid(runner: Runner) -> int:
    worker = runner._worker
    assert isinstance(worker, ChildWorker)
    return int(worker._process.pid or 0)


def _cpu_ns(process: int, thread: int | None) -> int:
    """Time a thread was on a processor: first figure of schedstat (Linux, sched-stats.rst)."""
    return int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()[0])


def _bare(bundle: Bundle, count: int) -> tuple[float, float]:
    """Mean wall and CPU seconds an inference, its energy drained ten times a second.

    The CPU time holds the opening of the engine, as a run on the device does.
    """
    samples = bundle.samples()
    assert samples is not None
    frames, labels = samples
    start_cpu_s = time.thread_time()
    with _board() as board, Engine(bundle, board) as engine:
        drain_s = time.monotonic() + REPORT_S
        for number in range(count):
            at = number % len(frames)
            engine.infer(Frame(number, frames[at], label=int(labels[at])))
            if time.monotonic() >= drain_s:
                engine.drain()
                drain_s += REPORT_S
        engine.finish()
        cpu_s = time.thread_time() - start_cpu_s
        return sum(engine.residency_ns.values()) / count / 1e9, cpu_s / count


def _streamed(
    link: Link, reader: LogReader, pid: int, frames: int, number: int
) -> tuple[float, float]:
    """Mean wall and CPU seconds an inference of a run on the device, its log read meanwhile."""
    before_ns = _cpu_ns(pid, pid)
    while True:
        request = RunSamples(frames, number)
        answer = link.ask_until_ready(RUN, request, within_ns=30_000_000_000)
        if answer.finished:
            run_ns = sum(ns for _, ns in answer.finished.residency_ns)
            return run_ns / frames / 1e9, (_cpu_ns(pid, pid) - before_ns) / frames / 1e9
        reader.read()

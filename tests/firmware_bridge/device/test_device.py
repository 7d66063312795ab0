"""The device as a whole, over a simulated line: flash, run, fail, revert, remote engine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.bridge_device import KEYS, BridgeDevice, FakeSelfTests
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.serial_line import Faults, SerialLine

from edge_infer.boards import open_board
from edge_infer.boards.power import PowerSample
from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.errors import DeviceRefusedError, LinkError, RolledBackError
from edge_infer.firmware_bridge.host.flashing import edge_info, flash, images, slot_of
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import LogReader
from edge_infer.firmware_bridge.host.remote_engine import RemoteEngine
from edge_infer.firmware_bridge.wire.command import A, Body, Command, Empty, Fields, Group, Op, Q
from edge_infer.firmware_bridge.wire.edge import (
    ROLLBACK,
    RUN,
    STATISTICS,
    EdgeCommand,
    FrameAnswer,
    Ran,
    RollBack,
    RunSamples,
)
from edge_infer.firmware_bridge.wire.log_batch import Mark, MarkEntry
from edge_infer.firmware_bridge.wire.standard import NOT_CONFIRMED, RESET, Code
from edge_infer.firmware_bridge.worker.runner import HANG_NS
from edge_infer.firmware_bridge.worker.worker_pipe import WorkerSettings
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame

BOARD = "sim:raspberry-pi-5"


@dataclass(frozen=True)
class Raw(Fields):
    """A map that may be wrong."""

    body: Body

    def pack(self) -> Body:
        return self.body


RAW_INFER = Command(Group.EDGE_INFER, EdgeCommand.INFER, Op.WRITE, Raw, FrameAnswer)
S = 1_000_000_000


class Bench:
    """A device, its line and a link to it."""

    def __init__(self, folder: Path, faults: Faults | None = None, confirm_after: int = 0) -> None:
        InProcessWorker.started.clear()
        self.tests = FakeSelfTests()
        settings = DeviceSettings(folder, BOARD, confirm_after=confirm_after)
        self.dies_of: Callable[[], str | None] = lambda: None
        """What each new worker is found dead of, None to live."""
        self.device = Device(settings, KEYS, self._start_worker, lambda *_: self.tests)
        self.line = SerialLine(self.device.feed, 921_600, faults, on_lost=self.device.line_lost)
        self.line.every(100_000_000, self.device.poll)
        self.link = Link(self.line)

    def _start_worker(self, settings: WorkerSettings) -> InProcessWorker:
        worker = InProcessWorker(settings)
        worker.dead = self.dies_of()
        return worker

    @property
    def worker(self) -> InProcessWorker:
        return InProcessWorker.started[-1]

    def ask(self, command: Command[Q, A], request: Q) -> A:
        return self.link.ask_until_ready(command, request, within_ns=10 * S)

    def run(self, frames: int, number: int = 1) -> Ran:
        while not (answer := self.ask(RUN, RunSamples(frames, number))).done:
            self.link.pause(S // 10)
        return answer


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "state")


def test_flash_runs_confirms_and_reports(bench: Bench, tiny_files: list[bytes]) -> None:
    steps: list[str] = []
    report = flash(bench.link, tiny_files[0], confirm=True, say=steps.append)
    assert steps == ["upload", "self-test", "reset", "confirm"]
    assert report.confirmed and report.version == "1.0.0" and report.resent_chunks == 0
    assert report.sent_bytes == len(tiny_files[0])
    info = edge_info(bench.link)
    assert info and info.run and info.run.bundle == "tiny-early-exit" and info.counter == 1
    again = flash(bench.link, tiny_files[0], confirm=True)
    assert again.sent_bytes == 0 and again.confirmed


def test_an_unconfirmed_bundle_reverts_at_the_next_reset_and_says_so(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    report = flash(bench.link, tiny_files[1])
    assert not report.confirmed
    info = edge_info(bench.link)
    assert info and info.trial
    bench.link.ask(RESET, Empty())
    info = edge_info(bench.link)
    assert info and info.revert and info.revert.reason == NOT_CONFIRMED
    assert info.revert.version == "2.0.0" and not info.trial
    active = slot_of(images(bench.link), 0)
    assert active and active.version == "1.0.0" and active.confirmed


def test_a_bundle_that_fails_its_self_test_never_runs(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    bench.tests.verdict = lambda digest: "vector 0: answer 3 is 4"  # type: ignore[method-assign]
    with pytest.raises(DeviceRefusedError, match="self-test: vector 0"):
        flash(bench.link, tiny_files[1])
    assert len(InProcessWorker.started) == 1


def test_a_bundle_that_crashes_on_trial_is_given_up_with_its_reason(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)

    bench.dies_of = lambda: "crashed with signal 11" if bench.device.slots.on_trial else None
    with pytest.raises(RolledBackError, match=r"signal 11 \(3 times in a row\)"):
        flash(bench.link, tiny_files[1], confirm=True)
    active = slot_of(images(bench.link), 0)
    assert active and active.version == "1.0.0"
    assert bench.run(5).inferences == 5


def test_a_confirmed_bundle_that_keeps_crashing_is_stopped_and_the_agent_lives(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    bench.dies_of = lambda: "ended with exit code 1"
    bench.worker.dead = "crashed with signal 6"
    bench.link.pause(S)
    info = edge_info(bench.link)
    assert info and info.run is None and "exit code 1" in info.failure
    with pytest.raises(DeviceRefusedError, match="no bundle: the run ended"):
        bench.ask(RUN, RunSamples(1, 9))
    flash(bench.link, tiny_files[0])


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_a_run_that_dies_is_refused_and_the_next_one_works(
    bench: Bench, tiny_files: list[bytes], how: str
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    assert not bench.ask(RUN, RunSamples(10**6, 1)).done
    worker = bench.worker
    if how == "crash":
        worker.dead = "crashed with signal 9"
    else:
        worker.hung = True
        bench.link.pause(HANG_NS + S)
    bench.link.pause(S)
    assert worker.ended and bench.worker is not worker
    with pytest.raises(DeviceRefusedError, match="signal 9" if how == "crash" else "hung"):
        bench.ask(RUN, RunSamples(10**6, 1))
    assert bench.run(20, number=2).inferences == 20
    assert bench.ask(STATISTICS, Empty()).restarts == 1


def test_good_inferences_confirm_by_themselves(tmp_path: Path, tiny_files: list[bytes]) -> None:
    bench = Bench(tmp_path, confirm_after=30)
    flash(bench.link, tiny_files[0], confirm=True)
    flash(bench.link, tiny_files[1])
    bench.run(10)
    assert bench.device.slots.on_trial
    bench.run(20, number=2)
    assert not bench.device.slots.on_trial and bench.device.slots.state.confirmed


def test_a_disk_that_fills_up_does_not_take_the_agent_down(
    tmp_path: Path, tiny_files: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, confirm_after=5)
    flash(bench.link, tiny_files[0], confirm=True)
    flash(bench.link, tiny_files[1])

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge_infer.firmware_bridge.slots.slot_storage.FolderStorage.create", full)
    bench.run(10)
    assert bench.device.slots.on_trial, "the confirmation could not be stored"
    monkeypatch.setattr("edge_infer.firmware_bridge.image.bundle_file.lay_out", full)
    monkeypatch.setattr(
        "edge_infer.firmware_bridge.image.bundle_file.is_laid_out", lambda *_: False
    )
    bench.link.ask(RESET, Empty())
    info = edge_info(bench.link)
    assert info and "No space left" in info.failure


def test_a_device_that_only_speaks_smp_can_be_flashed(tiny_files: list[bytes]) -> None:
    """A microcontroller's server has no group 70."""
    device = BridgeDevice()
    report = flash(Link(SerialLine(device.agent.feed)), tiny_files[0], confirm=True)
    assert report.confirmed and device.resets == 1


def test_rollback_goes_back_with_the_hosts_reason(bench: Bench, tiny_files: list[bytes]) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    flash(bench.link, tiny_files[1])
    bench.ask(ROLLBACK, RollBack("too slow"))
    bench.link.ask(RESET, Empty())
    info = edge_info(bench.link)
    assert info and info.revert and info.revert.reason == "too slow"
    with pytest.raises(DeviceRefusedError, match="security counter"):
        flash(bench.link, tiny_files[2], confirm=True)
        bench.ask(ROLLBACK, RollBack())


def test_the_device_starts_again_with_what_it_had(tmp_path: Path, tiny_files: list[bytes]) -> None:
    first = Bench(tmp_path)
    flash(first.link, tiny_files[0], confirm=True)
    first.device.close()
    second = Bench(tmp_path)
    assert second.run(8).inferences == 8


def test_a_run_counts_exits_and_energy(bench: Bench, tiny_files: list[bytes]) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    answer = bench.run(400)
    assert answer.finished and (energy := answer.finished.energy)
    assert answer.frames == 400 and energy.origin == "simulated"
    total = bench.ask(STATISTICS, Empty())
    assert total.inferences == sum(count for _, count in total.exits) == 400
    assert total.labelled == 400 and 0 < total.net_nj < total.gross_nj
    assert total.gross_nj == pytest.approx(energy.gross_nj, rel=0.02)


def test_a_repeated_request_runs_nothing_twice(bench: Bench, tiny_files: list[bytes]) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    for _ in range(5):
        bench.run(10, number=77)
    assert bench.ask(STATISTICS, Empty()).inferences == 10
    assert not bench.ask(RUN, RunSamples(10**6, 78)).done
    with pytest.raises(DeviceRefusedError, match="another run"):
        bench.link.ask(RUN, RunSamples(1, 79))


@pytest.mark.parametrize(
    "body",
    [
        {"dtype": "object", "shape": [8]},
        {"dtype": "uint8", "shape": [9]},
        {"dtype": "uint8", "shape": [-8]},
        {"dtype": "uint8", "shape": [2**40, 2**40]},
        {"dtype": "uint8", "shape": "8"},
        {"dtype": "uint8", "shape": [8], "len": 1 << 40},
    ],
)
def test_impossible_frames_are_refused(bench: Bench, tiny_files: list[bytes], body: Body) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    whole = {"n": 0, "session": 1, "off": 0, "len": 8, "data": bytes(8)} | body
    with pytest.raises(DeviceRefusedError) as refused:
        bench.ask(RAW_INFER, Raw(whole))
    assert refused.value.code in (Code.INVALID, Code.NO_MEMORY)


def test_a_frame_of_another_shape_is_the_engines_refusal(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    with (
        pytest.raises(DeviceRefusedError, match="the bundle wants"),
        RemoteEngine(bench.link) as engine,
    ):
        engine.infer(Frame(0, np.zeros((3, 3, 1), np.uint8)))


def test_the_remote_engine_answers_as_the_local_one(
    bench: Bench, tiny_files: list[bytes], tiny_bundle: Bundle
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    samples = tiny_bundle.samples()
    assert samples is not None
    frames = [
        Frame(n, data, label=int(label))
        for n, (data, label) in enumerate(zip(*samples, strict=True))
    ]
    with open_board(BOARD) as board, Engine(tiny_bundle, board) as local:
        expected = [local.infer(frame) for frame in frames]
        names = local.exit_names
        local.finish()
    with RemoteEngine(bench.link) as remote:
        assert remote.exit_names == names and remote.simulated
        remote.check_bundle("tiny-early-exit", tiny_bundle.manifest.version)
        with pytest.raises(LinkError, match="flash it first"):
            remote.check_bundle("another", "1.0.0")
        got = [remote.infer(frame) for frame in frames]
        drained = list(remote.drain())
        drained += remote.finish()
        energy = remote.energy()
    assert [(r.answer, r.exit, r.label) for r in got] == [
        (r.answer, r.exit, r.label) for r in expected
    ]
    assert [r.busy_ns for r in got] == [r.busy_ns for r in expected]
    assert [r.number for r in drained] == [frame.number for frame in frames]
    assert energy is not None and energy.origin == "simulated"
    assert all(r.energy is not None and r.energy.gross_nj > 0 for r in drained)
    assert sum(remote.residency_ns.values()) > 0


def test_a_remote_policy_that_is_unknown_leaves_the_one_before(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    RemoteEngine(bench.link, policy="powersave")
    with pytest.raises(DeviceRefusedError, match="unknown policy"):
        RemoteEngine(bench.link, policy="nonsense")
    info = edge_info(bench.link)
    assert info and info.run and info.run.policy == "powersave"
    assert bench.run(3).inferences == 3


def test_a_device_without_a_bundle_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(DeviceRefusedError, match="none was flashed"):
        RemoteEngine(bench.link)
    with pytest.raises(LinkError):
        RemoteEngine(Link(SerialLine(lambda data, now_ns: b"")))


def test_the_log_holds_samples_clocks_and_inferences_in_order(
    bench: Bench, tiny_files: list[bytes]
) -> None:
    flash(bench.link, tiny_files[0], confirm=True)
    reader = LogReader(bench.link, start=0)
    bench.run(300)
    entries: list[PowerSample | MarkEntry] = []
    while part := reader.read().entries:
        entries += part
        if len(entries) >= bench.device.log.end:
            break
    starts = [e for e in entries if isinstance(e, MarkEntry) and e.mark is Mark.INFERENCE_START]
    exits = [e for e in entries if isinstance(e, MarkEntry) and e.mark is Mark.INFERENCE_EXIT]
    unmarked = [
        e.value for e in entries if isinstance(e, MarkEntry) and e.mark is Mark.INFERENCES_UNMARKED
    ]
    assert len(starts) + sum(unmarked) == 300 and len(starts) >= 10
    assert [mark.value for mark in starts] == sorted({mark.value for mark in starts})
    assert len(exits) == len(starts) and all(a.timestamp_ns < b.timestamp_ns
                                     for a, b in zip(starts, exits, strict=True))  # fmt: skip
    expected_seq = samples = 0
    for entry in entries:
        if isinstance(entry, PowerSample):
            assert entry.seq == expected_seq
            expected_seq, samples = expected_seq + 1, samples + 1
        elif entry.mark is Mark.METER_START:
            expected_seq = 0
    assert samples > 1000
    assert any(isinstance(e, MarkEntry) and e.mark is Mark.CLOCK_KHZ for e in entries)
    assert reader.lost == 0


def test_everything_over_a_noisy_line(tmp_path: Path, tiny_files: list[bytes]) -> None:
    bench = Bench(tmp_path, Faults(byte_error=2e-4, drop_piece=0.002, duplicate_piece=0.002))
    flash(bench.link, tiny_files[0], confirm=True)
    assert bench.run(50).inferences == 50
    with RemoteEngine(bench.link) as engine:
        for number in range(20):
            engine.infer(Frame(number, np.zeros((8, 8, 1), np.uint8)))
        assert len([*engine.drain(), *engine.finish()]) == 20
    assert bench.link.repeated > 0

"""The device on QEMU's emulated UART, with the host's own code and with smpmgr."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.firmware_build import build_mps2_device
from tests.fakes.firmware_bundles import bundle_file, on_the_runtime
from tests.fakes.plan_tables import STAGES, steep_table

from edge_infer.commands.root import run_line
from edge_infer.firmware_bridge.host.flashing import edge_info, flash, images, slot_of
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import LogReader
from edge_infer.firmware_bridge.host.remote_engine import RemoteEngine
from edge_infer.firmware_bridge.image import mcuboot_image
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.firmware_bridge.wire.log_batch import Mark, MarkEntry
from edge_infer.models_tflite.bundle import Bundle, open_bundle
from edge_infer.runtime.planning.plan import Plan
from edge_infer.runtime.planning.planner import Planner
from edge_infer.runtime.planning.problem import plan_problem, predicted_exits
from edge_infer.runtime.predictor import SoftmaxPredictor
from edge_infer.runtime.records import Frame

pytestmark = pytest.mark.usefixtures("test_mcu_only")

TRIES = 3


@contextmanager
def _running(program: Path) -> Iterator[str]:
    """Yield the name of the terminal that is the board's serial line."""
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none"]
    with subprocess.Popen(
        [*command, "-serial", "pty", "-kernel", str(program)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            found = re.search(r"(/dev/pts/\d+)", process.stdout.readline())
            assert found, "QEMU names no terminal"
            yield found[1]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mps2_device(tmp_path_factory.getbasetemp())


def test_code_and_constants_of_the_whole_device(program: Path) -> None:
    sizes = subprocess.run(
        ["arm-none-eabi-size", str(program)], check=True, capture_output=True, text=True
    )
    text, data = (int(field) for field in sizes.stdout.splitlines()[1].split()[:2])
    print(f"\nwhole device: {text + data} bytes of code and constants")
    assert text + data <= 64 * 1024


@pytest.mark.backend
def test_a_100_kb_bundle_is_flashed_and_answers_as_the_host(program: Path) -> None:
    bundle = open_bundle("digits-little-big")
    file = bundle_file(bundle)
    assert len(file) > 100_000
    samples = bundle.samples()
    assert samples is not None
    frames = samples[0][:60]
    with _running(program) as name:
        link = Link(DescriptorPort(name))
        report = flash(link, file, confirm=True)
        print(f"\n{report.sent_bytes} bytes in {report.seconds:.1f} s")
        assert report.confirmed and report.digest == mcuboot_image.parse(file).digest.hex()
        info = edge_info(link)
        assert info is not None and info.run is not None and info.run.board == "qemu-mps2-an386"
        assert info.run.simulated  # QEMU's times are not a Cortex-M4's
        with RemoteEngine(link) as engine:
            engine.check_bundle(bundle.manifest.name, bundle.manifest.version)
            records = [engine.infer(Frame(i, frame)) for i, frame in enumerate(frames)]
            engine.finish()
            log = LogReader(link, start=0).read()
        found = [(r.exit, r.answer, r.confidence) for r in records]
        assert found == [tuple(answer) for answer in on_the_runtime(bundle, frames)]
        assert all(r.start_ns < r.end_ns for r in records)
        starts = [
            e for e in log.entries if isinstance(e, MarkEntry) and e.mark is Mark.INFERENCE_START
        ]
        assert [e.value for e in starts] == list(range(60))


@pytest.mark.backend
def test_ratios_over_the_line(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = open_bundle("cifar10-prunable")
    frames = bundle.golden().frames[:4]
    np.save(tmp_path / "frames.npy", frames)
    with _running(program) as name:
        link = Link(DescriptorPort(name))
        assert flash(link, bundle_file(bundle), confirm=True).confirmed
        for ratio in ("0.53", "0.2", "1.0"):
            engine = RemoteEngine(link, ratio=ratio)
            assert engine.info.ratio == ratio
            records = [engine.infer(Frame(i, frame)) for i, frame in enumerate(frames)]
            found = [(r.exit, r.answer, r.confidence) for r in records]
            assert found == [tuple(answer) for answer in on_the_runtime(bundle, frames, ratio)]
            assert {r.ratio for r in records} == {ratio}
        link.port.close()
        run = ["run", "cifar10-prunable", str(tmp_path / "frames.npy"), "--board", f"serial:{name}"]
        assert _cli(capsys, *run, "--ratio", "nearest:0.54")["ratios"] == {"0.53": 4}


def test_smpmgr_updates_it(program: Path, tmp_path: Path) -> None:
    file = bundle_file(open_bundle("digits-little-big"))
    digest = mcuboot_image.parse(file).digest.hex()
    path = tmp_path / "little-big.bundle"
    path.write_bytes(file)
    with _running(program) as port:
        assert "hi there" in _smpmgr(port, "os", "echo", "hi there")
        # It sends 256 bytes at a time unless told of the device's 2 KiB.
        _smpmgr(port, "--line-length", "128", "--line-buffers", "16", "image", "upload", str(path))
        _smpmgr(port, "image", "state-write", digest)
        _smpmgr(port, "os", "reset")
        _smpmgr(port, "image", "state-write", "--confirm")
        link = Link(DescriptorPort(port))
        active = slot_of(images(link), 0)
        link.port.close()
    assert active is not None and active.digest.hex() == digest and active.confirmed


def _smpmgr(port: str, *arguments: str) -> str:
    """Run smpmgr, and again where the computer stood still for so long that a frame was given up:
    it sends nothing twice by itself. Its limits are far above what a loaded computer takes."""
    tool = Path(sys.executable).with_name("smpmgr")
    for _ in range(TRIES):
        done = subprocess.run(
            [tool, "--port", port, "--timeout", "60", *arguments],
            capture_output=True, text=True, timeout=1200,
        )  # fmt: skip
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _planned(bundle: Bundle) -> tuple[Bundle, Plan]:
    """The bundle with a predictor, and a plan over the clocks that the port offers."""
    predictor = SoftmaxPredictor.from_document((bundle.manifest.predictor or {})["1.0"])
    table = steep_table((2.0, 6.0, 30.0), (6_250, 12_500, 25_000), switch_ns=50_000, switch_nj=20)
    distribution = predicted_exits(predictor)
    problem = plan_problem(table, STAGES, table.points, distribution, 100_000_000, (110_000_000,))
    return bundle, Planner(problem, 60).within(0.01)


def _cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code = run_line([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


@pytest.mark.backend
def test_the_commands_of_the_host_are_the_same(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, plan = _planned(open_bundle("digits-early-exit"))
    samples = bundle.samples()
    assert samples is not None
    wanted = on_the_runtime(bundle, samples[0][:40])
    shares = [sum(answer.exit == exit for answer in wanted) for exit in range(3)]
    path, log = tmp_path / "e.bundle", tmp_path / "log.csv"
    path.write_bytes(bundle_file(bundle, plan=(plan, "qemu-mps2-an386")))
    with _running(program) as port:
        assert _cli(capsys, "flash", str(path), "-p", port, "--confirm")["confirmed"]
        status = _cli(capsys, "device", "status", "-p", port)
        assert "digits-early-exit" in json.dumps(status)
        run = ["run", "digits-early-exit", "--board", f"serial:{port}", "--frames", "40"]
        for policy in ("performance", "planned"):
            report = _cli(capsys, *run, "--policy", policy)
            assert report["policy"] == policy and report["simulated"]
            assert list(report["exits"].values()) == shares
            assert report["latency_us"]["p50"] > 0
            clocks = report["frequency_residency"]
            if policy == "performance":
                assert set(clocks) == {"25000"} and report["switches"] == 0
            else:
                assert len(clocks) > 1 and report["switches"] > 0
        assert (
            run_line(["power", "stream", "-p", port, "-o", str(log), "--all", "--duration", "1s"])
            == 0
        )
    kinds = log.read_text()
    assert "25000" in kinds and "12500" in kinds  # the clock's changes are in the log

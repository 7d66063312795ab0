"""The device as a program on a pty: the host's own code flashes it and runs frames on it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.flashing import flash
from firmware_bridge.link import Link
from firmware_bridge.port import DescriptorPort
from firmware_bridge.remote_engine import RemoteEngine
from models_tflite.bundle import open_bundle
from runtime.records import Frame
from tests.fakes.firmware_build import build_host_device
from tests.fakes.firmware_bundles import bundle_file, on_the_runtime


@pytest.fixture
def port(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[str]:
    program = build_host_device(tmp_path_factory.getbasetemp())
    with subprocess.Popen(
        [program, tmp_path / "flash.bin"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def test_a_bundle_is_flashed_survives_and_answers_as_the_host(port: str) -> None:
    bundle = open_bundle("digits-early-exit")
    samples = bundle.samples()
    assert samples is not None
    frames = samples[0]
    link = Link(DescriptorPort(port))
    report = flash(link, bundle_file(bundle), confirm=True)
    assert report.confirmed
    with RemoteEngine(link) as engine:
        engine.check_bundle(bundle.manifest.name, bundle.manifest.version)
        assert engine.exit_names == tuple(stage.name for stage in bundle.manifest.stages)
        records = [engine.infer(Frame(i, frame)) for i, frame in enumerate(frames)]
        assert len(engine.finish()) == len(frames)
    found = [(r.exit, r.answer, r.confidence) for r in records]
    assert found == [tuple(answer) for answer in on_the_runtime(bundle, frames)]

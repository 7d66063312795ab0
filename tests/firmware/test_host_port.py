"""The device as a program on a pty: the host's own code flashes it and runs frames on it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.firmware_build import build_host_device
from tests.fakes.firmware_bundles import bundle_file, on_the_runtime

from edge_infer.firmware_bridge.errors import DeviceRefusedError
from edge_infer.firmware_bridge.host.flashing import flash
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.remote_engine import RemoteEngine
from edge_infer.firmware_bridge.image.keys import SigningKey
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.runtime.records import Frame


@contextmanager
def _running(program: Path, folder: Path) -> Iterator[str]:
    """Yield the name of the device's terminal."""
    with subprocess.Popen(
        [program, folder / "flash.bin"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def port(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[str]:
    with _running(build_host_device(tmp_path_factory.getbasetemp()), tmp_path) as name:
        yield name


@pytest.mark.backend
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


@pytest.mark.usefixtures("test_mcu_only")
def test_a_device_built_with_a_key_takes_what_it_signed(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save_public(tmp_path / "me.pub.pem")
    bundle = open_bundle("digits-little-big")
    with _running(build_host_device(tmp_path, tmp_path / "me.pub.pem"), tmp_path) as name:
        link = Link(DescriptorPort(name))
        with pytest.raises(DeviceRefusedError, match="not signed with a key"):
            flash(link, bundle_file(bundle))
        with pytest.raises(DeviceRefusedError, match="not signed with a key"):
            flash(link, bundle_file(bundle, key=SigningKey.generate()))
        assert flash(link, bundle_file(bundle, key=key), confirm=True).confirmed
        link.port.close()

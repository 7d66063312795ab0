import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.bridge_device import KEY, KEYS, FakeSelfTests
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.tiny_bundles import write_early_exit

from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.device.port_opener import TcpOpener
from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.image.bundle_file import pack_bundle
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion
from edge_infer.models_tflite import Bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_early_exit(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def tiny_files(tiny_bundle: Bundle) -> list[bytes]:
    """The same bundle as signed files of version 1, 2, 3; security counters the same."""
    folder = Path(tiny_bundle.path)
    return [pack_bundle(folder, ImageVersion(major), major, KEY) for major in (1, 2, 3)]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    settings = DeviceSettings(tmp_path / "state", "sim:raspberry-pi-5")
    device = Device(settings, KEYS, InProcessWorker, lambda *_: FakeSelfTests())
    opener = TcpOpener("socket://127.0.0.1:0")
    server = Server(device, opener)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield opener.name
    server.stop()
    thread.join()
    device.close()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "release.pem"
    KEY.save(path)
    return path

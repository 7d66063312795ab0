from pathlib import Path

import pytest
from tests.fakes.bridge_device import KEY
from tests.fakes.tiny_bundles import write_early_exit

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

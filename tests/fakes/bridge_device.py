"""A device for the host side to talk to: real agent and slots, memory for a disk, no worker."""

from tests.fakes.cut_storage import CutStorage

from edge_infer.firmware_bridge.device.standard_groups import (
    ImageGroup,
    enumeration_group,
    os_group,
)
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion
from edge_infer.firmware_bridge.slots.slot_storage import FolderStorage
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.slots.upload import Upload
from edge_infer.firmware_bridge.smp.agent import Agent, CommandGroup

KEY = SigningKey.generate()
KEYS = TrustedKeys([("release", KEY.public)])


def bundle_file(major: int = 1, size: int = 900, counter: int = 0, fill: bytes = b"") -> bytes:
    """A signed bundle file whose payload is about `size` bytes."""
    weights = (fill or bytes(range(256))) * (size // len(fill or bytes(256)) + 1)
    payload = stored_zip.pack({"manifest.json": b"{}", "weights.bin": weights[:size]})
    return mcuboot_image.build(payload, ImageVersion(major), counter, KEY)


def digest(file: bytes) -> bytes:
    return mcuboot_image.parse(file).digest


class FakeSelfTests:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.verdicts: dict[bytes, str | None] = {}
        self.started: list[bytes] = []

    def start(self, digest: bytes) -> None:
        self.started.append(digest)

    def verdict(self, digest: bytes) -> str | None:
        return self.verdicts.get(digest, "")

    def close(self) -> None:
        pass


class BridgeDevice:
    """An agent over two slots."""

    def __init__(
        self, storage: CutStorage | FolderStorage | None = None, keys: TrustedKeys = KEYS
    ) -> None:
        self.storage = storage or CutStorage()
        self.slots = Slots(self.storage, keys)
        self.upload = Upload(self.slots)
        self.tests = FakeSelfTests()
        self.resets = 0
        images = ImageGroup(self.slots, self.upload, self.tests).group()
        groups: list[CommandGroup] = [os_group(self._reset), images]
        self.agent = Agent([*groups, enumeration_group(groups)])

    def _reset(self) -> None:
        self.resets += 1
        self.slots.reset()

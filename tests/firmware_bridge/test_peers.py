"""Existing SMP clients against our agent, over a real port: smpclient and smpmgr from PyPI."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from smpclient import SMPClient
from smpclient.generics import error_v2, success
from smpclient.requests.enumeration_management import ListSupportedGroups
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead, ResetWrite
from smpclient.transport import SMPTransport
from smpclient.transport.serial import Cobs, SMPSerialRawTransport, SMPSerialTransport
from tests.fakes.bridge_device import BridgeDevice, bundle_file, digest
from tests.fakes.cut_storage import CutStorage
from tests.fakes.pty_line import PtyLine
from tests.fakes.ready_opener import ReadyOpener

from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.smp.agent import BUFFER_BYTES

OLD = bundle_file(1)
NEW = bundle_file(2, size=1 << 20, counter=1)


class ServedDevice(BridgeDevice):
    """The agent as a protocol of a server."""

    def descriptors(self) -> list[int]:
        return []

    def __getattr__(self, name: str) -> object:
        return getattr(self.agent, name)


@pytest.fixture
def device() -> BridgeDevice:
    found = ServedDevice(CutStorage())
    found.upload.begin(len(OLD), b"")
    found.upload.write(0, OLD, 0)
    found.upload.finish()
    found.slots.test(digest(OLD), permanent=True)
    found.slots.reset()
    return found


@pytest.fixture
def port(device: ServedDevice) -> Iterator[str]:
    with PtyLine() as line:
        opener = ReadyOpener(line.device)
        server = Server(device, opener)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run)
        thread.start()
        opener.wait()
        yield line.host
        server.stop()
        thread.join()


@pytest.mark.parametrize(
    "transport",
    [
        SMPSerialTransport,
        lambda: SMPSerialRawTransport(mtu=BUFFER_BYTES, framing=Cobs()),
    ],
    ids=["console", "cobs"],
)
def test_smpclient_updates_the_bundle(
    port: str, device: BridgeDevice, transport: type[SMPTransport]
) -> None:
    async def update() -> None:
        async with SMPClient(transport(), port, timeout_s=120) as client:
            echo = await client.request(EchoWrite(d="hello " * 50))
            assert success(echo) and echo.r == "hello " * 50
            parameters = await client.request(MCUMgrParametersRead())
            assert success(parameters) and parameters.buf_size == BUFFER_BYTES
            groups = await client.request(ListSupportedGroups())
            assert success(groups) and [int(g) for g in groups.groups] == [0, 1, 10]
            offsets = [offset async for offset in client.upload(NEW)]
            assert offsets[-1] == len(NEW)
            images = await client.request(ImageStatesRead())
            assert success(images)
            assert [image.hash for image in images.images] == [digest(OLD), digest(NEW)]
            marked = await client.request(ImageStatesWrite(hash=digest(NEW)))
            assert success(marked) and marked.images[1].pending
            refused = await client.request(ImageErase())
            assert error_v2(refused) and refused.err.rc == 28
            assert success(await client.request(ResetWrite()))
            images = await client.request(ImageStatesRead())
            assert success(images) and images.images[0].hash == digest(NEW)
            assert not images.images[0].confirmed
            confirmed = await client.request(ImageStatesWrite(confirm=True))
            assert success(confirmed) and confirmed.images[0].confirmed
            assert success(await client.request(ImageErase()))

    asyncio.run(update())
    assert device.slots.state.confirmed and device.slots.state.security_counter == 1
    assert device.slots.other is None


def _smpmgr(port: str, *arguments: str) -> str:
    tool = Path(sys.executable).with_name("smpmgr")
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [tool, "--timeout", "20", "--port", port, *arguments],
        capture_output=True, text=True, env=environment, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_smpmgr_echoes_lists_upgrades_and_confirms(
    port: str, device: BridgeDevice, tmp_path: Path
) -> None:
    path = tmp_path / "new.bundle"
    path.write_bytes(NEW)
    assert "hi there" in _smpmgr(port, "os", "echo", "hi there")
    assert "1.0.0" in _smpmgr(port, "image", "state-read")
    # It sends 256 bytes at a time unless told of the device's 2 KiB.
    _smpmgr(port, "--line-length", "128", "--line-buffers", "16", "image", "upload", str(path))
    _smpmgr(port, "image", "state-write", digest(NEW).hex())
    _smpmgr(port, "os", "reset")
    assert device.slots.active and device.slots.active.digest == digest(NEW)
    assert device.slots.on_trial
    _smpmgr(port, "image", "state-write", "--confirm")
    assert device.slots.state.confirmed

"""kill -9 at any moment of upload, test, reset, confirm, on real files; and Ctrl-C to `serve`."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.hostile.state_folder import flash, opened, silence
from tests.hostile.suite import Suite, Tally

from edge_infer.firmware_bridge.device.device import Device
from edge_infer.firmware_bridge.device.port_opener import TcpOpener
from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.errors import LinkError
from edge_infer.firmware_bridge.host.flashing import mark, reset
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.firmware_bridge.wire.standard import SET_IMAGE_STATE, SetImageState

ROOT = Path(__file__).parents[2]
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
"""The same in every process."""
KEYS = TrustedKeys([("release", KEY.public)])
_PAYLOAD_BYTES = 150_000
_MOST_S = 30.0


def bundle(number: int) -> bytes:
    """Return a signed bundle file whose security counter is its number."""
    weights = number.to_bytes(4, "big") * (_PAYLOAD_BYTES // 4)
    payload = stored_zip.pack({"manifest.json": b"{}", "weights.bin": weights})
    return mcuboot_image.build(payload, ImageVersion(1, 0, number), number, KEY)


def serve(folder: str, told: Connection) -> None:
    """Serve the state folder on a TCP port. The target of a child."""
    device = opened(Path(folder), KEYS)
    opener = TcpOpener("socket://127.0.0.1:0")
    told.send(opener.name)
    Server(device, opener, device.another_line).run()


class _Update:
    """One update of a served device, and how far it was acknowledged."""

    def __init__(self, name: str, file: bytes) -> None:
        self._name = name
        self._file = file
        self.marked = self.confirmed = False

    def run(self) -> None:
        """Upload, test, reset and confirm. Raises LinkError where it is killed."""
        port = DescriptorPort(self._name)
        try:
            link = Link(port)
            link.reconnect = self._gone  # type: ignore[method-assign]
            link.upload(self._file)
            mark(link, mcuboot_image.parse(self._file).digest)
            self.marked = True
            reset(link)
            link.ask(SET_IMAGE_STATE, SetImageState(confirm=True), retries=0)
            self.confirmed = True
        finally:
            port.close()

    def _gone(self, within_ns: int = 0) -> None:
        raise LinkError("it was killed")


def _start(folder: Path) -> tuple[BaseProcess, str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(str(folder), theirs), daemon=True)
    process.start()
    theirs.close()
    if not ours.poll(_MOST_S):
        raise AssertionError("it does not start")
    name = ours.recv()
    ours.close()
    return process, name


def _kills(tally: Tally) -> None:
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch, silence():
        folder = Path(scratch) / "state"
        device = opened(folder, KEYS)
        flash(device, bundle(1))
        device.close()
        number, took_s = 1, 0.0
        for case in range(-2, tally.count):
            process, name = _start(folder)
            update = _Update(name, bundle(number + 1))
            assert process.pid is not None
            # The first two are not killed: they tell how long an update takes.
            kill_s = tally.rng.uniform(0, 1.1 * took_s) if case >= 0 else _MOST_S
            timer = threading.Timer(kill_s, os.kill, (process.pid, signal.SIGKILL))
            begin_s = time.monotonic()
            timer.start()
            with contextlib.suppress(LinkError):
                update.run()
            took_s = time.monotonic() - begin_s if case < 0 else took_s
            timer.cancel()
            timer.join()
            process.kill()
            process.join()
            with tally.case(f"case {case}: killed after {1e3 * kill_s:.1f} ms"):
                number = _check(folder, number, update)


def _check(folder: Path, number: int, update: _Update) -> int:
    """Start again; return the number of the bundle that runs, the one before or the new one."""
    device = opened(folder, KEYS)
    try:
        runs = _number_of(device)
        assert runs in (number, number + 1), f"{runs} runs after {number}"
        assert runs == number + 1 or not update.confirmed, "what was confirmed is gone"
        assert device.slots.state.security_counter >= number + update.confirmed
        assert not device.slots.found, device.slots.found
        if runs == number + 1 and not device.slots.state.confirmed:
            # It was killed before the reset, or before the confirmation: the next reset decides.
            device.reset()
            assert _number_of(device) == number and device.slots.state.last_revert
        if _number_of(device) == number + 1:
            return number + 1
        flash(device, bundle(number + 1))
        assert _number_of(device) == number + 1, "no update works any more"
        return number + 1
    finally:
        device.close()


def _number_of(device: Device) -> int:
    image = device.slots.read_active()
    assert image is not None, "no bundle runs"
    assert image.payload.count(image.security_counter.to_bytes(4, "big")) > 1000
    return image.security_counter


def _interrupts(tally: Tally) -> None:
    """Ctrl-C at the terminal: to every process of the group, at any moment of the first second."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
        command = [sys.executable, "-m", "edge_infer", "serve", "-p", "socket://127.0.0.1:0"]
        command += ["--board", "sim:raspberry-pi-4b", "--trust", str(Path(scratch) / "release.pem")]
        state = Path(scratch) / "state"
        _with_bundle(state)
        for case in range(tally.count):
            wait_s = tally.rng.uniform(0, 1.5)
            with (
                tally.case(f"case {case}: after {1e3 * wait_s:.0f} ms"),
                subprocess.Popen(
                    [*command, "--state", str(state)], stderr=subprocess.PIPE, text=True,
                    cwd=ROOT, start_new_session=True,
                ) as process,
            ):  # fmt: skip
                assert process.stderr is not None
                assert process.stderr.readline().startswith("serving")
                time.sleep(wait_s)
                begin_s = time.monotonic()
                os.killpg(process.pid, signal.SIGINT)
                code = process.wait(10)
                took_s = time.monotonic() - begin_s
                said = process.stderr.read()
                assert code == 0 and not said and took_s < 1, f"{code}, {took_s:.2f} s: {said}"


def _with_bundle(state: Path) -> None:
    """Let a real bundle run, so that there is a worker to interrupt."""
    from edge_infer.firmware_bridge.image.bundle_file import pack_bundle
    from edge_infer.models_tflite import open_bundle

    device = opened(state, KEYS)
    flash(device, pack_bundle(open_bundle("digits-early-exit").path, key=KEY))
    device.close()
    KEY.save_public(state.parent / "release.pem")


SUITES = (
    Suite("kill -9 during updates", 1000, _kills),
    Suite("Ctrl-C to serve", 100, _interrupts),
)

"""The server on real ports: TCP, a terminal that comes and goes, and real child processes."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from serial import serialposix
from tests.fakes.bridge_device import KEYS, FakeSelfTests, bundle_file, digest
from tests.fakes.cut_storage import CutStorage
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.pty_line import PtyLine

from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.device.port_opener import port_opener
from edge_infer.firmware_bridge.device.server import LineProtocol, Server
from edge_infer.firmware_bridge.device.text_mode import TextMode
from edge_infer.firmware_bridge.errors import DeviceRefusedError, LinkLostError
from edge_infer.firmware_bridge.host.flashing import edge_info, flash
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.image.bundle_file import BundleFolders
from edge_infer.firmware_bridge.port import DescriptorPort
from edge_infer.firmware_bridge.slots.child_self_test import ChildSelfTests
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.wire.command import Empty
from edge_infer.firmware_bridge.wire.edge import RUN, STATISTICS, RunSamples


class Echo:
    """A protocol that says back what it hears."""

    def __init__(self) -> None:
        self.met = self.lost = 0
        self.told = threading.Semaphore(0)

    @property
    def clients(self) -> int:
        return self.met - self.lost

    def line_up(self, now_ns: int) -> bytes:
        self.met += 1
        return b"hello\n"

    def line_lost(self) -> None:
        self.lost += 1
        self.told.release()

    def feed(self, data: bytes, now_ns: int) -> bytes:
        return data

    def poll(self, now_ns: int) -> bytes:
        return b""

    def wait_ns(self, now_ns: int) -> int:
        return 1_000_000_000

    def descriptors(self) -> list[int]:
        return []


@contextlib.contextmanager
def serving(protocol: LineProtocol, name: str) -> Iterator[str]:
    opener = port_opener(name)
    server = Server(protocol, opener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield opener.name
    finally:
        server.stop()
        thread.join()


def read_until(line: DescriptorPort, expected: bytes) -> bytes:
    got, end_ns = b"", line.now_ns() + 5_000_000_000
    while expected not in got:
        assert line.now_ns() < end_ns, got
        got += line.read(end_ns)
    return got


def test_tcp_serves_one_client_after_the_other() -> None:
    echo = Echo()
    with serving(echo, "socket://127.0.0.1:0") as name:
        for _ in range(3):
            client = DescriptorPort(name)
            read_until(client, b"hello\n")
            client.write(b"x" * 100_000 + b"end")
            read_until(client, b"end")
            client.close()
    assert echo.lost == 3


def test_a_port_that_appears_late_and_vanishes_is_served_again(tmp_path: Path) -> None:
    """Like /dev/ttyGS0 and /dev/ttyACM0: a name that comes and goes with the cable."""
    echo, cable = Echo(), tmp_path / "ttyGS0"
    with serving(echo, str(cable)):
        for round_number in range(2):
            with PtyLine() as line:
                cable.symlink_to(line.device)
                client = DescriptorPort(line.host)
                read_until(client, b"hello\n")
                client.write(b"ping %d" % round_number)
                read_until(client, b"ping %d" % round_number)
                client.close()
                cable.unlink()
            # Both ends are closed now: the server sees its port hang up.
            assert echo.told.acquire(timeout=10)


def test_opening_leaves_dtr_and_rts_alone_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[int] = []

    def ioctl(descriptor: int, request: int, argument: object = 0) -> object:
        touched.append(request)
        return b"\x00\x00\x00\x00"

    monkeypatch.setattr("serial.serialposix.fcntl.ioctl", ioctl)
    lines = {serialposix.TIOCMBIS, serialposix.TIOCMBIC}
    with PtyLine() as line:
        DescriptorPort(line.host).close()
        assert not lines & set(touched)
        DescriptorPort(line.host, set_lines=True).close()
        assert lines & set(touched)


def test_a_port_is_opened_alone() -> None:
    with PtyLine() as line:
        first = DescriptorPort(line.host)
        with pytest.raises(LinkLostError, match="another program uses it"):
            DescriptorPort(line.host)
        first.close()
        DescriptorPort(line.host).close()


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("/dev/ttyNOTHERE", "there is no such port"),
        ("socket://127.0.0.1:1", "nothing listens there"),
        ("socket://127.0.0.1:port", "cannot open"),
    ],
)
def test_a_port_that_cannot_be_opened_says_what_to_try(name: str, advice: str) -> None:
    with pytest.raises(LinkLostError, match=advice):
        DescriptorPort(name)


def test_a_hung_up_terminal_is_a_lost_link() -> None:
    with PtyLine() as line:
        client = DescriptorPort(line.host)
    with pytest.raises(LinkLostError, match="went away"):
        while True:
            client.write(b"x")
            client.read(client.now_ns() + 1_000_000)


def test_reopen_waits_for_the_port_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PtyLine() as line:
        cable = tmp_path / "tty"
        cable.symlink_to(line.host)
        client = DescriptorPort(str(cable))
        cable.unlink()
        monkeypatch.setattr(
            "edge_infer.firmware_bridge.port.time.sleep", lambda s: cable.symlink_to(line.host)
        )
        client.reopen(client.now_ns() + 10**9)
        assert client.fileno() >= 0
        cable.unlink()
        monkeypatch.setattr("edge_infer.firmware_bridge.port.time.sleep", lambda s: None)
        with pytest.raises(LinkLostError, match="no such port"):
            client.reopen(client.now_ns())


def test_text_mode_writes_lines_until_told_to_be_quiet(
    tmp_path: Path, tiny_files: list[bytes]
) -> None:
    settings = DeviceSettings(tmp_path, "sim:raspberry-pi-5")
    device = Device(settings, KEYS, InProcessWorker, lambda *_: FakeSelfTests())
    device.slots.storage.create("u")
    device.slots.storage.append("u", tiny_files[0])
    device.slots.accept("u")
    device.slots.test(digest(tiny_files[0]), permanent=True)
    device.reset()
    text = TextMode(device)
    assert b"entry,kind,t_mono_ns" in text.line_up(0)
    lines = b"".join(text.poll(turn) for turn in range(40)).decode().splitlines()
    assert len(lines) > 20 and all(line.count(",") == 10 for line in lines)
    numbers = [int(line.split(",")[0]) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert text.feed(b"q", 0) == b"# quiet\r\n"
    assert text.poll(50) == b""
    text.feed(b" ", 0)
    assert b"".join(text.poll(turn) for turn in range(60, 80))
    device.close()


def _wait(condition: Callable[[], object], link: Link) -> None:
    end_ns = time.monotonic_ns() + 30_000_000_000
    while not condition():
        assert time.monotonic_ns() < end_ns
        link.pause(50_000_000)


def test_the_real_thing_flash_run_kill_run_over_tcp(
    tmp_path: Path, tiny_files: list[bytes]
) -> None:
    """Server, agent, self-test and worker processes as `edge-infer serve` has them."""
    device = Device(DeviceSettings(tmp_path, "sim:raspberry-pi-5"), KEYS)
    with serving(device, "socket://127.0.0.1:0") as name:
        link = Link(DescriptorPort(name), Framing.CONSOLE)
        flash(link, tiny_files[0], confirm=True)
        long = RunSamples(2_000_000, 1)
        link.ask(RUN, long)
        [worker] = [c for c in multiprocessing.active_children() if c.name == "edge-infer worker"]
        os.kill(worker.pid or 0, signal.SIGKILL)
        _wait(lambda: device.runner.statistics.restarts == 1, link)
        with pytest.raises(DeviceRefusedError, match="crashed with signal 9"):
            link.ask(RUN, long)
        _wait(lambda: (info := edge_info(link)) and info.run, link)
        short = RunSamples(100, 2)
        _wait(lambda: link.ask(RUN, short).done, link)
        assert link.ask(STATISTICS, Empty()).inferences == 100
        link.port.close()
    device.close()


def test_a_self_test_in_a_child_notices_what_is_no_bundle(tmp_path: Path) -> None:
    slots = Slots(CutStorage(), KEYS)
    file = bundle_file(1)  # a sound image, of a manifest that is none
    slots.storage.create("u")
    slots.storage.append("u", file)
    slots.accept("u")
    tests = ChildSelfTests(slots, BundleFolders(tmp_path))
    others = multiprocessing.active_children()
    tests.start(digest(file))
    for child in set(multiprocessing.active_children()).difference(others):
        child.join(60)
    verdict = tests.verdict(digest(file))
    assert verdict is not None and "manifest" in verdict
    assert tests.verdict(b"another") is None
    tests.start(b"another")
    assert tests.verdict(b"another") == "its image is not in the other slot"
    tests.close()


def test_serial_exceptions_become_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise serial.SerialException(13, "could not open port: [Errno 13] Permission denied")

    monkeypatch.setattr(serial.Serial, "open", fail)
    with pytest.raises(LinkLostError, match="dialout"):
        DescriptorPort("/dev/ttyUSB0")

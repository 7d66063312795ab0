"""Several clients on one TCP port: served at once, and none keeps the others out."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.bridge_device import KEYS, FakeSelfTests
from tests.fakes.in_process_worker import InProcessWorker
from tests.firmware_bridge.device.test_server import Echo, read_until

from edge_infer.firmware_bridge.device import server as server_module
from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.device.port_opener import TcpOpener, is_remote
from edge_infer.firmware_bridge.device.server import MAX_CLIENTS, Server
from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.host.flashing import edge_info
from edge_infer.firmware_bridge.host.link import ANSWER_NS, RETRIES, Link
from edge_infer.firmware_bridge.port import DescriptorPort

ANY = "socket://127.0.0.1:0"


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_WAIT_NS", 200_000_000)


def until(server: Server, condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        server.step()


def test_four_are_served_at_once(tmp_path: Path) -> None:
    settings = DeviceSettings(tmp_path, "sim:raspberry-pi-5")
    device = Device(settings, KEYS, InProcessWorker, lambda *_: FakeSelfTests())
    opener = TcpOpener(ANY)
    server = Server(device, opener, device.another_line)
    thread = threading.Thread(target=server.run)
    thread.start()
    links = [Link(DescriptorPort(opener.name)) for _ in range(MAX_CLIENTS)]
    for _ in range(3):
        assert all(edge_info(link) is not None for link in links)
    links[0].port.close()  # the first leaves, another comes in its place
    links[0] = Link(DescriptorPort(opener.name))
    assert all(edge_info(link) is not None for link in links)
    assert not any(link.repeated for link in links)
    server.stop()
    thread.join()
    device.close()
    for link in links:
        link.port.close()


@contextmanager
def one_at_a_time(echo: Echo, clients: int) -> Iterator[tuple[Server, list[DescriptorPort]]]:
    opener = TcpOpener(ANY)
    server, ports = Server(echo, opener), []
    try:
        for _ in range(clients):
            ports.append(DescriptorPort(opener.name))
            until(server, lambda: echo.clients == 1)
        yield server, ports
    finally:
        for port in ports:
            port.close()
        server.stopping = True
        server.run()


@pytest.mark.usefixtures("short_wait")
def test_a_quiet_client_makes_place_for_one_that_waits() -> None:
    echo = Echo()
    with one_at_a_time(echo, 1) as (server, [quiet]):
        end_s = time.monotonic() + 0.5
        until(server, lambda: time.monotonic() > end_s)
        assert echo.clients == 1 and not echo.lost  # nobody waits: it may be quiet
        waiting = DescriptorPort(quiet.name)
        until(server, lambda: echo.lost == 1 and echo.clients == 1)
        read_until(waiting, b"hello\n")
        with pytest.raises(LinkLostError):
            read_until(quiet, b"never")
        waiting.close()


@pytest.mark.usefixtures("short_wait")
def test_a_busy_client_cannot_keep_others_out() -> None:
    echo = Echo()
    with one_at_a_time(echo, 2) as (server, [busy, waiting]):

        def dropped() -> bool:
            if not echo.lost:
                busy.write(b"x")
            return echo.lost == 1

        begin_s = time.monotonic()
        until(server, dropped)
        assert time.monotonic() - begin_s < 1
        until(server, lambda: echo.clients == 1)
        read_until(waiting, b"hello\n")


def test_one_that_waits_is_served_before_it_gives_up() -> None:
    assert server_module.MAX_WAIT_NS < (RETRIES + 1) * ANSWER_NS


@pytest.mark.parametrize(
    ("name", "remote"),
    [
        ("socket://0.0.0.0:0", True),
        ("socket://127.0.0.1:0", False),
        ("socket://127.1.2.3:0", False),
        ("socket://localhost:0", False),
        ("socket://:0", False),
        ("/dev/ttyGS0", False),
    ],
)
def test_addresses_that_others_reach_are_refused(name: str, remote: bool) -> None:
    assert is_remote(name) == remote
    if remote:
        with pytest.raises(LinkLostError, match="--allow-remote"):
            TcpOpener(name)
        TcpOpener(name, allow_remote=True).close()
    with pytest.raises(LinkLostError, match="cannot listen"):
        is_remote("socket://no host at all:0")

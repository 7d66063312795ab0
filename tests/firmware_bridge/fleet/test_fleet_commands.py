"""`edge-infer fleet` against devices at the end of TCP ports, as a user types it."""

import fcntl
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from rich.console import Console
from tests.fakes.bridge_device import KEY, KEYS, FakeSelfTests
from tests.fakes.in_process_worker import InProcessWorker

from edge_infer.commands.fleet_table import FleetTable
from edge_infer.commands.root import run_line
from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.device.port_opener import TcpOpener
from edge_infer.firmware_bridge.device.server import Server
from edge_infer.firmware_bridge.errors import LinkLostError
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.side_by_side import Outcome
from edge_infer.firmware_bridge.image.bundle_file import pack_bundle
from edge_infer.firmware_bridge.image.mcuboot_image import ImageVersion
from edge_infer.models_tflite import Bundle

SCHEMAS = Path(__file__).parents[3] / "tools" / "commands" / "schemas"
PI5, PI4 = "sim:raspberry-pi-5", "sim:raspberry-pi-4b"


class FailingTests(FakeSelfTests):
    """Fails every bundle."""

    def verdict(self, digest: bytes) -> str | None:
        return "golden vector 1 answers 2, not 3"


@pytest.fixture(scope="module")
def files(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One bundle as two files of versions 1 and 2, with the same security counter."""
    found = []
    for major in (1, 2):
        path = tmp_path_factory.mktemp("files") / f"{major}.bundle"
        path.write_bytes(pack_bundle(Path(tiny_bundle.path), ImageVersion(major), 0, KEY))
        found.append(path)
    return found


Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Makes devices; gives their ports."""
    held: list[tuple[Server, threading.Thread, Device]] = []

    def one(board: str = PI5, tests: type[FakeSelfTests] = FakeSelfTests) -> str:
        settings = DeviceSettings(tmp_path / f"state{len(held)}", board)
        device = Device(settings, KEYS, InProcessWorker, lambda *_: tests())
        opener = TcpOpener("socket://127.0.0.1:0")
        server = Server(device, opener)
        thread = threading.Thread(target=server.run)
        thread.start()
        held.append((server, thread, device))
        return opener.name

    yield one
    for server, thread, device in held:
        server.stop()
        thread.join()
        device.close()


class Fleet:
    """A fleet file of some ports, and the command over it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self._capsys = folder / "fleet.toml", capsys
        self.error = ""

    def of(self, *ports: str, profile: str = "raspberry-pi-5", more: str = "") -> "Fleet":
        rows = [
            f'[[board]]\nname = "b{n}"\nport = "{port}"\nprofile = "{profile}"\ngroup = "g{n}"\n'
            for n, port in enumerate(ports)
        ]
        self.path.write_text("".join(rows) + more)
        return self

    def __call__(self, command: str, *arguments: object) -> tuple[int, Any]:
        line = ["fleet", command, *map(str, arguments), "--fleet", str(self.path), "--json"]
        code = run_line(line)
        told = self._capsys.readouterr()
        self.error = told.err
        return code, json.loads(told.out) if told.out else None


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fleet:
    return Fleet(tmp_path, capsys)


def check(name: str, document: Any) -> None:
    fastjsonschema.compile(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))(document)


def test_a_fleet_is_flashed_asked_and_taken_back(
    serve: Serve, fleet: Fleet, tmp_path: Path, files: list[Path]
) -> None:
    fleet.of(serve(), serve())
    code, first = fleet("flash", files[0], "--waves", "1,all", "--good", 20)
    check("fleet-flash", first)
    assert code == 0 and [row["state"] for row in first["boards"]] == ["confirmed"] * 2
    assert [wave["boards"] for wave in first["waves"]] == [["b0"], ["b1"]]
    assert first["boards"][0]["flash"]["energy_origin"] == "simulated"
    assert sum(first["boards"][0]["flash"]["exits"].values()) == pytest.approx(1)
    assert "no range of the energy is stated for raspberry-pi-5" in fleet.error
    code, again = fleet("flash", files[0], "--good", 20)
    assert code == 0 and again["resumed"]
    assert [row["flash"]["sent_bytes"] for row in again["boards"]] == [0, 0]
    code, only = fleet("flash", files[1], "--good", 0, "--only", "b1")
    assert code == 0 and [row["name"] for row in only["boards"]] == ["b1"]
    code, status = fleet("status")
    check("fleet-status", status)
    versions = [row["device"]["images"][0]["version"] for row in status["boards"]]
    assert code == 0 and versions == ["1.0.0", "2.0.0"]
    code, back = fleet("rollback", "--group", "g1", "--reason", "too slow")
    assert code == 0 and back["boards"][0]["device"]["device"]["revert"]["reason"] == "too slow"
    code, none = fleet("rollback", "--only", "b0")
    assert code == 1 and "nothing to go back to" in none["boards"][0]["error"]
    assert fleet("confirm", "--only", "b1")[0] == 0


def test_a_bundle_that_fails_stops_and_is_taken_back(
    serve: Serve, fleet: Fleet, tmp_path: Path, files: list[Path]
) -> None:
    fleet.of(serve(), serve(PI5, FailingTests), serve())
    file, second = files
    code, stopped = fleet("flash", file, "--waves", "2,all", "--good", 5)
    check("fleet-flash", stopped)
    assert code == 1 and "b1: self-test: golden vector 1" in stopped["stopped"]
    states = [row["state"] for row in stopped["boards"]]
    assert states == ["confirmed", "failed", "not begun"]
    # Its counter rose when it was confirmed, and a first bundle has nothing before it.
    fleet.of(serve())
    assert fleet("flash", file, "--good", 0)[0] == 0
    expected = "[expected.raspberry-pi-5]\nnet_uj_per_inference = [0, 0.001]\n"
    fleet.of(fleet.path.read_text().split('"')[3], more=expected)
    code, failed = fleet("flash", second, "--good", 5)
    assert code == 5 and "stated are 0 to 0.001" in failed["stopped"]
    assert fleet("status")[1]["boards"][0]["device"]["images"][0]["version"] == "1.0.0"


def test_boards_that_are_gone_or_others_are_told_and_the_rest_goes_on(
    serve: Serve, fleet: Fleet, tmp_path: Path, files: list[Path]
) -> None:
    file = files[0]
    fleet.of("socket://127.0.0.1:1", serve(PI4), serve())
    code, done = fleet("flash", file, "--good", 5, "--retries", 0)
    assert code == 4
    assert [r["state"] for r in done["boards"]] == ["unreachable", "wrong board", "confirmed"]
    assert [r["code"] for r in done["boards"]] == [4, 2, 0] and done["stopped"] is None
    assert "is sim:raspberry-pi-4b, not raspberry-pi-5 as stated" in done["boards"][1]["error"]
    code, status = fleet("status", "--retries", 0)
    assert code == 4 and status["boards"][0]["device"] is None
    assert "nothing listens there" in status["boards"][0]["error"]


def test_stream_writes_a_log_a_board(
    serve: Serve, fleet: Fleet, tmp_path: Path, files: list[Path]
) -> None:
    file, logs = files[0], tmp_path / "logs"
    fleet.of(serve(), serve())
    assert fleet("flash", file, "--good", 50)[0] == 0
    code, done = fleet("stream", "-o", logs, "--duration", "500ms", "--all")
    check("fleet-stream", done)
    assert code == 0 and sorted(path.name for path in logs.iterdir()) == [
        "axis.json", "b0.csv", "b1.csv",
    ]  # fmt: skip
    for row in done["boards"]:
        lines = (logs / f"{row['name']}.csv").read_text().splitlines()
        assert len(lines) == row["log"]["entries"] + 2 and row["log"]["lost"] == 0
    (logs / "axis.json").write_text('{"boot": "another"}')
    assert fleet("stream", "-o", logs, "--duration", "100ms")[0] == 2
    assert "another start of this computer" in fleet.error
    (logs / "axis.json").write_text("{}")
    assert fleet("stream", "-o", logs, "--duration", "100ms")[0] == 2
    fleet.of("socket://127.0.0.1:1")
    code, done = fleet("stream", "-o", tmp_path / "more", "--duration", "300ms")
    assert code == 4 and done["boards"][0]["error"] == "it never answered"


def test_ctrl_c_ends_a_stream_with_its_figures(
    serve: Serve, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.of(serve())
    told = FleetTable.told

    def interrupting(self: FleetTable, *step: Any) -> None:
        if "entries" in step[1]:
            os.kill(os.getpid(), signal.SIGINT)  # the kernel gives it to the main thread
        told(self, *step)

    monkeypatch.setattr(FleetTable, "told", interrupting)
    code, done = fleet("stream", "-o", tmp_path / "logs")
    assert code == 130 and done["boards"][0]["log"]["lost"] == 0


@pytest.mark.parametrize(("arguments", "told"), [
    (["flash", "BUNDLE", "--waves", "3"], "a wave of 3 is larger than the fleet of 1"),
    (["flash", "nowhere.bundle"], "nowhere.bundle"),
    (["flash", "BUNDLE", "--parallel", "0"], "--parallel"),
    (["flash", "BUNDLE", "--group", "roof"], "the fleet has no group roof"),
    (["status", "--only", "b9"], "the fleet has no board b9"),
    (["stream"], "Missing option '-o'"),
    (["stream", "-o", "FILE"], "is a file"),
])  # fmt: skip
def test_mistakes_are_usage_errors_of_one_line(
    fleet: Fleet, files: list[Path], arguments: list[str], told: str
) -> None:
    fleet.of("socket://127.0.0.1:1")
    file = files[0]
    places = {"BUNDLE": str(file), "FILE": str(file)}
    code, done = fleet(*(places.get(word, word) for word in arguments))
    assert code == 2 and done is None and told in fleet.error
    assert "Traceback" not in fleet.error


def test_one_rollout_at_a_time_has_a_fleet(fleet: Fleet, files: list[Path]) -> None:
    fleet.of("socket://127.0.0.1:1")
    file = files[0]
    with fleet.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert fleet("flash", file)[0] == 1 and "another fleet flash" in fleet.error


def test_the_live_table_shows_who_is_at_work_first() -> None:
    boards = [FleetBoard(f"b{n}", f"/dev/{n}", "raspberry-pi-5", "hall") for n in range(9)]
    shown = FleetTable(boards)
    shown.told(boards[7], "upload", 0.5)
    shown.ended(Outcome(boards[0]))
    shown.ended(Outcome(boards[1], error=LinkLostError("unplugged")))
    drawn = StringIO()
    Console(file=drawn, width=80).print(shown.picture(11))
    lines = drawn.getvalue().splitlines()
    assert lines[1].split() == ["b7", "hall", "upload", "#" * 10 + "." * 10, "50%"]
    assert [line.split()[0] for line in lines[2:6]] == ["b0", "b1", "b2", "b3"]
    assert "unplugged" in lines[3] and lines[-1] == "1 at work, 2 done, 6 wait, 9 boards"
    assert all(len(line) <= 80 for line in lines)


def test_the_table_is_drawn_while_boards_are_at_work() -> None:
    drawn = StringIO()
    shown = FleetTable([FleetBoard("b0", "/dev/0", "x")], Console(file=drawn, force_terminal=True))
    with shown.shown():
        pass
    assert "b0" in drawn.getvalue()

"""Sinks of `run` on the command line: what is refused, and what the run goes on without."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.mqtt_broker import FakeBroker

from edge_infer.commands.root import run_line
from edge_infer.runtime.sinks import mqtt

DIGITS, PI_5 = "digits-early-exit", "sim:raspberry-pi-5"
Capture = pytest.CaptureFixture[str]


def outcome(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = run_line(["run", DIGITS, "--frames", "20", *arguments])
    return code, *capsys.readouterr()


def test_answers_go_to_several_places_at_once(tmp_path: Path, capsys: Capture) -> None:
    with FakeBroker() as broker:
        code, out, err = outcome(
            capsys, "--board", PI_5, "-o", str(tmp_path / "a.jsonl"), "--json",
            "--mqtt", f"mqtt://127.0.0.1:{broker.port}/lab/digits",
        )  # fmt: skip
        sent = [json.loads(payload) for payload in broker.messages["lab/digits"]]
    document = json.loads(out)
    assert code == 0 and "warning" not in err
    assert [one["written"] for one in document["sinks"]] == [20, 20]
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sent == rows


def test_a_password_comes_from_a_file(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "secret").write_text("right\n")
    with FakeBroker(password="right") as broker:
        url = f"mqtt://me@127.0.0.1:{broker.port}/t"
        code, out, _ = outcome(
            capsys, "--mqtt", url, "--mqtt-password-file", str(tmp_path / "secret"), "--json"
        )
    assert code == 0 and json.loads(out)["sinks"][0]["name"] == url


def test_a_broker_that_is_not_there_takes_nothing_and_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(mqtt.MqttSink, "patience_s", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code, out, err = outcome(capsys, "--mqtt", f"mqtt://127.0.0.1:{port}/t", "--json")
    document = json.loads(out)
    assert code == 1
    assert document["inferences"] == 20 and document["sinks"][0]["dropped"] == 20
    lines = [line for line in err.splitlines() if "tuned on" not in line]
    assert len(lines) == 1 and "Connection refused" in lines[0]


def test_a_taken_port_is_one_line_and_the_run_goes_on(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = outcome(capsys, "--prometheus", address, "--json")
    document = json.loads(out)
    assert code == 0 and document["inferences"] == 20
    assert document["sinks"][0]["error"] == "Address already in use"
    assert err.count("the run goes on without it") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mqtt", "broker"], "no address of a broker"),
        (["--mqtt", "mqtt://me:secret@broker"], "no topic"),
        (["--mqtt-ca", __file__], "go with --mqtt"),
        (["--mqtt", "mqtts://broker/t", "--mqtt-ca", __file__], "no certificate"),
        (["--mqtt", "mqtt://broker/t", "--mqtt-password-file", "absent"], "does not exist"),
        (["-o", "a.jsonl", "-o", "./a.jsonl"], "named twice"),
        (["-o", "a.json", "--trace", "a.json"], "named twice"),
        (["--prometheus", "9099"], "no address to listen at"),
        (["--prometheus", ":70000"], "no address to listen at"),
    ],
)
def test_what_is_none_is_refused_before_anything_runs(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    code, out, err = outcome(capsys, *arguments)
    assert code == 2 and message in err and out == ""
    assert "secret" not in err and "Traceback" not in err


def test_a_signal_ends_a_run_whose_reader_is_stuck() -> None:
    """Nobody reads standard output, which is full: SIGTERM still ends the run."""
    command = [sys.executable, "-m", "edge_infer", "run", DIGITS, "--frames", "1000000", "-o", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(1) == b"{"  # it runs, and from now on nobody reads
    process.terminate()
    assert process.wait(30) == 143
    assert b"Traceback" not in process.stderr.read()
    process.stdout.close()
    process.stderr.close()

"""`edge-infer serve` as a program: how it ends, who may use it, and what it says."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.bridge_commands import ROOT, invoke
from tests.fakes.bridge_device import KEY

from edge_infer.commands.device import device_group
from edge_infer.commands.serve import serve_command
from edge_infer.firmware_bridge.errors import DeviceRefusedError
from edge_infer.firmware_bridge.image.keys import SigningKey

RUN = "from edge_infer.commands.root import main; main()"
"""As the installed command runs."""
HANGING = (
    "import edge_infer.firmware_bridge.smp.agent as agent\n"
    "def feed(self, data, now_ns):\n"
    "    while True: pass\n"
    "agent.Agent.feed = feed\n"
)
DEAF = "import time, edge_infer.firmware_bridge.device.device as device\n" + (
    "device.Device.close = lambda self: time.sleep(60)\n"
)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "release.pub.pem"
    KEY.save_public(path)
    return path


@contextlib.contextmanager
def serving(
    state: Path, trust: Path, *more: str, before: str = "", port: str = "socket://127.0.0.1:0"
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start it, in a group of its own; give the port that it serves on."""
    options = ["serve", "-p", port, "--board", "sim:raspberry-pi-4b", "--state", str(state)]
    command = [sys.executable, "-c", before + RUN, *options, "--trust", str(trust), *more]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            while "warning" in line or "found damaged" in line:
                line = process.stderr.readline()
            assert line.startswith("serving smp on"), line
            yield process, line.split()[-1]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("before", ["", HANGING, DEAF])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_whatever_it_does(
    tmp_path: Path, trust: Path, before: str, number: signal.Signals
) -> None:
    with serving(tmp_path / "state", trust, before=before) as (process, port):
        if before == HANGING:
            with pytest.raises(Exception, match="no answer"):
                echo(port)
        begin_s = time.monotonic()
        process.send_signal(number)
        code = process.wait(5)
        assert time.monotonic() - begin_s < 1.5  # a second, and what a busy computer adds
        assert code == (0 if not before else 128 + number)
        assert process.stderr is not None and process.stderr.read() == ""


def echo(port: str) -> None:
    from edge_infer.firmware_bridge.host.link import Link
    from edge_infer.firmware_bridge.port import DescriptorPort
    from edge_infer.firmware_bridge.wire.standard import ECHO, Echo

    link = Link(DescriptorPort(port))
    try:
        link.ask(ECHO, Echo("x"), answer_ns=200_000_000, retries=0)
    finally:
        link.port.close()


def test_ctrl_c_to_the_whole_group_is_one_clean_end(
    tmp_path: Path, trust: Path, tiny_files: list[bytes]
) -> None:
    """A terminal sends it to the worker too, which starts, runs or reports just then."""
    from edge_infer.commands.flash import flash_command

    file = tmp_path / "x.bundle"
    file.write_bytes(tiny_files[0])
    with serving(tmp_path / "state", trust) as (process, port):
        invoke(flash_command, file, "-p", port, "--confirm")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(5) == 0
    for wait_s in (0.0, 0.1, 0.3, 0.6):
        with serving(tmp_path / "state", trust) as (process, _):
            time.sleep(wait_s)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(5) == 0
            assert process.stderr is not None and process.stderr.read() == ""


def test_impatient_ctrl_c_is_one_clean_end(tmp_path: Path, trust: Path) -> None:
    with serving(tmp_path / "state", trust) as (process, _):
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.002)
        assert process.returncode == 0
        assert process.stderr is not None and process.stderr.read() == ""


def test_a_second_agent_on_the_same_state_says_who_holds_it(tmp_path: Path, trust: Path) -> None:
    with serving(tmp_path / "state", trust) as (process, _):
        command = [sys.executable, "-c", RUN, "serve", "-p", "socket://127.0.0.1:0"]
        options = ["--state", str(tmp_path / "state"), "--trust", str(trust)]
        second = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT)
        assert second.returncode == 1
        assert f"process {process.pid} (" in second.stderr and "--state" in second.stderr
        assert second.stderr.count("\n") == 1


def test_an_address_that_others_reach_needs_a_switch_and_then_a_key(
    tmp_path: Path, trust: Path
) -> None:
    state = tmp_path / "state"
    arguments = ["-p", "socket://0.0.0.0:0", "--state", str(state), "--trust", str(trust)]
    refused = CliRunner().invoke(serve_command, arguments)
    assert refused.exit_code == 2 and "--allow-remote" in refused.output
    mlperf = [*arguments, "--allow-remote", "--protocol", "mlperf-tiny", "--bundle", "x"]
    assert "ssh" in CliRunner().invoke(serve_command, mlperf).output
    operator = SigningKey.generate()
    operator.save(tmp_path / "alice.pem")
    (tmp_path / "operators").mkdir()
    operator.save_public(tmp_path / "operators" / "alice.pem")
    more = ("--allow-remote", "--operators", str(tmp_path / "operators"))
    with serving(state, trust, *more, port="socket://0.0.0.0:0") as (_, port):
        port = port.replace("0.0.0.0", "127.0.0.1")
        assert invoke(device_group, "status", "-p", port, "--json")["images"] == []
        with pytest.raises(DeviceRefusedError, match="--operator-key"):
            invoke(device_group, "reset", "-p", port)
        invoke(device_group, "reset", "-p", port, "--operator-key", tmp_path / "alice.pem")


def test_a_line_may_require_a_key_too(tmp_path: Path, trust: Path) -> None:
    state, arguments = tmp_path / "state", ["--trust", str(trust), "--require-key"]
    done = CliRunner().invoke(serve_command, ["-p", "/dev/x", "--state", str(state), *arguments])
    assert done.exit_code == 2 and "--operators" in done.output
    SigningKey.generate().save_public(tmp_path / "alice.pem")
    more = ("--require-key", "--operators", str(tmp_path / "alice.pem"))
    with (
        serving(state, trust, *more) as (_, port),
        pytest.raises(DeviceRefusedError, match="--operator-key"),
    ):
        invoke(device_group, "run", "-p", port)


def test_the_help_says_who_may_do_what() -> None:
    said = " ".join(CliRunner().invoke(serve_command, ["--help"]).output.split())
    for part in ("is encrypted", "ssh's port forwarding", "may read", "owner alone", "5 s"):
        assert part in said
    said = " ".join(CliRunner().invoke(device_group, ["reset", "--help"]).output.split())
    assert "--operator-key" in said and "ssh -L" in said


def test_run_proves_a_key_too(tmp_path: Path, trust: Path, tiny_files: list[bytes]) -> None:
    from edge_infer.commands.flash import flash_command
    from edge_infer.firmware_bridge.host.remote_engine import open_remote_engine

    operator, file = SigningKey.generate(), tmp_path / "x.bundle"
    operator.save(key := tmp_path / "alice.pem")
    operator.save_public(tmp_path / "alice.pub.pem")
    file.write_bytes(tiny_files[0])
    more = ("--require-key", "--operators", str(tmp_path / "alice.pub.pem"))
    with serving(tmp_path / "state", trust, *more) as (_, port):
        invoke(flash_command, file, "-p", port, "--operator-key", key)
        with pytest.raises(DeviceRefusedError, match="--operator-key"):
            open_remote_engine(f"serial:{port}")
        open_remote_engine(f"serial:{port}", operator_key=key).close()


def test_a_damaged_memory_is_told(tmp_path: Path, trust: Path, tiny_files: list[bytes]) -> None:
    from edge_infer.commands.flash import flash_command

    state, file = tmp_path / "state", tmp_path / "x.bundle"
    file.write_bytes(tiny_files[0])
    with serving(state, trust) as (_, port):
        invoke(flash_command, file, "-p", port, "--confirm")
    (state / "slots" / "state-1").write_bytes(b"{}")
    with serving(state, trust) as (_, port):
        status = invoke(device_group, "status", "-p", port)
    assert "found damaged" in status and "state-1" in status and "1.0.0" in status

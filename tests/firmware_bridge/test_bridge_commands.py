"""The commands that talk to a device, against a real one at the end of a TCP port."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.bridge_commands import invoke
from tests.fakes.bridge_device import KEY, BridgeDevice
from tests.fakes.plan_tables import steep_table
from tests.fakes.serial_line import SerialLine

from edge_infer.boards.cost_table import CostTableError
from edge_infer.commands.bundle_pack import keygen_command, pack_command, sign_command, verify_file
from edge_infer.commands.device import device_group
from edge_infer.commands.flash import flash_command
from edge_infer.commands.power_stream import power_stream_command
from edge_infer.commands.root import run_line
from edge_infer.commands.serve import serve_command
from edge_infer.firmware_bridge.errors import ImageError, LinkError, LinkLostError, RolledBackError
from edge_infer.firmware_bridge.host.ports import PortInfo, find_port
from edge_infer.firmware_bridge.host.remote_engine import open_remote_engine
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.image.mcuboot_image import parse
from edge_infer.firmware_bridge.image.stored_zip import unpack
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.arrivals import BackToBack
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.frames.sources import ArraySource
from edge_infer.runtime.summary import RunSummary

ROOT = Path(__file__).parents[2]


def test_pack_puts_a_plan_in(tmp_path: Path) -> None:
    wish = ["--plan-board", "sim:raspberry-pi-5", "--plan-deadline", "5ms", "--plan-rate", "100"]
    files = [
        invoke(pack_command, "digits-early-exit", "-o", tmp_path / "x", *more, "--json")["files"]
        for more in ([], wish)
    ]
    assert "predictor.bin" in files[0] and files[1].keys() - files[0].keys() == {"clock_plan.bin"}


@pytest.mark.parametrize("option", ["--plan-loss=1", "--plan-rate=20", "--plan-deadline=5ms"])
def test_a_plan_is_of_a_board(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["bundle", "pack", "digits-early-exit", "-o", str(tmp_path / "x"), option]) == 2
    assert "--plan-board" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_pack_puts_in_a_plan_that_leaves(tmp_path: Path) -> None:
    file = tmp_path / "x.bundle"
    wish = ["--plan-board", "sim:raspberry-pi-5", "--plan-deadline", "800us", "--plan-rate", "1500"]
    line = ["bundle", "pack", "digits-early-exit", "-o", str(file), *wish, "--plan-loss", "2"]
    assert run_line(line) == 0
    plan = unpack(parse(file.read_bytes()).payload)["clock_plan.bin"]
    assert plan[4] == 2 and plan[5] == 3


def test_pack_puts_in_the_plan_of_a_measured_board(tmp_path: Path) -> None:
    manifest = open_bundle("digits-early-exit").manifest
    names = dict(zip("abc", (stage.name for stage in manifest.stages), strict=True))
    table = steep_table((2.0, 6.0, 30.0), (20_000, 40_000, 80_000))
    rows = {(names[stage], point): row for (stage, point), row in table.rows.items()}
    measured = replace(table, board="my-stm32", rows=rows)
    costs, file = tmp_path / "costs.json", tmp_path / "x"
    replace(measured, bundle=f"{manifest.name} {manifest.version}").save(costs)
    wish = ("--plan-board", costs, "--plan-deadline", "60ms", "--plan-rate", "15")
    invoke(pack_command, "digits-early-exit", "-o", file, *wish, "--json")
    plan = unpack(parse(file.read_bytes()).payload)["clock_plan.bin"]
    assert plan.endswith(b"my-stm32") and plan[5] == 3 and plan[7] == 3
    replace(measured, bundle="another 1.0.0").save(costs)
    with pytest.raises(PolicyError, match="table of another"):
        invoke(pack_command, "digits-early-exit", "-o", file, *wish)
    costs.write_text("{}")
    with pytest.raises(CostTableError):
        invoke(pack_command, "digits-early-exit", "-o", file, *wish)


def test_pack_sign_verify_and_keygen(tmp_path: Path, tiny_bundle: Bundle) -> None:
    keys = invoke(keygen_command, tmp_path / "mine", "--json")
    file, signed = tmp_path / "x.bundle", tmp_path / "y.bundle"
    packed = invoke(pack_command, tiny_bundle.path, "-o", file, "--json")
    assert packed["signed_by"] == "unsigned" and "manifest.json" in packed["files"]
    first = file.read_bytes()
    invoke(pack_command, tiny_bundle.path, "-o", file)
    assert file.read_bytes() == first, "packing is deterministic"
    answer = invoke(sign_command, file, "--key", keys["private"], "-o", signed,
                    "--security-counter", 3, "--json")  # fmt: skip
    assert (answer["signed_by"], answer["security_counter"]) == ("mine", 3)
    verify_file(signed, Path(keys["public"]), False, True)
    with pytest.raises(ImageError, match="not signed"):
        verify_file(file, Path(keys["public"]), False, True)
    again = CliRunner().invoke(keygen_command, [str(tmp_path / "mine")])
    assert again.exit_code == 2 and "not overwritten" in again.output


def test_flash_status_run_confirm_rollback(
    port: str, key: Path, tmp_path: Path, tiny_bundle: Bundle, tiny_files: list[bytes]
) -> None:
    report = invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--json")
    assert report["version"] == "1.0.0" and not report["confirmed"]
    status = invoke(device_group, "confirm", "-p", port, "--json")
    assert status["images"][0]["confirmed"] and status["device"]["run"]["exits"]
    run = invoke(device_group, "run", "--frames", 50, "--policy", "powersave", "-p", port, "--json")
    assert run["frames"] == 50 == sum(run["exits"].values())
    assert run["energy_origin"] == "simulated" and run["gross_uj_per_inference"] > 0
    file = tmp_path / "second.bundle"
    file.write_bytes(tiny_files[1])
    assert "on trial" in invoke(flash_command, file, "-p", port)
    text = invoke(device_group, "rollback", "--reason", "too slow", "-p", port)
    assert "last revert 2.0.0: too slow" in text and "1.0.0" in text
    assert "running tiny-early-exit" in invoke(device_group, "reset", "-p", port)


def test_console_framing_works_as_well(port: str, key: Path, tiny_bundle: Bundle) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--framing", "console",
           "--confirm")  # fmt: skip
    assert "confirmed" in invoke(device_group, "status", "-p", port)


def test_the_event_loop_runs_a_board_at_the_end_of_a_line(
    port: str, key: Path, tiny_bundle: Bundle
) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--confirm")
    samples = tiny_bundle.samples()
    assert samples is not None
    with open_remote_engine(f"serial:{port}", policy="powersave") as engine:
        local: LocalEngine = engine
        engine.check_bundle(tiny_bundle.manifest.name, tiny_bundle.manifest.version)
        summary = RunSummary(engine.exit_names)
        source = ArraySource(*samples, FrameSpec.of(tiny_bundle))
        loop = EventLoop(local, engine.timebase, source, BackToBack(), summary.add,
                         deadline_ns=10**12, max_frames=20)  # fmt: skip
        loop.run()
        energy = engine.energy()
    assert summary.inferences == 20 and summary.misses == 0
    assert energy is not None and energy.origin == "simulated" and energy.gross_nj > 0
    with pytest.raises(LinkLostError, match="there is no such port"):
        open_remote_engine("serial:/dev/ttyNOTHERE")


def test_mistakes_name_what_to_do(port: str, tmp_path: Path, tiny_bundle: Bundle) -> None:
    with pytest.raises(LinkLostError, match="there is no such port"):
        invoke(device_group, "status", "-p", "/dev/ttyNOTHERE")
    bad = CliRunner().invoke(power_stream_command, ["-p", port, "-o", str(tmp_path / "x.txt")])
    assert bad.exit_code == 2 and ".csv or .jsonl" in bad.output
    (tmp_path / "no.bundle").write_bytes(b"junk" * 20)
    with pytest.raises(ImageError, match="not a bundle file"):
        invoke(flash_command, tmp_path / "no.bundle", "-p", port)


def test_rollback_that_changed_nothing_is_an_error(
    port: str, key: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--confirm")
    monkeypatch.setattr("edge_infer.commands.device.reset", lambda link: None)
    monkeypatch.setattr("edge_infer.firmware_bridge.slots.slots.Slots.roll_back", lambda *_: None)
    with pytest.raises(RolledBackError, match="the same bundle"):
        invoke(device_group, "rollback", "-p", port)


def test_the_one_port_that_answers_is_found() -> None:
    candidates = [PortInfo(name, "", "") for name in ("/dev/silent", "/dev/there", "/dev/gone")]

    def open_port(name: str, baud: int) -> SerialLine:
        if name == "/dev/gone":
            raise LinkLostError("gone")
        device = BridgeDevice()
        return SerialLine(device.agent.feed if name != "/dev/silent" else lambda data, now: b"")

    assert find_port(115_200, candidates, open_port) == "/dev/there"
    with pytest.raises(LinkLostError, match="no device answers"):
        find_port(115_200, candidates[:1], open_port)
    with pytest.raises(LinkLostError, match="choose one with --port"):
        find_port(115_200, [candidates[1]] * 2, open_port)


def test_serve_as_a_program_until_interrupted(tmp_path: Path, tiny_files: list[bytes]) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    KEY.save_public(trust / "release.pub.pem")
    assert len(TrustedKeys.load(trust)) == 1
    command = [
        sys.executable,
        "-c",
        "from edge_infer.commands.serve import serve_command; serve_command()",
    ]
    options = ["-p", "socket://127.0.0.1:0", "--board", "sim:raspberry-pi-4b",
               "--state", str(tmp_path / "state"), "--trust", str(trust)]  # fmt: skip
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, cwd=ROOT) as p:
        assert p.stderr is not None
        line = p.stderr.readline()
        assert line.startswith("serving smp on socket://127.0.0.1:")
        port = line.split()[-1]
        file = tmp_path / "x.bundle"
        file.write_bytes(tiny_files[0])
        invoke(flash_command, file, "-p", port, "--confirm")
        assert invoke(device_group, "run", "--frames", 20, "-p", port, "--json")["frames"] == 20
        p.send_signal(signal.SIGINT)
        assert p.wait(20) == 0
        assert p.stderr.read() == ""


def test_files_that_cannot_be_written_are_one_line(
    tmp_path: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "missing" / "x"
    for command, arguments in [
        ("pack", [str(tiny_bundle.path), "-o", str(nowhere)]),
        ("keygen", [str(nowhere)]),
    ]:
        assert run_line(["bundle", command, *arguments]) == 1
        told = capsys.readouterr().err
        assert "No such file" in told and told.count("\n") == 1
    (tmp_path / "file").write_bytes(b"")
    state = str(tmp_path / "file" / "state")
    done = CliRunner().invoke(serve_command, ["-p", "/dev/x", "--state", state, "--allow-unsigned"])
    assert isinstance(done.exception, LinkError) and "--state" in str(done.exception)
    arguments = ["-p", "socket://127.0.0.1:99999", "--state", str(tmp_path / "s")]
    done = CliRunner().invoke(serve_command, [*arguments, "--allow-unsigned"])
    assert isinstance(done.exception, LinkLostError)


def test_serve_wants_keys_or_an_explicit_switch(tmp_path: Path) -> None:
    done = CliRunner().invoke(serve_command, ["-p", "/dev/x", "--state", str(tmp_path)])
    assert done.exit_code == 2 and "--allow-unsigned" in done.output
    done = CliRunner().invoke(serve_command, ["-p", "/dev/x", "--protocol", "mlperf-tiny"])
    assert done.exit_code == 2 and "--bundle" in done.output

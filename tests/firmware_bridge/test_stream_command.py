"""`edge-infer power stream` and the file it writes."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.bridge_commands import invoke

from edge_infer.commands.device import device_group
from edge_infer.commands.flash import flash_command
from edge_infer.commands.power_stream import power_stream_command
from edge_infer.firmware_bridge.host.flashing import edge_info
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import LogPart, LogReader
from edge_infer.firmware_bridge.wire.edge import DeviceInfo
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.errors import RunError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_power_stream_writes_whole_lines(
    port: str, key: Path, tmp_path: Path, tiny_bundle: Bundle, suffix: str
) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--confirm")
    invoke(device_group, "run", "--frames", 50, "-p", port)  # fills the log
    out = tmp_path / f"power.{suffix}"
    summary = invoke(power_stream_command, "-p", port, "-o", out, "--duration", "400ms",
                     "--all", "--json")  # fmt: skip
    lines = out.read_text().splitlines()
    assert summary["lost"] == 0 and summary["clock_bound_ns"] is not None
    if suffix == "csv":
        assert lines[0].startswith("entry,kind,t_mono_ns,t_host_ns")
        assert lines[1].startswith("0,boot,")
        numbers = [int(line.split(",")[0]) for line in lines[2:]]
    else:
        assert json.loads(lines[0])["kind"] == "boot"
        numbers = [json.loads(line)["entry"] for line in lines[1:]]
    assert numbers == list(range(summary["entries"])) and len(numbers) > 10


def test_times_of_a_board_that_is_not_known_yet_are_nobodys(
    port: str, key: Path, tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--confirm")
    invoke(device_group, "run", "--frames", 50, "-p", port)
    known = []

    def late(link: Link) -> DeviceInfo | None:
        info = edge_info(link)
        known.append(info)
        return replace(info, run=None) if info and len(known) == 1 else info

    monkeypatch.setattr("edge_infer.firmware_bridge.host.log_writer.edge_info", late)
    out = tmp_path / "power.csv"
    invoke(power_stream_command, "-p", port, "-o", out, "--duration", "900ms", "--all")
    rows = out.read_text().splitlines()[1:]
    assert len(known) == 2 and len(rows) > 10
    assert {row.split(",")[3] for row in rows} == {""}


def test_a_stream_goes_on_with_its_file_and_with_no_others(
    port: str, key: Path, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--confirm")
    out = tmp_path / "power.csv"
    line = (power_stream_command, "-p", port, "-o", out, "--duration", "300ms", "--json")
    counts: list[int] = []
    for _ in range(2):
        invoke(device_group, "run", "--frames", 50, "-p", port)
        counts.append(invoke(*line, *["--all"] * (not counts))["entries"])
    rows = out.read_text().splitlines()
    assert len([row for row in rows if ",boot," in row]) == 1
    assert [int(row.split(",")[0]) for row in rows[2:]] == list(range(sum(counts)))
    assert min(counts) > 10
    out.write_text(out.read_text() + "99,pow")  # killed in the middle of a row
    done = CliRunner().invoke(power_stream_command, [str(part) for part in line[1:]])
    assert done.exit_code == 0 and "the last 6 bytes were no whole line" in done.stderr
    other = tmp_path / "letter.csv"
    other.write_text("Dear reader\n")
    refused = CliRunner().invoke(power_stream_command, ["-p", port, "-o", str(other)])
    assert isinstance(refused.exception, RunError) and "no log of power stream" in str(
        refused.exception
    )
    assert other.read_text() == "Dear reader\n"


def test_ctrl_c_ends_the_stream_with_whole_lines(
    port: str, key: Path, tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(flash_command, tiny_bundle.path, "--key", key, "-p", port, "--confirm")
    invoke(device_group, "run", "--frames", 50, "-p", port)
    read = LogReader.read

    def interrupted(reader: LogReader) -> LogPart:
        signal.raise_signal(signal.SIGINT)
        return read(reader)

    monkeypatch.setattr(LogReader, "read", interrupted)
    out = tmp_path / "power.csv"
    done = CliRunner().invoke(power_stream_command, ["-p", port, "-o", str(out), "--all"])
    assert done.exit_code == 130 and "0 lost" in done.stderr
    lines = out.read_text().splitlines()
    assert len(lines) > 10 and {line.count(",") for line in lines} == {10}
    assert {line.split(",")[3] for line in lines[1:]} == {""}, "virtual time is nobody's else"

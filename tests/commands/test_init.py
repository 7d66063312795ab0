"""`init` writes settings that are read back, and `completion` what a shell takes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from edge_infer.boards.i2c_scan import Answer
from edge_infer.boards.meter_config import read_meter_file
from edge_infer.boards.registry import DEVICE_TREE
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.commands import init
from edge_infer.commands.root import run_line

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "init.schema.json"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own: no settings, no meter, a sysfs tree without a board."""
    for name in ("work", "config", "sys"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(init, "RealSysfs", lambda: RealSysfs(tmp_path / "sys"))
    monkeypatch.setattr(init, "bus_numbers", lambda dev: ())
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def be_a_pi(here: Path) -> None:
    write(here / "sys", {DEVICE_TREE: "raspberrypi,5-model-b\0brcm,bcm2712\0"})


def found(capsys: Capture, *arguments: str) -> dict[str, Any]:
    assert run_line(["init", "--json", *arguments]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    return document


def test_a_board_that_is_known_is_the_default_of_what_runs_on_it(
    here: Path, capsys: Capture
) -> None:
    be_a_pi(here)
    document = found(capsys)
    assert document["board"] == "raspberry-pi-5"
    assert document["settings"]["run"] == {"board": "auto"}  # its clock is left alone
    for command in ("tune", "compare", "cost"):
        assert document["settings"][command] == {"board": "sim:raspberry-pi-5"}
    text = Path("edge-infer.toml").read_text()
    assert '[run]\nboard = "auto"  # raspberry-pi-5, ' in text
    assert '# board = "raspberry-pi-5"  # policies set its clock' in text
    # What was written is what every command reads.
    assert run_line(["config", "show", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    told = {(row["command"], row["option"]): row["value"] for row in values}
    for command, table in document["settings"].items():
        assert told[command, "--board"] == table["board"]


def test_on_another_computer_what_is_missing_is_said(here: Path, capsys: Capture) -> None:
    assert run_line(["init"]) == 0
    out = capsys.readouterr().out
    assert "compare" not in Path("edge-infer.toml").read_text()
    assert "no board that is known" in out and "no power meter" in out
    assert run_line(["run", "digits-early-exit", "--frames", "2"]) == 0


def test_a_meter_of_a_kernel_driver_becomes_the_meter(here: Path, capsys: Capture) -> None:
    be_a_pi(here)
    folder = "class/hwmon/hwmon3"
    names = ("in1_input", "curr1_input", "power1_input", "shunt_resistor", "update_interval")
    write(here / "sys", {f"{folder}/{name}": "1000" for name in names})
    write(here / "sys", {f"{folder}/name": "ina219"})
    document = found(capsys)
    assert document["meter"] == "kernel:hwmon3"
    config = read_meter_file(Path(document["meter_file"]))
    assert (config.kind, config.device) == ("kernel", "hwmon3")
    # A file that states a meter is left as it is.
    again = found(capsys, "--replace")
    assert again["meter"] is None and again["meter_file"] == document["meter_file"]


def test_a_chip_on_a_bus_is_named_and_not_taken_for_what_it_seems(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(init, "bus_numbers", lambda dev: (1,))
    monkeypatch.setattr(init, "scan", lambda number: [Answer(1, 0x40, "ina219 or alike")])
    document = found(capsys)
    assert document["meter"] is None and document["meter_file"] is None
    assert any("power calibrate --meter ina219:1:0x40" in note for note in document["notes"])


def test_a_file_that_is_there_is_kept_unless_it_shall_go(here: Path, capsys: Capture) -> None:
    Path("edge-infer.toml").write_text("# mine\n")
    assert run_line(["init"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path("edge-infer.toml").read_text() == "# mine\n"
    assert run_line(["init", "--replace"]) == 0
    assert "[run]" in Path("edge-infer.toml").read_text()


def test_the_users_file_and_a_named_one(here: Path, capsys: Capture) -> None:
    assert found(capsys, "--user")["file"] == str(
        here / "config" / "edge-infer" / "edge-infer.toml"
    )
    assert found(capsys, "-o", "other/x.toml")["file"] == "other/x.toml"
    assert run_line(["init", "--user", "-o", "y.toml"]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_is_printed_and_installed(
    shell: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(here / "data"))
    assert run_line(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert f"_EDGE_INFER_COMPLETE={shell}_complete" in printed
    assert run_line(["completion", shell, "--install"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.read_text().strip() == printed.strip()
    assert path.is_relative_to(here / "data") or path.is_relative_to(here / "config")


def test_bash_completes_with_it(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    program = tmp_path / "edge-infer"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edge_infer "$@"\n')
    program.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"\n'
        'eval "$(edge-infer completion bash)"\n'
        "COMP_WORDS=(edge-infer run digits-early-exit --prom)\nCOMP_CWORD=3\n"
        '_edge_infer_completion edge-infer --prom run\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--prometheus"] and done.stderr == ""


def test_another_shell_is_refused(capsys: Capture) -> None:
    assert run_line(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err

"""`install-service run` and `service`, in a folder for / and with commands that only note."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edge_infer.commands import install_steps
from edge_infer.commands.install_run import run_service_command
from edge_infer.commands.root import run_line
from edge_infer.commands.run import run_command

BUNDLE = "digits-early-exit"
BUNDLES = Path(__file__).parents[2] / "models_tflite" / "bundles"
UNIT = f"etc/systemd/system/edge-infer-{BUNDLE}.service"
SETTINGS = f"etc/edge-infer/{BUNDLE}/edge-infer.toml"
INSTALL = ["install-service", "run", BUNDLE, "--source", "camera"]
PROGRAMS = (
    "systemctl",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "udevadm",
    "chgrp",
    "userdel",
    "journalctl",
    "rpicam-vid",
)


class Computer:
    """A root folder whose programs note how they were called.

    Args:
        folder: holds the root folder and the programs.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.programs, self.notes = folder / "root", folder / "bin", folder / "notes"
        self.root.mkdir()
        self.programs.mkdir()
        self.notes.touch()
        for name in PROGRAMS:
            self.program(name)
        self.program("systemctl", "[ $1 = is-system-running ] && echo running")

    def program(self, name: str, script: str = "") -> None:
        path = self.programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.notes}\n{script}\nexit 0\n')
        path.chmod(0o755)

    def install(self, *more: str) -> int:
        return run_line([*INSTALL, "--root", str(self.root), *more])

    def called(self) -> list[str]:
        return self.notes.read_text().splitlines()

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = Computer(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(install_steps, "SYSTEM", made.root)
    monkeypatch.setattr(sys, "executable", "/bin/sh")
    return made


def test_it_is_written_enabled_and_started(computer: Computer, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("p")
    secret.chmod(0o600)
    given = ["--mqtt", "mqtt://me@broker/home/cam", "--mqtt-password-file", str(secret)]
    assert computer.install(*given, "-o", "rows.jsonl", "--top", "3", "--strict") == 0
    settings = tomllib.loads((computer.root / SETTINGS).read_text())["run"]
    assert settings == {
        "source": "camera",
        "mqtt": "mqtt://me@broker/home/cam",
        "mqtt-password-file": f"/run/credentials/{Path(UNIT).name}/mqtt-password-file",
        "output": [f"/var/lib/edge-infer-{BUNDLE}/rows.jsonl"],
        "top": "3",
        "strict": True,
    }
    assert (computer.root / SETTINGS).stat().st_mode & 0o777 == 0o640
    unit = (computer.root / UNIT).read_text().splitlines()
    assert f"ExecStart=/bin/sh -m edge_infer run {BUNDLE}" in unit
    assert f"WorkingDirectory=/etc/edge-infer/{BUNDLE}" in unit
    assert f"LoadCredential=mqtt-password-file:{secret}" in unit
    assert {"User=edge-infer", "Restart=on-failure", "CapabilityBoundingSet="} <= set(unit)
    assert "IPAddressDeny=any" not in unit
    assert not re.search("@[A-Z]+@", "\n".join(unit))
    assert computer.called()[-2:] == [
        f"systemctl enable {Path(UNIT).name}",
        f"systemctl restart {Path(UNIT).name}",
    ]


def test_run_takes_the_settings_that_are_written(
    computer: Computer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert computer.install("--board", "sim:raspberry-pi-5", "--deadline", "20ms", "--ideal") == 0
    monkeypatch.chdir((computer.root / SETTINGS).parent)
    capsys.readouterr()
    assert run_line(["config", "show", "run", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["values"]
    values = {row["option"]: row["value"] for row in rows if row["from"] == "file"}
    assert values == {
        "--source": "camera",
        "--board": "sim:raspberry-pi-5",
        "--deadline": "20ms",
        "--ideal": True,
    }


def test_every_option_of_run_is_one_but_those_for_somebody_who_looks_on() -> None:
    ours = {param.name for param in run_service_command.params}
    assert {param.name for param in run_command.params} - ours == {"live"}


@pytest.mark.parametrize("failing", ["enable", "restart", "daemon-reload"])
def test_what_fails_in_the_middle_is_taken_back(
    computer: Computer, failing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    computer.program(
        "systemctl",
        f"[ $1 = is-system-running ] && echo running\n[ $1 = {failing} ] && echo no >&2 && exit 1",
    )
    assert computer.install() == 1
    assert computer.files() == set()
    error = capsys.readouterr().err
    assert error.startswith(f"error: systemctl {failing}") and error.count("\n") == 1
    assert computer.called()[-1] == "systemctl daemon-reload"


def test_a_failed_replacement_brings_back_what_was_there(computer: Computer) -> None:
    assert computer.install() == 0
    before = (computer.root / SETTINGS).read_text()
    computer.program("chgrp", "exit 1")
    assert computer.install("--top", "2", "--replace") == 1
    assert (computer.root / SETTINGS).read_text() == before
    assert (computer.root / UNIT).exists()


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--sources", "x"], 2, "No such option"),
        (["--live"], 2, "No such option"),
        (["--top", "0"], 2, "--top"),
        (["--mqtt", "broker"], 2, "no address of a broker"),
        (["--prometheus", "x"], 2, "x"),
        (["--target", "20ms"], 2, "--target"),
        (["-o", "/tmp/rows.jsonl"], 2, "may write to /var/lib/edge-infer-digits-early-exit alone"),
        (["-o", "../rows.jsonl"], 2, "without folder"),
        (["-o", "rows.txt"], 2, ".jsonl or .csv"),
        (["--trace", ".."], 2, "without folder"),
        (["-o", "-", "--answers"], 2, "standard output both"),
        (["--policy", "planned", "--cost-table", "none.json"], 2, "nothing is there"),
        (["--board", "nonsense"], 2, "no board nonsense"),
        (["--ideal"], 2, "no simulated board"),
        (["--ratio", "7"], 2, "has no ratio 7"),
        (["--labels", "/etc/passwd"], 2, "--labels"),
        (["--hours", "3"], 2, "--battery"),
        (["--name", "../x"], 2, "no name of a service"),
        (["--name", "serve"], 2, "no name of a service"),
        (["--name", ""], 2, "no name of a service"),
        (["-"], 2, "two inputs"),
    ],
)
def test_what_run_would_refuse_is_refused_before_anything_is_written(
    computer: Computer,
    more: list[str],
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert computer.install(*more) == code
    assert told in capsys.readouterr().err
    assert computer.files() == set() and computer.called() == []


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-bundle", "camera"],
        [BUNDLE],
        [BUNDLE, "-"],
        [BUNDLE, "no-such.mp4"],
        [BUNDLE, "camera:x"],
    ],
)
def test_a_bundle_or_source_that_is_none_is_refused(computer: Computer, words: list[str]) -> None:
    assert run_line(["install-service", "run", *words, "--root", str(computer.root)]) == 2
    assert computer.files() == set()


def test_options_of_the_group_are_not_passed_over(computer: Computer) -> None:
    assert run_line(["install-service", "--dry-run", *INSTALL[1:]]) == 2
    assert computer.files() == set()


def test_there_is_one_unit_a_purpose(
    computer: Computer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert computer.install() == 0
    assert computer.install() == 2
    assert "--replace" in capsys.readouterr().err
    assert computer.install("--name", "door") == 0
    assert len(list(computer.root.glob("etc/systemd/system/*"))) == 2


def test_no_systemd_is_one_line(computer: Computer, capsys: pytest.CaptureFixture[str]) -> None:
    computer.program("systemctl", "echo offline; exit 1")
    assert computer.install() == 1
    error = capsys.readouterr().err
    assert "does not run systemd" in error and error.count("\n") == 1
    assert computer.files() == set()


def test_no_root_is_one_line(
    computer: Computer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert computer.install() == 1
    error = capsys.readouterr().err
    assert "sudo" in error and error.count("\n") == 1
    assert computer.files() == set()


def test_a_bundle_that_the_user_cannot_read_is_refused(
    computer: Computer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "net"
    shutil.copytree(BUNDLES / BUNDLE, copy)
    tmp_path.chmod(0o700)
    words = ["install-service", "run", str(copy), "camera", "--root", str(computer.root)]
    assert run_line(words) == 1
    assert "closed to others" in capsys.readouterr().err
    assert computer.files() == set()


def test_a_bundle_path_stands_quoted_in_the_unit(computer: Computer, tmp_path: Path) -> None:
    copy = tmp_path / 'my "net" 50% $HOME'
    shutil.copytree(BUNDLES / BUNDLE, copy)
    image = tmp_path / "image"
    assert run_line(["install-service", "run", str(copy), "camera", "--root", str(image)]) == 0
    unit = (image / UNIT).read_text()
    assert f'run "{tmp_path}/my \\x22net\\x22 50%% $$HOME"\n' in unit
    assert computer.called() == []


def test_status_and_logs_ask_systemd(computer: Computer, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_line(["service", "status"]) == 1
    assert "no service is installed" in capfd.readouterr().err
    assert computer.install() == 0
    assert run_line(["service", "status"]) == 0
    assert run_line(["service", "status", "other"]) == 2
    assert run_line(["service", "logs", BUNDLE, "--lines", "5"]) == 0
    asked = [line for line in computer.called() if Path(UNIT).name in line]
    assert asked[-2].startswith("systemctl status") and asked[-1].startswith("journalctl")
    computer.program("systemctl", "[ $1 = is-system-running ] && echo running || exit 3")
    assert run_line(["service", "status", BUNDLE]) == 1


def test_remove_leaves_nothing_of_the_service_and_the_others_alone(
    computer: Computer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert computer.install() == computer.install("--name", "door") == 0
    (computer.root / "var/lib/edge-infer-door").mkdir(parents=True)
    assert run_line(["service", "remove"]) == 2
    assert run_line(["service", "remove", "door", "--dry-run"]) == 0
    assert any("door" in path for path in computer.files())
    assert run_line(["service", "remove", "door"]) == 0
    assert not any("door" in path for path in computer.files())
    assert "systemctl disable --now edge-infer-door.service" in computer.called()
    assert (computer.root / UNIT).exists() and (computer.root / SETTINGS).exists()
    capsys.readouterr()


def test_uninstall_removes_all_of_them(computer: Computer, tmp_path: Path) -> None:
    image = tmp_path / "image"
    for words in ([*INSTALL[1:]], [*INSTALL[1:], "--name", "door"], ["serve"]):
        assert run_line(["install-service", *words, "--root", str(image)]) == 0
    assert run_line(["install-service", "--uninstall", "--root", str(image)]) == 0
    assert [path for path in image.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze not found")
def test_systemd_accepts_the_unit_and_it_leaves_little_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for more in ([], ["--mqtt", "mqtt://broker/cam"]):
        root = tmp_path / str(len(more))
        assert run_line([*INSTALL, *more, "--root", str(root)]) == 0
        for words in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=25"]):
            done = subprocess.run(
                ["systemd-analyze", *words, str(root / UNIT)],
                capture_output=True,
                text=True,
                check=False,
            )
            if "unrecognized option" not in done.stderr:
                assert done.returncode == 0, done.stderr + done.stdout[-300:]

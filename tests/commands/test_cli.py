import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_infer.commands.root import COMMANDS, run_line


def test_help_names_every_command_without_importing_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  {name} " in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fly"], 2, "No such command 'fly'"),
        (["run"], 2, "Missing argument 'BUNDLE'"),
        (["run", "no-such-bundle"], 2, "no bundle at no-such-bundle"),
        (["run", "digits-early-exit", "--board", "sim:pi-9"], 2, "sim:raspberry-pi-5"),
        (["run", "digits-early-exit", "no-such-file.npy"], 2, "there is no input no-such-file.npy"),
        (["run", "digits-early-exit", "--deadline", "20"], 2, "write it with its unit"),
        (
            ["run", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--policy", "turbo"],
            2,
            "unknown policy 'turbo'",
        ),
        (
            ["run", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--policy", "fixed:999"],
            2,
            "1500, 1600",
        ),
        (["run", "digits-early-exit", "--rate", "0"], 2, "0.0 is not in the range"),
        (["run", "digits-early-exit", "--ratio", "0.3"], 2, "there are: 1.0"),
        (["run", "digits-early-exit", "-o", "records.txt"], 2, ".jsonl or .csv"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(arguments) == code
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith(("error: ", "Error: "))
    assert out == ""


def test_defaults_come_from_the_project_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    settings = '[run]\nboard = "sim:raspberry-pi-4b"\nframes = 20\npolicy = "powersave"\n'
    (tmp_path / "edge-infer.toml").write_text(settings)
    user = tmp_path / "home" / "edge-infer" / "edge-infer.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[run]\npolicy = "performance"\ndeadline = "3ms"\n')

    def run(*more: str) -> dict[str, object]:
        assert run_line(["run", "digits-early-exit", "--json", *more]) == 0
        document: dict[str, object] = json.loads(capsys.readouterr().out)
        return document

    document = run()
    assert document["board"] == "sim:raspberry-pi-4b"  # project file
    assert document["policy"] == "powersave"  # project file over user file
    assert document["deadline"]["us"] == 3000  # type: ignore[index]  # user file
    monkeypatch.setenv("EDGE_INFER_POLICY", "fixed:1000")
    assert run()["policy"] == "fixed:1000"  # environment over files
    assert run("--policy", "performance")["policy"] == "performance"  # flag over all


def test_a_broken_settings_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge-infer.toml").write_text("[run\n")
    assert run_line(["boards", "list"]) == 2
    assert "edge-infer.toml: cannot be read" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{sys.executable} -m edge_infer boards show raspberry-pi-5 | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_completing_a_command_imports_none() -> None:
    code = (
        "import os, sys\n"
        "os.environ.update(_EDGE_INFER_COMPLETE='bash_complete', COMP_WORDS='edge-infer repr',"
        " COMP_CWORD='1')\n"
        "from edge_infer.commands.root import root\n"
        "try: root.main([], prog_name='edge-infer')\n"
        "except SystemExit: pass\n"
        "print(*(name for name in sys.modules if name.startswith('edge_infer.commands.r')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, modules = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
    assert said == "plain,reproduce"
    assert "edge_infer.commands.reproduce" not in modules.split()


def test_a_settings_file_that_nests_too_deep_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edge-infer.toml").write_text("[run]\nx = " + "[" * 5_000 + "]" * 5_000)
    monkeypatch.chdir(tmp_path)
    assert run_line(["boards", "list"]) == 2
    assert "edge-infer.toml: cannot be read" in capsys.readouterr().err

"""`edge-infer boards survey` as it is typed."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from tests.lab.survey.hidden_boards import hidden_profile

from edge_infer.boards.profile import read_profile
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.commands.root import run_line
from edge_infer.lab.survey import opening, safety
from edge_infer.lab.survey.plan import STEP_NAMES
from edge_infer.lab.survey.safety import alone
from edge_infer.lab.survey.survey_state import STATE_FILE, read_state

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "boards-survey.schema.json"
SIMULATED = ("--board", "sim:raspberry-pi-zero-2-w")
LONG = ("rates", "busy", "thermal", "costs", "overhead")


def survey(out: Path, *arguments: str, skip: tuple[str, ...] = LONG) -> int:
    left_out = [word for name in skip for word in ("--skip", name)]
    return run_line(["boards", "survey", "-o", str(out), *arguments, *left_out])


def survey_json(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str) -> Any:
    assert survey(out, *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    return document


def outcomes(document: Any) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in document["steps"]}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a survey of a simulated board, but for its long steps."""
    out = tmp_path_factory.mktemp("survey") / "out"
    assert survey(out, *SIMULATED, "--load", "10ohm", "--json") == 0
    return out


def test_it_writes_profile_report_row_and_raw_data(done: Path) -> None:
    names = {path.name for path in done.iterdir()}
    assert {STATE_FILE, "profile.toml", "report.html", "report.txt", "raw",
            "supported_boards_row.md"} <= names  # fmt: skip
    assert any((done / "raw").glob("idle*.power.csv"))
    assert "raw/" in (done / "report.txt").read_text()
    assert (done / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert (done / "supported_boards_row.md").read_text().startswith("| Raspberry Pi Zero 2 W |")
    assert run_line(["power", "report", str(next((done / "raw").glob("idle*.power.csv")))]) == 0


def test_the_profile_is_one_and_says_where_each_figure_is_from(done: Path) -> None:
    profile = read_profile(done / "profile.toml")
    idle = profile.figures["power.idle_uw"]
    assert idle.basis == "simulated" and idle.low is not None and idle.date and idle.method
    assert profile.figures["kernels.int8.cycles_per_kinstruction"].basis != "simulated"
    assert run_line(["boards", "check", "--profile", str(done / "profile.toml")]) == 0


def test_steps_are_told_with_their_outcome(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = survey_json(capsys, done, *SIMULATED, "--resume", "--load", "10ohm")
    told = outcomes(document)
    assert set(told) == set(STEP_NAMES)
    assert told["clocks"] == told["idle"] == told["meter"] == "passed"
    assert told["rates"] == told["serial"] == "skipped"
    assert document["simulated"] is True and document["lying_clocks_khz"] == {}


def test_a_survey_is_not_written_over(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert survey(done, *SIMULATED) == 2
    assert "--resume" in capsys.readouterr().err


def test_figures_of_two_computers_are_not_mixed(
    done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert survey(done, "--board", "sim:raspberry-pi-5", "--resume") == 2
    assert "another computer" in capsys.readouterr().err


def test_nothing_to_go_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert survey(tmp_path, *SIMULATED, "--resume") == 2
    assert "leave --resume out" in capsys.readouterr().err


def test_a_damaged_state_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / STATE_FILE).write_text('{"format": "edge-infer survey", "format_ver')
    assert survey(tmp_path, *SIMULATED, "--resume") == 3
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "unit"),
    [
        ("idle", {"bare 600000": {"power_uw": "much"}}),
        ("idle", {"bare": {"power_uw": 1.0}}),
        ("clocks", {"600000": {"times_ns": {}}, "700000": {"times_ns": {"a": 0}}}),
        ("rates", {"int8 x 1": {"khz": 1, "threads": 1, "dtype": "int8", "times_ns": {"a": 1}}}),
        ("switches", {"1 to 2": {"times_ns": [], "power_uw": None}}),
        ("busy", {"1 x 1": {"khz": 1, "threads": 1, "above_uw_and_ns": {}}}),
        ("overhead", {"runtime": {"khz": 1, "times_ns": {"stage": []}}}),
    ],
)
def test_a_state_with_units_that_no_survey_writes(
    step: str, unit: Any, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((done / STATE_FILE).read_text())
    document["found"][step] = unit
    (tmp_path / STATE_FILE).write_text(json.dumps(document))
    assert survey(tmp_path, *SIMULATED, "--resume") == 3
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--load", "10"), "write 10ohm"),
        (("--load", "0ohm"), "a load of 0.1 to 15 W"),
        (("--load", "1ohm"), "draws 25 W"),
        (("--load", "10kohm"), "write 10ohm"),
        (("--load", "-5W"), "write 10ohm"),
        (("--stop-at", "80"), "with its unit: 80C"),
        (("--stop-at", "176F"), "with its unit: 80C"),
        (("--stop-at", "20C"), "40C to 95C"),
        (("--stop-at", "120C"), "40C to 95C"),
        (("--meter", "ina999"), "no meter"),
        (("--meter", "kernel"), "is simulated"),
        (("--port", "/dev/ttyS0"), "is simulated"),
        (("--skip", "everything"), "is not one of"),
        (("--bundle", "no-such-bundle"), "no-such-bundle"),
    ],
)
def test_wrong_words_are_refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert survey(tmp_path / "out", *SIMULATED, *arguments) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / STATE_FILE).exists()


def test_a_full_disk_ends_it_in_one_line_and_leaves_a_whole_state(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_infer", "boards", "survey", "-o", str(tmp_path)]
    left_out = [word for name in (*LONG, "memory", "clocks") for word in ("--skip", name)]
    limit = 16_384

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [*command, *SIMULATED, *left_out], preexec_fn=fill, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert "--resume goes on" in done.stderr
    assert read_state(tmp_path).found["identity"]


def test_an_unknown_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert survey(tmp_path, "--board", "sim:pi-9") == 2
    assert "raspberry-pi-5" in capsys.readouterr().err
    assert survey(tmp_path, "--board", "raspberry-pi-5") == 1
    assert "sim:raspberry-pi-5" in capsys.readouterr().err


def test_two_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(tmp_path, machine=False):
        assert survey(tmp_path, *SIMULATED) == 1
    assert "another survey writes" in capsys.readouterr().err


def test_two_at_once_on_one_computer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "DEFAULT_FOLDER", tmp_path / "run")
    (tmp_path / "one").mkdir()
    with alone(tmp_path / "one", machine=True):
        assert survey(tmp_path / "two", "--board", "host", "--yes") == 1
    assert "measures this computer" in capsys.readouterr().err


def test_the_output_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert survey(tmp_path / "file", *SIMULATED) == 2
    assert survey(tmp_path / "file" / "below", *SIMULATED) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_this_computer_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "DEFAULT_FOLDER", tmp_path / "run")
    document = survey_json(capsys, tmp_path / "out", "--board", "host", "--yes")
    told = {step["step"]: step for step in document["steps"]}
    assert "no power meter" in told["idle"]["text"]
    assert "moves none" in told["clocks"]["text"]
    assert told["memory"]["outcome"] == "passed" and document["simulated"] is False
    assert any(text.startswith("power") for text in document["lacks"])
    profile = read_profile(tmp_path / "out" / "profile.toml")
    assert profile.power is None and profile.tested == ("hardware",)


def test_a_step_that_fails_is_told_by_the_exit_code_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "DEFAULT_FOLDER", tmp_path / "run")
    words = ("--board", "host", "--yes", "-p", "/dev/ttyNONE")
    assert survey(tmp_path / "out", *words) == 1
    shown = capsys.readouterr()
    assert "serial failed" in shown.err and "ttyNONE" in shown.out
    assert (tmp_path / "out" / "profile.toml").exists()


def test_what_speaks_against_it_is_refused_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "DEFAULT_FOLDER", tmp_path / "run")
    reasons = "edge_infer.commands.boards_survey.reasons_against"
    monkeypatch.setattr(reasons, lambda thermometer: ["tlp (process 7) sets the clock as well"])
    words = ("--board", "host", "--yes")
    assert survey(tmp_path / "out", *words) == 2
    assert "tlp (process 7)" in capsys.readouterr().err
    assert not (tmp_path / "out" / STATE_FILE).exists()
    assert survey(tmp_path / "out", *words, "--anyway") == 0
    assert "warning: tlp (process 7)" in capsys.readouterr().err


def test_nobody_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "DEFAULT_FOLDER", tmp_path / "run")
    monkeypatch.setattr("edge_infer.commands.boards_survey._ask", lambda text: False)
    assert survey(tmp_path, "--board", "host", skip=("rates", "costs", "overhead")) == 2
    error = capsys.readouterr().err
    assert "keeps all cores busy" in error and "--yes does not ask" in error


def test_a_hidden_board_with_a_lying_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_infer.boards.simulated import Disturbance

    truth = hidden_profile(5, clocks=4)
    assert truth.cpu is not None
    khz = truth.cpu.clocks_khz
    board = SimulatedBoard(truth, seed=5, disturbance=Disturbance(lies={khz[3]: khz[2]}))
    monkeypatch.setattr(opening, "open_board", lambda name: board)
    monkeypatch.setattr("edge_infer.commands.boards_survey.base_document", lambda name: {})
    document = survey_json(capsys, tmp_path, "--board", "sim:hidden")
    assert document["lying_clocks_khz"] == {str(khz[3]): khz[2]}
    assert outcomes(document)["clocks"] == "found"
    profile = read_profile(tmp_path / "profile.toml")
    assert profile.cpu is not None and profile.cpu.clocks_khz == khz[:3]
    assert "lying_clocks" in profile.quirks

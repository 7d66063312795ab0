"""`run` with the options of the planner's policies: used where they are, refused where not."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from tests.fakes.prunable_bundles import HELD_BACK, write_telling_bundle

from edge_infer.commands.root import run_line
from edge_infer.commands.run_options import RunPolicy

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "run.schema.json"
Capture = pytest.CaptureFixture[str]
BUNDLE = "digits-early-exit"
BOARD = ["--board", "sim:raspberry-pi-5"]
PACED = [*BOARD, "--rate", "2000", "--deadline", "500us"]


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_telling_bundle(tmp_path_factory.mktemp("bundles")).path)


def document_of(capsys: Capture, *arguments: str) -> dict[str, Any]:
    assert run_line(["run", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    return document


@pytest.mark.parametrize(("loss", "narrower"), [("0", False), ("3", True)])
def test_ratios_are_chosen_within_the_loss_allowed(
    telling: str, loss: str, narrower: bool, capsys: Capture
) -> None:
    line = ["--board", "sim:coral-dev-board", "--rate", "4000", "--deadline", "250us"]
    document = document_of(
        capsys, telling, *line, "--frames", "40", "--policy", "planned-joint", "--loss", loss
    )
    counts = document["ratios"]
    assert (set(counts) != {"1.0"}) is narrower
    lost = sum((90.0 - HELD_BACK[ratio]) * n for ratio, n in counts.items())
    assert lost <= float(loss) * sum(counts.values())
    assert document["calibration"]["solutions"] >= 1


def test_a_power_budget_makes_frames_leave_earlier_and_its_state_is_told(capsys: Capture) -> None:
    line = [BUNDLE, *PACED, "--frames", "2000", "--policy", "planned"]
    free = document_of(capsys, *line)
    tight = document_of(capsys, *line, "--power-budget", "3.71W")
    assert free["calibration"]["budget_pressure"] is None
    assert 0 < tight["calibration"]["budget_pressure"] <= 1
    assert tight["exits"]["exit1"] > free["exits"]["exit1"]
    assert tight["energy"]["gross_uj"] < free["energy"]["gross_uj"]
    battery = document_of(capsys, *line, "--battery", "3.71Wh", "--hours", "1")
    assert battery["exits"] == tight["exits"]
    assert run_line(["run", *line, "--power-budget", "3.71W"]) == 0
    assert "of what the budget may press" in capsys.readouterr().out


def test_a_budget_that_is_missed_is_said(capsys: Capture) -> None:
    line = [BUNDLE, *PACED, "--frames", "300", "--policy", "planned", "--power-budget"]
    assert document_of(capsys, *line[:-1])["budget"] is None
    for budget, kept in (("3.70W", False), ("5W", True)):
        found = document_of(capsys, *line, budget)
        told = found["budget"]
        assert told["kept"] is kept and (told["over_percent"] > 0.5) is not kept
        drawn_mw = found["energy"]["gross_uj"] / found["energy"]["wall_us"] * 1000
        assert told["mean_mw"] == pytest.approx(drawn_mw)
    assert run_line(["run", *line, "3.70W"]) == 0
    out = capsys.readouterr().out
    assert "budget " in out and "3.7 W: missed, " in out and "% over" in out


def test_a_budget_without_a_meter_is_not_said_to_be_kept() -> None:
    found = RunPolicy("planned", budget_uw=5_000_000).budget_document(None)["budget"]
    assert (found["mean_mw"], found["kept"]) == (None, None)


def test_a_run_without_a_plan_tells_no_calibration(capsys: Capture) -> None:
    assert document_of(capsys, BUNDLE, *BOARD, "--frames", "5")["calibration"] is None


def test_a_measured_table_is_planned_with(tmp_path: Path, capsys: Capture) -> None:
    path = str(tmp_path / "table.json")
    assert run_line(["measure", BUNDLE, *BOARD, "--threads", "1", "-o", path]) == 0
    capsys.readouterr()
    planned = [BUNDLE, *PACED, "--frames", "50", "--policy", "planned", "--cost-table", path]
    assert document_of(capsys, *planned)["deadline"]["misses"] == 0
    document = json.loads(Path(path).read_text())
    for row in document["rows"]:
        row["threads"] = 4
    Path(path).write_text(json.dumps(document))
    assert run_line(["run", *planned]) == 2
    assert "no operating point of 1 threads or fewer" in capsys.readouterr().err
    document["board"] = "sim:raspberry-pi-4b"
    Path(path).write_text(json.dumps(document))
    assert run_line(["run", *planned]) == 1
    error = capsys.readouterr().err
    assert "is of board sim:raspberry-pi-4b, this is sim:raspberry-pi-5" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("policy", "option", "users"),
    [
        (
            "performance",
            ["--loss", "2"],
            "--loss: leave it out, or choose one of planned-leaving, planned-joint",
        ),
        ("planned", ["--loss", "2"], "choose one of planned-leaving, planned-joint"),
        ("planned", ["--target", "2ms"], "choose one of stable-latency"),
        ("powersave", ["--power-budget", "5W"], "choose one of planned, planned-blind"),
        ("fixed:1500", ["--cost-table", "x.json"], "choose one of planned"),
        ("powersave", ["--misses", "0.1"], "--misses"),
    ],
)
def test_an_option_that_the_policy_does_not_use_is_refused_in_one_line(
    policy: str, option: list[str], users: str, capsys: Capture
) -> None:
    assert run_line(["run", BUNDLE, *BOARD, "--policy", policy, *option]) == 2
    out, error = capsys.readouterr()
    assert (out, len(error.strip().splitlines())) == ("", 1)
    assert f"the policy {policy} makes no use of {option[0]}" in error
    assert users in error


def test_a_default_for_other_policies_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("EDGE_INFER_LOSS", "2")
    assert document_of(capsys, BUNDLE, *BOARD, "--frames", "5")["inferences"] == 5


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        (["--power-budget", "3W"], 1, "that is the floor"),
        (["--battery", "18Wh"], 2, "--battery and --hours go together"),
        (["--cost-table", "none.json"], 2, "there is no cost table none.json"),
    ],
)
def test_a_mistake_in_a_planned_policy_is_said(
    option: list[str], code: int, message: str, capsys: Capture
) -> None:
    assert run_line(["run", BUNDLE, *PACED, "--policy", "planned", *option]) == code
    assert message in capsys.readouterr().err

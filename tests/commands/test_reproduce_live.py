"""`edge-infer reproduce eenet --live`: frames run on the board itself, beside the model's word."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from edge_infer.commands.root import run_line

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
LIVE = ("reproduce", "eenet", "--live", "--frames", "24")


def live_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run_line([*LIVE, *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((SCHEMAS / "reproduce-eenet.schema.json").read_text())
    fastjsonschema.validate(schema, document)
    return document


@pytest.mark.backend
def test_what_runs_stands_beside_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    document = live_json(capsys, "--board", "sim:raspberry-pi-5")
    rows = {row["what"]: row for row in document["live"]["rows"]}
    assert set(rows) == {"classic", "early exit", "planned"}
    for row in rows.values():
        assert row["time_us"] == pytest.approx(row["model_time_us"], rel=0.1)
        assert row["net_uj"] == pytest.approx(row["model_net_uj"], rel=0.5)
        assert row["origin"] == "simulated"  # never measured on a simulated board
    ids = {claim["id"] for claim in document["claims"]}
    assert {"net_saving_vs_classic_percent", "deadline_misses_percent"} <= ids
    assert {claim["origin"] for claim in document["claims"]} == {"simulated"}


@pytest.mark.backend
def test_without_a_meter_no_energy_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    document = live_json(capsys, "--board", "host")
    assert all(row["net_uj"] is None for row in document["live"]["rows"])
    assert [claim["id"] for claim in document["claims"]] == ["deadline_misses_percent"]
    assert any("no meter" in text for text in document["warnings"])
    assert any("planned was not run" in text for text in document["warnings"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sweep",), "leave sweep out"),
        (("--threads", "2"), "leave threads out"),
        (("--board", "host", "--board", "auto"), "--board once"),
        (("--frames", "30000"), "at most 20000"),
        (("--bundle", "cifar10-narrow", "--board", "host"), "without early exits"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line([*LIVE, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_profile_goes_with_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "profile.toml").write_text("format_version = 2\n")
    assert run_line(["reproduce", "eenet", "--profile", str(tmp_path / "profile.toml")]) == 2
    assert "goes with --live" in capsys.readouterr().err

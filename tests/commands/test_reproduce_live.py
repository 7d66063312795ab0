"""`edge-infer reproduce PAPER --live`: frames run on the board itself, beside the model's word."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from edge_infer import boards
from edge_infer.boards import open_board
from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import Disturbance, SimulatedBoard
from edge_infer.commands.root import run_line
from edge_infer.lab.reproduce.all_in_one_live import live_all_in_one
from edge_infer.lab.reproduce.live_run import live_frames, run_live, saving_claim
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
PI_5, PAIR = "sim:raspberry-pi-5", "digits-little-big"
PROFILE = Path(boards.__file__).parent / "profiles" / "raspberry-pi-5.toml"


def live(paper: str, *arguments: str) -> int:
    return run_line(["reproduce", paper, "--live", "--frames", "24", *arguments])


def live_json(capsys: pytest.CaptureFixture[str], paper: str, *arguments: str) -> Any:
    assert live(paper, *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((SCHEMAS / f"reproduce-{paper}.schema.json").read_text())
    fastjsonschema.validate(schema, document)
    return document


@pytest.mark.backend
def test_what_runs_stands_beside_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    document = live_json(capsys, "eenet", "--board", PI_5)
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
def test_a_pair_runs_beside_its_big_net(capsys: pytest.CaptureFixture[str]) -> None:
    document = live_json(capsys, "big-little", "--bundle", PAIR, "--board", PI_5)
    rows = {row["what"]: row for row in document["live"]["rows"]}
    alone, pair = rows["big alone"], rows["little first"]
    for row in rows.values():
        assert row["time_us"] == pytest.approx(row["model_time_us"], rel=0.15)
        assert row["net_uj"] is not None
        assert row["origin"] == "simulated"
    assert pair["time_us"] < alone["time_us"]
    assert (alone["same_as_big_percent"], alone["escalated_percent"]) == (100, 0)
    claims = {claim["id"]: claim for claim in document["claims"]}
    assert {claim["origin"] for claim in claims.values()} == {"simulated"}
    saving = 100 * (1 - pair["net_uj"] / alone["net_uj"])
    assert claims["mnist_net_energy_saving_end_to_end_percent"]["ours"] == pytest.approx(saving)
    lost = alone["right_percent"] - pair["right_percent"]
    assert claims["mnist_accuracy_loss_points"]["ours"] == pytest.approx(lost)


@pytest.mark.backend
def test_accuracy_needs_pictures_that_somebody_labelled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = live_json(capsys, "big-little", "--board", PI_5)
    assert {row["right_percent"] for row in document["live"]["rows"]} == {None}
    assert "mnist_accuracy_loss_points" not in {claim["id"] for claim in document["claims"]}
    assert any("no accuracies without --data" in text for text in document["warnings"])


@pytest.mark.backend
def test_each_clock_runs_at_full_width_and_at_its_ratio(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = live_json(
        capsys, "all-in-one", "--frames", "4", "--board", "sim:raspberry-pi-zero-2-w"
    )
    rows = document["live"]["rows"]
    full, level = ([row for row in rows if row["what"] == what] for what in ("full width", "level"))
    assert [row["clock_khz"] for row in full] == [row["clock_khz"] for row in level]
    assert {row["ratio"] for row in full} == {"1.0"}
    ratios = [float(row["ratio"]) for row in level]
    assert ratios == sorted(ratios) and ratios[0] < ratios[-1]  # wider as the clock rises
    assert {row["origin"] for row in rows} == {"simulated"}
    assert all(row["net_uj"] is not None for row in rows)
    for row in rows:
        assert row["time_us"] == pytest.approx(row["model_time_us"], rel=0.25)
    claims = {claim["id"]: claim for claim in document["claims"]}
    assert {claim["origin"] for claim in claims.values()} == {"simulated"}
    for name, found in (("fixed_net", full), ("over_clocks", level)):
        times = [row["time_us"] for row in found]
        spread = claims[f"latency_spread_{name}"]["ours"]
        assert spread == pytest.approx(max(times) / min(times))


@pytest.mark.backend
def test_a_clock_held_down_is_in_no_claim() -> None:
    profile, held = load_profile("raspberry-pi-zero-2-w"), Disturbance(caps=((0, 600_000),))
    with SimulatedBoard(profile, name="sim:zero", disturbance=held) as board:
        document = live_all_in_one(open_bundle("cifar10-prunable"), board, open_backend(), frames=1)
    assert document["claims"] == []  # at one clock the full width is level too
    assert any("held the clock down" in text for text in document["warnings"])


@pytest.mark.backend
def test_one_clock_and_no_meter_claim_nothing_of_latency_or_energy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = live_json(capsys, "all-in-one", "--board", "host")
    assert document["claims"] == []
    [row] = document["live"]["rows"]
    assert (row["ratio"], row["net_uj"], row["origin"]) == ("1.0", None, None)
    assert any("has one clock" in text for text in document["warnings"])
    pair = live_json(capsys, "big-little", "--bundle", PAIR, "--board", "host")
    assert [claim["id"] for claim in pair["claims"]] == ["mnist_accuracy_loss_points"]


@pytest.mark.backend
@pytest.mark.parametrize("paper", ["eenet", "big-little", "all-in-one"])
def test_a_profile_is_no_model_of_a_board_without_clocks(
    paper: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = live_json(capsys, paper, "--board", "host", "--profile", str(PROFILE))
    assert document["live"]["model"] is None
    assert any("does not tell its clock" in text for text in document["warnings"])


@pytest.mark.backend
def test_without_a_meter_no_energy_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    document = live_json(capsys, "eenet", "--board", "host")
    assert all(row["net_uj"] is None for row in document["live"]["rows"])
    assert [claim["id"] for claim in document["claims"]] == ["deadline_misses_percent"]
    assert any("no meter" in text for text in document["warnings"])
    assert any("planned was not run" in text for text in document["warnings"])


@pytest.mark.parametrize(
    ("paper", "arguments", "said"),
    [
        ("eenet", ("--sweep",), "leave --sweep out"),
        ("eenet", ("--threads", "2"), "leave --threads out"),
        ("eenet", ("--board", "host", "--board", "auto"), "--board once"),
        ("eenet", ("--frames", "30000"), "at most 20000"),
        ("eenet", ("--bundle", "cifar10-narrow", "--board", "host"), "without early exits"),
        ("big-little", ("--imagenet", "pictures"), "leave --imagenet out"),
        ("big-little", ("--timed", "5"), "leave --timed out"),
        ("big-little", ("--bundle", "cifar10-early-exit", "--board", "host"), "wants a little/big"),
        ("all-in-one", ("--data", "pictures"), "leave --data out"),
        ("all-in-one", ("--bundle", "cifar10-all-in-one", "--board", "host"), "of one stage"),
    ],
)
def test_what_makes_no_sense_is_refused(
    paper: str, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live(paper, *arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("paper", ["eenet", "big-little", "all-in-one"])
def test_a_profile_goes_with_live(
    paper: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "profile.toml").write_text("format_version = 2\n")
    assert run_line(["reproduce", paper, "--profile", str(tmp_path / "profile.toml")]) == 2
    assert "goes with --live" in capsys.readouterr().err


@pytest.mark.parametrize("paper", ["big-little", "all-in-one"])
def test_frames_go_with_live(paper: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line(["reproduce", paper, "--frames", "5"]) == 2
    assert "--frames goes with --live" in capsys.readouterr().err


@pytest.mark.backend
def test_what_the_environment_sets_for_other_commands_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_INFER_FRAMES", "7")
    assert run_line(["reproduce", "big-little", "--bundle", PAIR, "--timed", "0"]) == 0
    capsys.readouterr()
    line = ["reproduce", "big-little", "--live", "--bundle", PAIR, "--board", PI_5, "--json"]
    assert run_line(line) == 0
    assert json.loads(capsys.readouterr().out)["live"]["frames"] == 7


@pytest.mark.backend
def test_energy_that_no_meter_saw_is_none() -> None:
    pair = open_bundle(PAIR)
    with open_board("sim:stm32u575") as board:
        run = run_live("pair", pair, board, open_backend(), live_frames(pair, 2), ())
    assert run.totals is not None and run.totals.origin == "modelled"
    assert run.net_uj is None
    assert not saving_claim("saving", board, run, run, (None, "%", "higher"))
    metered = replace(run, totals=replace(run.totals, origin="measured"))
    [claim] = saving_claim("saving", board, metered, metered, (None, "%", "higher"))
    assert (claim["origin"], claim["ours"]) == ("measured", 0)

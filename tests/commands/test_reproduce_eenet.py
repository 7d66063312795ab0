"""`reproduce eenet`: the ids that readers rely on, met or not, and the grid printed whole."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from edge_infer.commands.reproduce_eenet import grid_report
from edge_infer.commands.root import run_line
from edge_infer.lab.comparison import sensitivity
from edge_infer.lab.reproduce import eenet, eenet_grid

ROOT = Path(__file__).parents[2]
LINE = ["reproduce", "eenet", "--bundle", "digits-early-exit", "--time-scale", "50",
        "--frames", "300", "--images", "200"]  # fmt: skip
IDS = {
    "net_saving_vs_classic_percent",
    "net_saving_vs_early_exit_percent",
    "deadline_misses_percent",
    "net_energy_vs_oracle",
    "net_saving_vs_powersave_early_exit_percent",
}


def reproduced(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run_line([*LINE, *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    text = (ROOT / "tools" / "commands" / "schemas" / "reproduce-eenet.schema.json").read_text()
    fastjsonschema.compile(json.loads(text))(document)
    return document


def test_every_simulated_board_has_every_claim(capsys: pytest.CaptureFixture[str]) -> None:
    boards = ["sim:raspberry-pi-5", "sim:raspberry-pi-4b"]
    document = reproduced(capsys, *(word for board in boards for word in ("--board", board)))
    for board in boards:
        claims = {c["id"]: c for c in document["claims"] if c["board"] == board}
        assert set(claims) >= IDS
        for claim in claims.values():
            if claim["claimed"] is None:
                assert claim["met"] is None
            elif claim["better"] == "higher":
                assert claim["met"] == (claim["ours"] >= claim["claimed"])
            else:
                assert claim["met"] == (claim["ours"] <= claim["claimed"])
    flat = {c["id"]: c for c in document["claims"] if c["board"] == "sim:raspberry-pi-4b"}
    # Lower clocks save nothing where the voltage is flat: the claim is printed as not met.
    assert flat["net_saving_vs_early_exit_percent"]["met"] is False


def test_a_sweep_has_a_row_for_each_load_and_sensitivity_an_interval(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eenet, "LOADS", (0.3, 0.9))
    monkeypatch.setattr(eenet, "all_intervals", partial(sensitivity.all_intervals, count=4))
    document = reproduced(capsys, "--board", "sim:raspberry-pi-4b", "--sweep", "--sensitivity",
                          "--static", "digits-little-big")  # fmt: skip
    assert "digits-little-big:little" in document["static"]
    rows = {(c["id"], c["load"]): c for c in document["claims"]}
    assert {load for _, load in rows} == {0.3, 0.9}
    for (name, _), row in rows.items():
        if name in eenet.OF_ACCURACY:
            assert "interval" not in row
            continue
        low, high = row["interval"]
        assert low <= high
        if row["claimed"] is not None and low < row["claimed"] < high:
            assert row["met"] is None
    assert rows["accuracy_images", 0.3]["ours"] == 100  # half of 200 are compared on


def test_the_ablation_adds_one_part_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    document = reproduced(capsys, "--ablation", "--board", "sim:raspberry-pi-5", "--load", "0.5")
    steps = [row["policy"] for row in document["ablation"]]
    assert steps[:2] == ["classic", "performance"]
    assert steps[-3:] == ["oracle", "planned-uncalibrated", "planned"]
    missed = [row["miss_percent"] for row in document["ablation"]]
    assert missed[-1] < missed[-2]
    assert document["ablation"][1]["earned_percent"] > 0


def test_the_grid_is_printed_whole_losses_included(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eenet_grid, "WORKLOADS", (("periodic", 0.6), ("poisson", 0.5)))
    monkeypatch.setattr(eenet_grid, "DEADLINE_PERIODS", (1.0, 3.0))
    monkeypatch.setattr(eenet_grid, "FRAMES", 300)
    monkeypatch.setattr(eenet_grid, "RANDOM_FRAMES", 5_000)
    document = reproduced(capsys, "--grid", "--board", "sim:raspberry-pi-5")
    assert [cell["workload"] for cell in document["grid"]] == ["periodic"] * 2 + ["poisson"] * 2
    # Of more random arrivals than an oracle plans, it plans the first ones.
    assert all(cell["over_oracle"] >= 0.99 for cell in document["grid"])
    lost = grid_report([{**document["grid"][0], "kept": False}])
    assert "LOST" in lost
    assert "0 of 1 cells" in lost


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bundle", "cifar10-narrow"], "cifar10-narrow is one net without early exits"),
        (["--sweep", "--load", "0.9"], "--sweep has its own loads: leave --load 0.9 out"),
    ],
)
def test_what_the_claims_are_not_about_is_a_usage_error(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["reproduce", "eenet", *arguments]) == 2
    assert sentence in capsys.readouterr().err

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_infer.boards.cost_table import CostTable
from edge_infer.commands.reproduce import reproduce_group
from edge_infer.lab.costs.board_costs import board_table
from edge_infer.lab.replay.scored_frames import scored_bundle
from edge_infer.lab.reproduce.big_little import CascadeAnswers, board_figures
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.stage import load_stages

SCHEMA = (
    Path(__file__).parents[2]
    / "tools"
    / "commands"
    / "schemas"
    / "reproduce-big-little.schema.json"
)
PAIR = "digits-little-big"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(reproduce_group, ["big-little", *map(str, arguments)])


@pytest.fixture(scope="module")
def document() -> Any:
    result = invoke("--bundle", PAIR, "--timed", 20, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), found)
    return found


def test_answers_are_those_of_a_run(document: Any) -> None:
    bundle = open_bundle(PAIR)
    samples = bundle.samples()
    assert samples is not None
    frames, labels = samples
    scores = run_all(load_stages(bundle, open_backend()), list(frames))
    judged = scored_bundle(bundle, scores, labels)
    answers = [
        scores[exit_][i].argmax() == labels[i] for i, exit_ in enumerate(judged.exits.tolist())
    ]
    assert document["answers"]["cascade"] == pytest.approx(np.mean(answers))
    assert document["answers"]["shares"] == pytest.approx(judged.exit_shares)
    big = (scores[1].argmax(axis=1) == labels).mean()
    loss = 100 * (big - np.mean(answers))
    assert document["answers"]["loss_points"] == pytest.approx(loss)


def test_savings_follow_from_the_cost_table(document: Any) -> None:
    bundle = open_bundle(PAIR)
    for figures in document["boards"]:
        table = board_table(bundle, figures["board"])
        point = max((p for p in table.points if p.threads == 1), key=lambda p: p.clock_khz)
        little, big = (execution_uj(table, name, point) for name in ("little", "classic"))
        second = execution_uj(table, "big", point)
        escalated = document["answers"]["shares"][1]
        saving = 100 * (1 - (little + escalated * second) / big)
        assert figures["execution_saving_percent"] == pytest.approx(saving, rel=1e-4)
        assert figures["end_to_end_saving_percent"] < saving


def execution_uj(table: CostTable, stage: str, point: Any) -> float:
    row = table.row(stage, point)
    net = row.energy_nj - table.idle_reference_uw * row.time_ns / 1e6
    return net * (row.time_ns - row.overhead_ns) / row.time_ns / 1000


def test_claims_are_met_or_not_by_their_own_figures(document: Any) -> None:
    assert {claim["board"] for claim in document["claims"]} == {
        "sim:raspberry-pi-4b", "sim:raspberry-pi-5",
    }  # fmt: skip
    ids = {claim["id"] for claim in document["claims"]}
    assert {"mnist_net_energy_saving_percent", "mnist_accuracy_loss_points"} <= ids
    for claim in document["claims"]:
        if claim["claimed"] is None:
            assert claim["met"] is None
        elif claim["better"] == "higher":
            assert claim["met"] == (claim["ours"] >= claim["claimed"])
        else:
            assert claim["met"] == (claim["ours"] <= claim["claimed"])


def test_against_a_smaller_big_net_less_is_saved() -> None:
    bundle = open_bundle(PAIR)
    nets = bundle.manifest.provenance["nets"]
    own = bundle.manifest.stages[-1].macs
    nets |= {
        "big-half": {"macs": own // 2, "test": 99.0},
        "big-twice": {"macs": own * 2, "test": 1},
    }
    answers = CascadeAnswers(0.96, 0.99, 0.99, (0.95, 0.05), 100)
    rows = board_figures(bundle, "sim:raspberry-pi-4b", answers)["against"]
    saved = {row["net"]: row["execution_saving_percent"] for row in rows}
    assert saved["big-half"] < saved["big"] < saved["big-twice"]
    assert [row["net"] for row in rows if row["shipped"]] == ["big"]
    figures = board_figures(bundle, "sim:raspberry-pi-4b", answers)
    assert saved["big"] == pytest.approx(figures["execution_saving_percent"])


def test_the_text_says_what_limits_it() -> None:
    text = invoke("--bundle", PAIR, "--timed", 0).stdout
    assert "not met" in text
    assert "of the big net's execution the little net takes" in text
    assert "measured on this computer" not in text


def test_what_it_refuses() -> None:
    assert "wants a little/big pair" in str(invoke("--bundle", "digits-early-exit").exception)
    missing = invoke("--bundle", PAIR, "--data", "nowhere")
    assert "there is no folder nowhere" in str(missing.exception)


def test_the_best_static_net_is_at_least_as_accurate_and_the_saving_is_against_it(
    document: Any,
) -> None:
    """Little and big mixed by chance to the cascade's accuracy, where no other size is known."""
    answers = document["answers"]
    assert answers["little"] < answers["cascade"] <= answers["big"]
    share = (answers["cascade"] - answers["little"]) / (answers["big"] - answers["little"])
    for figures in document["boards"]:
        assert figures["best_static"].endswith("by chance")
        mixed = (1 - share) * figures["little_net_uj"] + share * figures["big_net_uj"]
        ours = (1 - figures["end_to_end_saving_percent"] / 100) * figures["big_net_uj"]
        saved = 100 * (1 - ours / mixed)
        assert figures["saving_vs_best_static_percent"] == pytest.approx(saved)

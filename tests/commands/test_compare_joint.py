"""`compare` with a policy that plans the ratio too."""

import json
from pathlib import Path

import fastjsonschema
import pytest
from tests.fakes.prunable_bundles import HELD_BACK, prunable_draft, write_telling_bundle

from edge_infer.boards import open_board
from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.build import write_bundle
from edge_infer.runtime.stage_costs import works_of

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "compare.schema.json"
LINE = ["--frames", "40", "--threads", "1", "--load", "0.2", "--board", "sim:coral-dev-board"]
POLICIES = ["--policy", "classic", "--policy", "planned-joint"]


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_telling_bundle(tmp_path_factory.mktemp("bundles")).path)


@pytest.mark.parametrize(("loss", "narrower"), [("0", False), ("3", True)])
def test_ratios_are_chosen_within_the_loss_allowed(
    loss: str, narrower: bool, telling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["compare", telling, *LINE, *POLICIES, "--loss", loss]
    assert run_line([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    classic, joint = document["policies"]
    assert set(classic["ratios"]) == {"1.0"}
    assert (set(joint["ratios"]) != {"1.0"}) is narrower
    lost = sum((90.0 - HELD_BACK[name]) * n for name, n in joint["ratios"].items())
    assert lost <= float(loss) * sum(joint["ratios"].values())
    assert joint["kind"] == "governor"


@pytest.mark.parametrize(("loss", "ratio"), [("0.5", "1.0"), ("1", "0.75"), ("100", "0.25")])
def test_pruning_alone_is_the_best_in_hindsight_within_the_loss(
    loss: str, ratio: str, telling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["compare", telling, *LINE, "--loss", loss]
    policies = ["--policy", "classic", "--policy", "pruning"]
    assert run_line([*line, *policies, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    classic, pruning = document["policies"]
    assert (pruning["kind"], pruning["ratios"]) == ("baseline", {ratio: 40})
    assert document["best_pruned"]["ratio"] == ratio
    assert pruning["misses"] == 0
    assert len(pruning["exits"]) == 1
    assert pruning["net_uj_per_inference"] <= classic["net_uj_per_inference"]
    assert run_line([*line, *policies]) == 0
    assert f"pruning alone, best in hindsight: ratio {ratio} at" in capsys.readouterr().out


def test_the_ratio_follows_the_clock(telling: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open_board("sim:coral-dev-board") as board:
        table = board.cost_table(works_of(open_bundle(telling), "0.5"))
    assert table is not None
    half_ns = sum(table.row(stage, table.points[0]).time_ns for stage in table.stages)
    policies = ["--policy", "stable-latency", "--policy", "stable-latency:powersave"]
    line = ["compare", telling, *LINE, *policies, "--target", f"{half_ns // 1000 + 1}us"]
    assert run_line([*line, "--json"]) == 0
    quick, slow = json.loads(capsys.readouterr().out)["policies"]
    assert (quick["ratios"], slow["ratios"]) == ({"1.0": 40}, {"0.5": 40})
    assert quick["kind"] == slow["kind"] == "governor"


def test_a_bundle_that_does_not_tell_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = str(write_bundle(tmp_path / "tiny", prunable_draft()).path)
    assert run_line(["compare", silent, *LINE, *POLICIES]) == 2
    assert "does not say how accurate its ratio 1.0 is" in capsys.readouterr().err
    for policy in ("planned-joint", "pruning", "stable-latency"):
        assert run_line(["compare", "digits-early-exit", *LINE, "--policy", policy]) == 2
        assert f"the policy {policy} needs a prunable bundle" in capsys.readouterr().err


def test_without_a_choice_of_policies_those_that_cannot_be_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = str(write_bundle(tmp_path / "tiny", prunable_draft()).path)
    assert run_line(["compare", silent, *LINE]) == 0
    out, err = capsys.readouterr()
    assert "warning: no pruning and no planned-joint: tiny-prunable does not say" in err
    assert "stable-latency:powersave" in out
    assert "planned-joint" not in out

"""`compare` with a policy that plans the ratio too."""

import json
from pathlib import Path

import fastjsonschema
import pytest

from models_tflite.build import write_bundle
from tests.fakes.prunable_bundles import HELD_BACK, prunable_draft, write_telling_bundle
from tools.cli import run_line

SCHEMA = Path(__file__).parents[2] / "tools" / "schemas" / "compare.schema.json"
LINE = ["--frames", "40", "--threads", "1", "--load", "0.5", "--board", "sim:coral-dev-board"]
POLICIES = ["--policy", "classic", "--policy", "planned-joint"]


@pytest.mark.parametrize(("loss", "narrower"), [("0", False), ("3", True)])
def test_ratios_are_chosen_within_the_loss_allowed(
    loss: str, narrower: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["compare", str(write_telling_bundle(tmp_path).path), *LINE, *POLICIES, "--loss", loss]
    assert run_line([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    classic, joint = document["policies"]
    assert set(classic["ratios"]) == {"1.0"}
    assert (set(joint["ratios"]) != {"1.0"}) is narrower
    lost = sum((90.0 - HELD_BACK[name]) * n for name, n in joint["ratios"].items())
    assert lost <= float(loss) * sum(joint["ratios"].values())
    assert joint["kind"] == "governor"


def test_a_bundle_that_does_not_tell_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = str(write_bundle(tmp_path / "tiny", prunable_draft()).path)
    assert run_line(["compare", silent, *LINE, *POLICIES]) == 2
    assert "does not say how accurate its ratio 1.0 is" in capsys.readouterr().err
    assert run_line(["compare", "digits-early-exit", *LINE, *POLICIES]) == 2
    assert "needs a prunable bundle" in capsys.readouterr().err

"""`compare` with a policy that plans the ratio too."""

import json
from dataclasses import replace
from pathlib import Path

import fastjsonschema
import pytest

from models_tflite.build import write_bundle
from tests.fakes.prunable_bundles import prunable_draft
from tools.cli import run_line

SCHEMA = Path(__file__).parents[2] / "tools" / "schemas" / "compare.schema.json"
ACCURACIES = {"1.0": 90.0, "0.75": 89.0, "0.5": 88.0, "0.25": 80.0}
LINE = ["--frames", "40", "--threads", "1", "--load", "0.5", "--board", "sim:coral-dev-board"]
POLICIES = ["--policy", "classic", "--policy", "planned-joint"]


def bundle_that_tells(folder: Path) -> str:
    draft = prunable_draft()
    last = draft.stages[-1].name
    told = {ratio: {"held_back": {last: found}} for ratio, found in ACCURACIES.items()}
    made = write_bundle(folder / "tiny", replace(draft, provenance={"ratios": told}))
    return str(made.path)


@pytest.mark.parametrize(("loss", "narrower"), [("0", False), ("3", True)])
def test_ratios_are_chosen_within_the_loss_allowed(
    loss: str, narrower: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["compare", bundle_that_tells(tmp_path), *LINE, *POLICIES, "--loss", loss]
    assert run_line([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    classic, joint = document["policies"]
    assert set(classic["ratios"]) == {"1.0"}
    assert (set(joint["ratios"]) != {"1.0"}) is narrower
    lost = sum((90.0 - ACCURACIES[name]) * n for name, n in joint["ratios"].items())
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

"""`run` at a pruning ratio, and with the ratio that the clock asks for."""

import json
from pathlib import Path

import fastjsonschema
import pytest
from tests.fakes.prunable_bundles import write_prunable_bundle

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.stage_costs import works_of

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "run.schema.json"
Capture = pytest.CaptureFixture[str]
BOARD = "sim:raspberry-pi-4b"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_prunable_bundle(tmp_path_factory.mktemp("bundles")).path)


def ratios(capsys: Capture, bundle: str, *options: str) -> dict[str, int]:
    arguments = ["run", bundle, "--board", BOARD, "--frames", "40", "--json", *options]
    assert run_line(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    found: dict[str, int] = document["ratios"]
    return found


def test_a_ratio_by_name_or_the_nearest(bundle: str, capsys: Capture) -> None:
    assert ratios(capsys, bundle) == {"1.0": 40}
    assert ratios(capsys, bundle, "--ratio", "0.5") == {"0.5": 40}
    assert ratios(capsys, bundle, "--ratio", "nearest:0.7") == {"0.75": 40}


def test_the_ratio_follows_the_clock(bundle: str, capsys: Capture) -> None:
    with open_board(BOARD) as board:
        table = board.cost_table(works_of(open_bundle(bundle), "0.5"))
        assert table is not None
    half = [table.row(stage, OperatingPoint(600_000)).time_ns for stage in table.stages]
    options = ["--target", f"{sum(half) // 1000 + 1}us", "--policy"]
    slow = ratios(capsys, bundle, *options, "stable-latency:powersave")
    fast = ratios(capsys, bundle, *options, "stable-latency")
    assert (slow, fast) == ({"0.5": 40}, {"1.0": 40})
    arguments = ["run", bundle, "--board", BOARD, "--frames", "40", *options]
    assert run_line([*arguments, "stable-latency:powersave"]) == 0
    assert "0.5 40 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--ratio", "0.6"], "has no ratio 0.6; there are: 1.0, 0.75, 0.5, 0.25", 2),
        (["--ratio", "nearest:wide"], "names no ratio: write nearest:0.6", 2),
        (["--policy", "stable-latency"], "needs a target: --target 20ms", 2),
    ],
)
def test_mistakes_are_one_line(
    bundle: str, options: list[str], message: str, code: int, capsys: Capture
) -> None:
    assert run_line(["run", bundle, "--board", BOARD, *options]) == code
    assert message in capsys.readouterr().err

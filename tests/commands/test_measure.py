"""The measure command: its document, and the table it writes."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from tests.fakes.prunable_bundles import write_prunable_bundle

from edge_infer.boards.cost_table import CostTable
from edge_infer.commands.root import run_line
from edge_infer.runtime.stage_costs import row_name

ROOT = Path(__file__).parents[2]


def test_a_simulated_board_is_measured_through_its_meter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.json"
    line = ["measure", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--threads", "1,2,8"]
    assert run_line([*line, "-o", str(path), "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    text = (ROOT / "tools" / "commands" / "schemas" / "measure.schema.json").read_text()
    fastjsonschema.compile(json.loads(text))(document)
    assert document["origin"] == "simulated"
    assert len(document["rows"]) == 3 * 10 * 2  # stages, clocks, and the thread counts it can
    found = CostTable.from_json(path.read_text())
    assert found.bundle.startswith("digits-early-exit ")
    assert found.backend
    assert {row.origin for row in found.rows.values()} == {"simulated"}


def test_this_computer_gives_times_alone_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_line(["measure", "digits-little-big", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    assert "(measured)" in out
    assert "no meter" in err


def test_a_table_that_cannot_be_written_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["measure", "digits-little-big", "--board", "sim:raspberry-pi-5", "--threads", "1"]
    assert run_line([*line, "-o", "no-such-folder/table.json"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_prunable_bundle_is_measured_at_every_ratio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_prunable_bundle(tmp_path)
    path = tmp_path / "table.json"
    line = ["measure", str(bundle.path), "--threads", "1"]
    assert run_line([*line, "--board", "sim:raspberry-pi-zero-2-w", "-o", str(path)]) == 0
    text = capsys.readouterr().out
    assert "600 MHz @0.5" in text
    found = CostTable.from_json(path.read_text())
    stages = [stage.name for stage in bundle.manifest.stages]
    names = {row_name(stage, ratio) for stage in stages for ratio in bundle.manifest.ratios}
    assert set(found.stages) == {*names, "switch to 1.0"}
    assert run_line(line) == 0  # this computer changes the ratio in earnest
    assert "switch" not in capsys.readouterr().out.splitlines()[2]

"""The measure command: its document, and the table it writes."""

import json
from pathlib import Path
from typing import Any, cast

import fastjsonschema
import pytest
from tests.fakes.prunable_bundles import write_prunable_bundle

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable, SwitchCost
from edge_infer.boards.profile import load_profile
from edge_infer.commands.measure import _warn_of_implausible_idle
from edge_infer.commands.root import run_line
from edge_infer.runtime.stage_costs import row_name

ROOT = Path(__file__).parents[2]


def test_a_simulated_board_is_measured_through_its_meter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.json"
    line = ["measure", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--threads", "1,2"]
    assert run_line([*line, "-o", str(path), "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    text = (ROOT / "tools" / "commands" / "schemas" / "measure.schema.json").read_text()
    fastjsonschema.compile(json.loads(text))(document)
    assert document["origin"] == "simulated"
    assert len(document["rows"]) == 3 * 10 * 2  # stages, clocks, thread counts
    found = CostTable.from_json(path.read_text())
    assert found.bundle.startswith("digits-early-exit ")
    assert found.backend
    assert {row.origin for row in found.rows.values()} == {"simulated"}


def test_this_computer_gives_times_alone_and_says_so(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "table.json"
    line = ["measure", "digits-little-big", "--threads", "1", "-o", str(path)]
    assert run_line(line) == 0
    out, err = capsys.readouterr()
    assert "(measured)" in out and "clock not known" in out
    assert "uJ" not in out and " W" not in out and "a change of clock" not in out
    assert "no meter" in err and "has no energies" in err
    assert run_line([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = (ROOT / "tools" / "commands" / "schemas" / "measure.schema.json").read_text()
    fastjsonschema.compile(json.loads(schema))(document)
    rows = document["rows"]
    assert {row[key] for row in rows for key in ("gross_uj", "net_uj", "clock_khz")} == {None}
    assert all(row["time_us"] > 0 for row in rows)
    assert document["idle_reference_mw"] is document["switch"]["gross_uj"] is None
    written = json.loads(path.read_text())
    assert {row["energy_nj"] for row in written["rows"]} == {None}
    assert written["switch"]["energy_nj"] is written["idle_reference_uw"] is None
    assert not CostTable.from_json(path.read_text()).has_energies


@pytest.mark.parametrize(
    ("board", "message"),
    [
        ("host", "has no energies: it was measured without a meter"),
        ("sim:raspberry-pi-5", "this is sim:raspberry-pi-5: fill one"),
    ],
)
def test_a_table_without_energies_or_of_another_board_chooses_nothing(
    board: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.json"
    assert run_line(["measure", "digits-little-big", "--threads", "1", "-o", str(path)]) == 0
    line = ["compare", "digits-little-big", "--cost-table", str(path), "--frames", "20"]
    assert run_line([*line, "--board", board]) != 0
    said = capsys.readouterr().err
    assert message in said
    assert ("or mean that board: --board host" in said) == (board != "host")


class MeteredHost:
    """What `_warn_of_implausible_idle` asks of a board."""

    simulated = False
    profile = load_profile("raspberry-pi-5")


@pytest.mark.parametrize(("idle_uw", "warned"), [(2_000, True), (3_500_000, False)])
def test_an_idle_board_of_2_mw_is_told(
    idle_uw: int, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    found = CostTable("x", {}, SwitchCost(0, 0), {1_500_000: idle_uw}, idle_uw)
    _warn_of_implausible_idle(found, cast(Board, MeteredHost()))
    assert ("the meter reads 0.002 W idle" in capsys.readouterr().err) == warned


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


def test_more_threads_than_cores_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["measure", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--threads"]
    assert run_line([*line, "1,9"]) == 2
    assert "has 4 cores, too few for 9 threads: give fewer" in capsys.readouterr().err

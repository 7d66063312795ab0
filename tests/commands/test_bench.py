"""`bench`: every figure is there, in the schema and in the report."""

import json
from pathlib import Path

import fastjsonschema
import pytest

from edge_infer.commands.root import run_line
from edge_infer.lab import bench

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "bench.schema.json"


def test_every_figure_is_measured_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "STARTS", 1)
    assert run_line(["bench", "digits-early-exit", "--runs", "100", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    # Starting up costs a run more than an import, whatever the machine.
    assert document["start_up_cpu_ms"]["run_one_frame"] > document["start_up_cpu_ms"]["import"]
    assert document["engine_us"]["p50"] > document["bare_us"]["p50"]

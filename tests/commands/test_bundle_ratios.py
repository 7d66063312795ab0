"""`edge-infer bundle info` and `self-test` on bundles with pruning ratios."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from click.testing import CliRunner
from tests.fakes.prunable_bundles import RATIOS, write_prunable_bundle

from edge_infer.commands import bundle_report
from edge_infer.commands.bundle import bundle_group
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.errors import BackendError
from edge_infer.models_tflite.redraft import bundle_at

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
SHIPPED = "cifar10-all-in-one"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(bundle_group, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prunable_bundle(tmp_path_factory.mktemp("bundles")).path


def test_info_has_every_ratio_with_what_it_takes_and_reaches(tmp_path: Path) -> None:
    bundle, figures = open_bundle(SHIPPED), json.loads(run("info", SHIPPED, "--json"))
    rows = figures["ratio_figures"]
    assert [row["ratio"] for row in rows] == list(bundle.manifest.ratios)
    for key in ("macs", "bytes", "test_percent"):
        falling = [row[key] for row in rows]
        assert falling == sorted(falling, reverse=True)
    told = bundle.manifest.provenance["ratios"]
    for row in rows:
        assert row["test_percent"] == told[row["ratio"]]["test"]["exit3"]
        assert row["adaptive_test_percent"] == told[row["ratio"]].get("adaptive", {}).get("test")
    narrow = bundle_at(bundle, rows[-1]["ratio"], tmp_path).manifest
    assert rows[-1]["macs"] == sum(stage.macs for stage in narrow.stages)
    weights = json.loads(run("info", tmp_path / SHIPPED, "--json"))
    assert "ratio_figures" not in weights


def test_info_shows_them_as_a_table(made: Path) -> None:
    text = run("info", made)
    table = text[text.index("kB by itself") :].splitlines()[2:]
    assert [line.split()[0] for line in table[: 1 + len(RATIOS)]] == ["1.0", *RATIOS]
    assert all(line.split()[-2:] == ["-", "-"] for line in table[:4]), "nothing is known of them"
    prunable = open_bundle(made).manifest.prunable
    assert prunable is not None
    assert f"carry for the ratios: {prunable.auxiliary_bytes / 1000:.1f} kB" in text


def test_without_a_flatbuffer_writer_bytes_are_left_out(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: object) -> dict[str, int]:
        raise BackendError("no schema here")

    monkeypatch.setattr(bundle_report, "ratio_bytes", missing)
    rows = json.loads(run("info", made, "--json"))["ratio_figures"]
    assert [row["bytes"] for row in rows] == [None] * 4 and rows[0]["macs"] > rows[3]["macs"]


def test_the_self_test_says_which_ratios_it_ran(made: Path) -> None:
    document: Any = json.loads(run("self-test", made, "--resolver", "reference", "--json"))
    schema = json.loads((SCHEMAS / "bundle-self-test.schema.json").read_text())
    fastjsonschema.validate(schema, document)
    assert document["ratios"] == ["1.0", *RATIOS] and document["vectors"] == 32
    assert document["exact"] and document["passed"]
    assert "ratios        1.0, 0.75, 0.5, 0.25" in run("self-test", made)

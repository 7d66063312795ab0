"""`reproduce all-in-one` on the shipped bundle, and the comparison of ideas on made-up answers."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.fakes.prunable_bundles import prunable_draft, write_prunable_bundle

from edge_infer.boards import open_board
from edge_infer.boards.profile import load_profile
from edge_infer.boards.uncertainty import doubts
from edge_infer.commands.reproduce import reproduce_group
from edge_infer.commands.reproduce_all_in_one import _ideas, _key, against_alone
from edge_infer.lab.reproduce.all_in_one_answers import Answers, RatioAnswers
from edge_infer.lab.reproduce.all_in_one_ideas import WAYS, compare_ideas
from edge_infer.lab.reproduce.all_in_one_latency import level_latency
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.redraft import bundle_at
from edge_infer.runtime.stage_costs import work_of

SCHEMA = (
    Path(__file__).parents[2]
    / "tools"
    / "commands"
    / "schemas"
    / "reproduce-all-in-one.schema.json"
)
BUNDLE, UNION, PI_4 = "cifar10-prunable", "cifar10-all-in-one", "sim:raspberry-pi-4b"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(reproduce_group, ["all-in-one", *map(str, arguments)])


@pytest.fixture(scope="module")
def document() -> Any:
    result = invoke("--board", PI_4, "--board", "sim:raspberry-pi-5", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), found)
    return found


def claim(document: Any, name: str, board: str = PI_4) -> Any:
    [found] = [c for c in document["claims"] if (c["id"], c["board"]) == (name, board)]
    return found


def test_latency_is_level_over_the_clocks_of_a_raspberry_pi_4(document: Any) -> None:
    assert claim(document, "latency_spread_over_clocks")["ours"] <= 1.15
    assert claim(document, "latency_spread_over_clocks")["met"]
    fixed = claim(document, "latency_spread_fixed_net")["ours"]
    assert fixed == pytest.approx(1500 / 600, rel=1e-3)
    assert claim(document, "accuracy_points_over_fixed_net")["ours"] >= 2


def test_sensitivity_puts_an_interval_beside_each_figure_of_a_board() -> None:
    result = invoke("--board", PI_4, "--no-memory", "--sensitivity", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    for row in document["claims"]:
        if row["board"] == "any":
            assert "interval" not in row
            continue
        low, high = row["interval"]
        assert low <= row["ours"] + 0.01 and row["ours"] - 0.01 <= high
    spread = claim(document, "latency_spread_over_clocks")
    assert spread["hangs_on"] in doubtful_keys()


def doubtful_keys() -> set[str]:
    return {doubt.key for doubt in doubts(load_profile(PI_4.removeprefix("sim:")))}


def test_the_times_are_those_of_the_board(document: Any) -> None:
    manifest = open_bundle(BUNDLE).manifest
    level = next(level for level in document["levels"] if level["board"] == PI_4)
    assert [row["khz"] for row in level["clocks"]] == [mhz * 1000 for mhz in range(600, 1501, 100)]
    with open_board(PI_4) as board:
        for row in level["clocks"]:
            [stage] = manifest.stages_at(row["ratio"])
            table = board.cost_table([work_of(stage, 0, 1)])
            assert table is not None
            point = next(p for p in table.points if (p.clock_khz, p.threads) == (row["khz"], 1))
            assert row["latency_us"] == table.row(stage.name, point).time_ns / 1000
            assert row["latency_us"] <= level["target_us"] + 1e-9


def test_each_clock_has_the_widest_ratio_that_keeps_the_target() -> None:
    bundle = open_bundle(BUNDLE)
    level = level_latency(bundle, PI_4, 1.15)
    for khz, ratio in level.ratio_of.items():
        wider = [r for r in bundle.manifest.ratios if float(r) > float(ratio)]
        assert all(level.times_ns[r][khz] > level.target_ns for r in wider)
    assert level.fixed == level.ratio_of[min(level.ratio_of)]
    tight = level_latency(bundle, PI_4, 1.0)
    assert tight.spread <= level.spread, "where nothing is level enough, the most level there is"


def test_accuracy_over_the_fixed_net_is_the_mean_over_the_clocks(document: Any) -> None:
    accuracy = {row["ratio"]: row["accuracy_percent"] for row in document["ratios"]}
    level = next(level for level in document["levels"] if level["board"] == PI_4)
    mean = np.mean([accuracy[row["ratio"]] for row in level["clocks"]])
    gained = claim(document, "accuracy_points_over_fixed_net")["ours"]
    assert gained == pytest.approx(mean - accuracy[level["fixed_ratio"]])


def test_sizes_are_those_of_the_files(document: Any) -> None:
    bundle = open_bundle(BUNDLE)
    model, sizes = bundle.stage_model(0), document["bytes"]
    graph = Graph(model)
    kernels = [n.inputs[1] for n in graph.nodes if n.op in ("CONV_2D", "FULLY_CONNECTED")]
    assert sizes["weights"] == sum(graph.tensors[index].elements for index in kernels)
    assert sizes["file"] == len(model) == (bundle.path / "answer.tflite").stat().st_size
    assert 0 < sizes["auxiliary"] < 0.05 * sizes["weights"]
    auxiliary = claim(document, "auxiliary_percent_of_weights", "any")
    assert auxiliary["ours"] == 100 * sizes["auxiliary"] / sizes["weights"] and auxiliary["met"]
    assert claim(document, "file_percent_of_full_width", "any")["ours"] <= 109
    separate = list(sizes["separate"].values())
    assert sorted(separate) == sorted(separate, key=int) and sizes["file"] < sum(separate) / 2
    memory = document["memory_bytes"]
    assert 0 < memory["one_file_narrowest"] < memory["separate"]


def test_a_bundle_without_ratios_is_refused() -> None:
    result = invoke("--bundle", "digits-early-exit")
    assert result.exit_code != 0
    assert "digits-early-exit has no pruning ratios" in str(result.exception)


def test_a_bundle_that_states_no_accuracies_wants_data(tmp_path: Path) -> None:
    result = invoke("--bundle", write_prunable_bundle(tmp_path).path, "--board", PI_4)
    assert result.exit_code != 0
    assert "tiny-prunable states no accuracies by ratio: give --data" in str(result.exception)


def test_claims_that_are_not_met_are_printed_as_such(tmp_path: Path) -> None:
    told = {"1.0": 60.0, "0.75": 60.5, "0.5": 59.5, "0.25": 59.0}
    stated = {"ratios": {ratio: {"test": {"exit_3": value}} for ratio, value in told.items()}}
    draft = dataclasses.replace(prunable_draft(), provenance=stated)
    bundle = write_bundle(tmp_path / "tiny", draft)
    arguments = ["--bundle", bundle.path, "--board", PI_4, "--no-memory"]
    document = json.loads(invoke(*arguments, "--json").stdout)
    met = {c["id"]: c["met"] for c in document["claims"] if c["claimed"] is not None}
    # Few ratios that lie far apart, alike in accuracy, and codes as large as the weights.
    assert len(met) == 4 and not any(met.values())
    files = sum(stage.bytes for stage in bundle.manifest.stages)
    assert bundle.manifest.prunable is not None
    added = bundle.manifest.prunable.auxiliary_bytes
    assert claim(document, "file_percent_of_full_width", "any")["ours"] == pytest.approx(
        100 * files / (files - added)
    )
    rows = [line.split() for line in invoke(*arguments).stdout.splitlines()]
    printed = {row[1]: " ".join(row[4:-1]) for row in rows if len(row) > 5 and row[1] in met}
    assert printed == {name: "met" if value else "not met" for name, value in met.items()}


def test_data_that_is_not_there_is_a_fault_of_usage(tmp_path: Path) -> None:
    result = invoke("--data", tmp_path / "nothing")
    assert result.exit_code != 0 and "nothing" in str(result.exception)


def answers(rng: np.random.Generator, right: list[float], n: int = 400) -> Answers:
    """Answers that are right more often the surer they are."""
    hits = np.array([rng.random(n) < share for share in right])
    early = hits[:-1]
    sure = np.where(early, rng.integers(20, 100, early.shape), rng.integers(0, 60, early.shape))
    same = ExitOutcomes(sure.astype(np.float64), hits)
    return Answers(same, same)


def alone(found: Answers) -> Answers:
    outcomes = found.test
    last = ExitOutcomes(np.empty((0, outcomes.right.shape[1])), outcomes.right[-1:])
    return Answers(last, last)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Any:
    bundle, rng = open_bundle(UNION), np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("plain")
    ratios: dict[str, RatioAnswers] = {}
    for ratio, right in (("1.0", [0.6, 0.7, 0.8]), ("0.53", [0.55, 0.68, 0.785])):
        plain, exits = bundle_at(bundle, ratio, folder / ratio), answers(rng, right)
        first = answers(rng, [0.785, 0.8]) if ratios else None
        ratios[ratio] = RatioAnswers(plain, alone(exits), exits, first)
    return compare_ideas(ratios, [PI_4], (0.7, 2.0), (0.1, 3.0))


def test_all_ideas_together_are_never_worse_than_one_alone_where_they_were_chosen(
    rows: Any,
) -> None:
    cells = {(row["deadline_us"], row["allowed_loss_points"]) for row in rows}
    assert len(cells) == 4 and len(rows) == 20
    for deadline_us, loss in cells:
        found = {
            row["way"]: row
            for row in rows
            if (row["deadline_us"], row["allowed_loss_points"]) == (deadline_us, loss)
        }
        ours = found["all-in-one"]
        for way in WAYS[:-1]:
            if found[way]["net_uj"] is not None:
                assert ours["net_uj"] <= found[way]["net_uj"] + 1e-9
                assert found[way]["loss_points"] <= loss + 1e-9
        assert found["clock"]["choice"] in (None, "1.0")
        assert found["pruning"]["shares"] in (None, [1])


def test_at_equal_loss_no_way_lost_more_than_all_together(rows: Any) -> None:
    cells = {(row["deadline_us"], row["allowed_loss_points"]) for row in rows}
    for cell in cells:
        found = {r["way"]: r for r in rows if (r["deadline_us"], r["allowed_loss_points"]) == cell}
        ours = found["all-in-one"]
        assert ours["net_uj_at_equal_loss"] == ours["net_uj"]
        for way in WAYS[:-1]:
            equal, chosen = found[way]["net_uj_at_equal_loss"], found[way]["net_uj"]
            if chosen is not None and found[way]["loss_points"] <= ours["loss_points"]:
                assert equal <= chosen + 1e-9, "what it chose was there to choose"
            # Without exits the full net loses nothing: it can do that, and nothing better.
            if way == "clock" and chosen is not None:
                wanted = pytest.approx(chosen) if ours["loss_points"] >= 0 else None
                assert equal == wanted


def cell(union_uj: float | None, **alone: float | None) -> dict[str, dict[str, Any]]:
    rows = {way: {"net_uj": alone.get(way.replace("-", "_"))} for way in WAYS[:-1]}
    return rows | {"all-in-one": {"net_uj": union_uj}}


@pytest.mark.parametrize(
    ("found", "percent"),
    [
        (cell(80.0, clock=200.0, pruning=100.0), -20.0),
        (cell(110.0, early_exit=100.0), 10.0),
        (cell(100.0, little_big=100.0), 0.0),
        (cell(100.0), -math.inf),
        (cell(None, clock=100.0), None),
    ],
)
def test_all_together_are_measured_against_the_best_alone(
    found: dict[str, dict[str, Any]], percent: float | None
) -> None:
    assert against_alone(found, "net_uj") == (
        percent if percent is None else pytest.approx(percent)
    )


def test_the_report_counts_where_all_together_cost_less_and_more(rows: Any) -> None:
    dear = [
        row | {"net_uj_at_equal_loss": row["net_uj_at_equal_loss"] * 2}
        if row["way"] == "all-in-one" and row["net_uj"] is not None
        else row
        for row in rows
    ]
    kept = sum(row["way"] == "all-in-one" and row["net_uj"] is not None for row in rows)
    equal = [
        against_alone({r["way"]: r for r in dear if _key(r) == key}, "net_uj_at_equal_loss")
        for key in dict.fromkeys(map(_key, dear))
    ]
    more = sum(percent is not None and percent > 1 for percent in equal)
    text = _ideas(dear)
    assert more and f"{more} cost more" in text.splitlines()[-2]
    assert "0 cost more" in text.splitlines()[-3] and kept == 4


def test_a_deadline_that_the_full_net_cannot_keep_leaves_the_narrower_ones(rows: Any) -> None:
    tight = min(row["deadline_us"] for row in rows)
    found = {
        row["way"]: row
        for row in rows
        if row["deadline_us"] == tight and row["allowed_loss_points"] == 3.0
    }
    assert found["clock"]["net_uj"] is None and found["early-exit"]["net_uj"] is None
    assert found["pruning"]["choice"] == found["all-in-one"]["choice"] == "0.53"


def test_a_ratio_as_a_bundle_of_its_own_answers_the_same(tmp_path: Path) -> None:
    from edge_infer.models_tflite import load_stages, open_backend
    from edge_infer.models_tflite.golden import run_all, synthetic_frames

    bundle, backend = open_bundle(UNION), open_backend()
    plain = bundle_at(bundle, "0.53", tmp_path)
    assert plain.manifest.ratios == ("1.0",) and plain.manifest.prunable is None
    assert plain.manifest.thresholds["1.0"] == bundle.manifest.thresholds["0.53"]
    frames = synthetic_frames(plain.manifest.stages[0].input, 0, 4)
    ours = run_all(load_stages(bundle, backend, ratio="0.53"), frames)
    for mine, theirs in zip(ours, run_all(load_stages(plain, backend), frames), strict=True):
        assert (mine == theirs).all()

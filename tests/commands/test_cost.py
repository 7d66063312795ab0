"""`edge-infer cost` and `boards check`: what is modelled, with its range and its source."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from tests.fakes.odd_models import compiled_for_edgetpu
from tests.fakes.prunable_nets import ChannelNet
from tests.fakes.tiny_models import ModelBuilder, single_model

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names
from edge_infer.boards.uncertainty import Doubt, doubts, drawn, one_by_one, with_figures
from edge_infer.commands.root import run_line
from edge_infer.lab.costs.model_cost import model_cost, model_works
from edge_infer.lab.costs.networks import network
from edge_infer.models_tflite import ModelError, open_bundle
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.runtime.stage_costs import works_of

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
PI_4 = load_profile("raspberry-pi-4b")


def printed(capsys: pytest.CaptureFixture[str], schema: str, *arguments: str) -> Any:
    assert run_line([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads((SCHEMAS / f"{schema}.schema.json").read_text()), document)
    return document


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """A model that is no classifier: two outputs, one of a custom operator."""
    net = ChannelNet("int8", 1)
    frame = net.frame(32)
    trunk = net.layer(net.layer(frame, 16, 3, stride=2), 32)
    boxes = net.map([1, 10, 4])
    net.op("CUSTOM", [trunk], [boxes], custom="TFLite_Detection_PostProcess")
    path = tmp_path / "detector.tflite"
    path.write_bytes(net.build([frame], [boxes, trunk]))
    return path


def test_a_model_that_is_no_classifier_has_a_cost(
    detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(capsys, "cost", "cost", str(detector), "--board", "raspberry-pi-4b")
    assert document["macs"] == 16 * 16 * 16 * 27 + 16 * 16 * 16 * 32
    kinds = {row["kind"]: row for row in document["operators"]}
    assert kinds["CONV_2D"]["count"] == 2 and "TFLite_Detection_PostProcess" in kinds
    assert {point["threads"] for point in document["points"]} == {1, 2, 4}
    assert "CONV_2D takes" in document["bottleneck"]


def test_the_numbers_are_those_of_the_cost_model_and_lie_in_their_ranges(
    detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(capsys, "cost", "cost", str(detector), "--board", "sim:raspberry-pi-4b")
    (work,) = model_works("detector", detector.read_bytes())
    model = CostModel(PI_4)
    for point in document["points"]:
        row = model.row(work, OperatingPoint(point["clock_khz"], point["threads"]))
        assert point["time_us"] == row.time_ns / 1e3
        assert point["gross_uj"] == row.energy_nj / 1e3
        idle_uj = model.idle_uw * row.time_ns / 1e9
        assert point["gross_uj"] - point["net_uj"] == pytest.approx(idle_uj)
        for value, span in (("time_us", "time_range_us"), ("net_uj", "net_range_uj")):
            assert point[span][0] < point[value] < point[span][1]


def test_a_range_is_what_the_doubtful_figures_allow() -> None:
    """With one figure in doubt the range is the two ends of that figure."""
    work = network("mobilenet-v2-1.0-224")
    key = "kernels.int8.cycles_per_kinstruction"
    only = replace(PI_4, figures={
        name: figure if name == key else replace(figure, low=None, high=None)
        for name, figure in PI_4.figures.items()
    })  # fmt: skip
    (doubt,) = doubts(only)
    point = OperatingPoint(1_500_000)
    ends = [
        CostModel(with_figures(PI_4, {key: value})).row(work, point).time_ns
        for value in (doubt.low, doubt.high)
    ]
    assert [CostModel(p).row(work, point).time_ns for _, p in one_by_one(only)] == ends
    assert ends[0] < CostModel(PI_4).row(work, point).time_ns < ends[1]


@pytest.mark.parametrize("name", [n for n in profile_names() if load_profile(n).kernels])
def test_every_doubtful_figure_can_be_replaced_and_is_drawn_from_its_range(name: str) -> None:
    profile = load_profile(name)
    ranges = doubts(profile)
    assert ranges
    for doubt, value in zip(ranges, _values(drawn_once(profile), ranges), strict=True):
        assert doubt.low <= value <= doubt.high, doubt.key
    assert _values(drawn_once(profile), ranges) == _values(drawn_once(profile), ranges)
    # Nothing else changes.
    own = dict(zip([doubt.key for doubt in ranges], _values(profile, ranges), strict=True))
    back = with_figures(drawn_once(profile), own)
    assert (back.cpu, back.power, back.overhead) == (profile.cpu, profile.power, profile.overhead)


def drawn_once(profile: BoardProfile) -> BoardProfile:
    return next(drawn(profile, 1, seed=5))


def _values(profile: BoardProfile, ranges: Sequence[Doubt]) -> list[int]:
    values = []
    for doubt in ranges:
        value: Any = profile
        for part in doubt.key.split("."):
            value = getattr(value, part) if hasattr(value, part) else value.speeds[part]
        values.append(value)
    return values


def test_a_bundle_costs_its_longest_path(capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "cost", "cost", "digits-early-exit", "--threads", "1")
    model = CostModel(load_profile("raspberry-pi-5"))
    works = works_of(open_bundle("digits-early-exit"))
    ns = sum(model.row(work, OperatingPoint(2_400_000)).time_ns for work in works)
    assert document["points"][-1]["time_us"] == ns / 1e3
    assert document["macs"] == sum(work.macs for work in works)


def test_older_kernels_take_longer_by_their_factor() -> None:
    works = (network("efficientnet-lite4"),)
    now, then = (
        model_cost("x", works, "raspberry-pi-4b", (4,), kernels)["points"][-1]["time_us"]
        for kernels in ("", "ruy-2021")
    )
    assert then / now == pytest.approx(1.46, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["none.tflite"], 2, "there is no file none.tflite"),
        (["digits-early-exit", "--threads", "8"], 2, "8 threads on raspberry-pi-5: it has 4"),
        (["digits-early-exit", "--board", "pi-9"], 2, "no board pi-9"),
        (["digits-early-exit", "--board", "host"], 1, "states no cpu, power, kernels"),
        (["digits-early-exit", "--kernels", "acl"], 2, "there is: none"),
        (["digits-early-exit", "--threads", "x"], 2, "are no thread counts"),
        (["nowhere"], 2, "nowhere"),
    ],
)
def test_what_has_no_cost_is_said_in_one_line(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["cost", *arguments]) == code
    assert sentence in capsys.readouterr().err


def test_a_cut_or_foreign_file_is_refused(
    detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = detector.read_bytes()
    detector.write_bytes(whole[: len(whole) // 2])
    assert run_line(["cost", str(detector)]) == 3
    text = detector.with_name("readme.tflite")
    text.write_text("no model at all")
    assert run_line(["cost", str(text)]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_boards_check_tells_ratio_median_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "boards-check", "boards", "check", "--board", "sim:raspberry-pi-4b")
    judged = [row for row in document["rows"] if row["use"] != "context" and row["published_ms"]]
    errors = sorted(abs(r["model_ms"] / r["published_ms"] - 1) for r in judged)
    assert document["worst_error_percent"] == pytest.approx(100 * errors[-1])
    assert errors[0] < document["median_error_percent"] / 100 < errors[-1]
    assert run_line(["boards", "check", "--board", "raspberry-pi-4b"]) == 0
    text = capsys.readouterr().out
    assert "mlcommons/inference_results_v1.0" in text and "at worst" in text
    assert run_line(["boards", "check", "--board", "host"]) == 1
    assert "no published measurement of host" in capsys.readouterr().err


def test_work_that_cannot_be_counted_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would come out far too cheap, or of kernels that nobody counted."""
    frame = [1, 8, 8, 4]

    def refused(model: bytes) -> str:
        path = tmp_path / "odd.tflite"
        path.write_bytes(model)
        assert run_line(["cost", str(path)]) == 2
        return capsys.readouterr().err

    opened = unpack(single_model())
    opened.subgraphs[0].tensors[0].shapeSignature = [1, -1, -1, 3]
    assert "[1, -1, -1, 3]: its work hangs on the open sizes" in refused(pack(opened))
    assert "compiled for the Edge TPU" in refused(compiled_for_edgetpu())
    b = ModelBuilder()
    inside = b.tensor("frame", frame, "float32", 0.0)
    outside = b.tensor("map", frame, "float32", 0.0)
    b.op("CONV_2D", [inside, b.weights("w", [4, 1, 1, 4])], [outside], "Conv2DOptions")
    assert "int8 weights under float32 activations" in refused(b.build([inside], [outside]))


def test_weights_in_float16_are_unpacked_once_and_not_each_time() -> None:
    b = ModelBuilder()
    inside, outside = (b.tensor(name, [1, 4], "float32", 0.0) for name in ("frame", "scores"))
    packed = b.tensor("packed", [4, 4], "float32", 0.0, data=np.ones((4, 4), np.float32))
    weights = b.tensor("weights", [4, 4], "float32", 0.0)
    b.op("DEQUANTIZE", [packed], [weights])
    b.op("FULLY_CONNECTED", [inside, weights], [outside], "FullyConnectedOptions")
    (work,) = model_works("half", b.build([inside], [outside]))
    assert [op.op for op in work.ops] == ["FULLY_CONNECTED"] and work.macs == 16


def test_a_model_without_products_is_of_its_inputs_type() -> None:
    b = ModelBuilder()
    inside, beside = b.tensor("frame", [1, 4]), b.tensor("other", [1, 4])
    (work,) = model_works("sum", b.build([inside, beside], [b.add("sum", inside, beside)]))
    assert work.dtype == "int8"


def test_pooling_that_lost_its_window_is_damage() -> None:
    tree = unpack(single_model())
    for node in tree.subgraphs[0].operators:
        node.builtinOptions, node.builtinOptionsType = None, 0
    with pytest.raises(ModelError, match="AVERAGE_POOL_2D has no window: the file is damaged"):
        model_works("cut", pack(tree))

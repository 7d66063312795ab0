"""Which ratios a recipe's boards ask for, and what widths they get. Needs no TensorFlow."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OpWork
from edge_infer.boards.profile import load_profile
from edge_infer.commands.train import ablation_report
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.prunable.ablation import ablation_document
from edge_infer.lab.train.prunable.spacing import shares_needed, spaced_ratios
from edge_infer.lab.train.prunable.widths import net_at, step_of, widths_of, works_at

NET = {
    "builder": "early-exit",
    "stages": [
        [{"conv": 32, "stride": 2}, {"residual_of": 32}],
        [{"conv": 64, "pool": 2}, {"residual_of": 64, "inner": 48}],
    ],
    "heads": [[{"pool": 2}, {"conv": 16, "stride": 2}], []],
}
PI_4 = "sim:raspberry-pi-4b"
SHAPE = (32, 32, 3)


def test_widths_are_those_that_may_be_chosen() -> None:
    assert widths_of(NET) == (32, 32, 16, 64, 48)
    narrow = net_at(NET, (24, 16, 8, 48, 32))
    assert narrow["stages"][0] == [
        {"conv": 24, "stride": 2},
        {"residual_of": 24, "inner": 16},
    ]
    assert narrow["stages"][1] == [{"conv": 48, "pool": 2}, {"residual_of": 48, "inner": 32}]
    assert narrow["heads"] == [[{"pool": 2}, {"conv": 8, "stride": 2}], []]
    assert widths_of(narrow) == (24, 16, 8, 48, 32)


def test_other_nets_cannot_be_narrowed() -> None:
    with pytest.raises(TrainError, match="has the builder early-exit"):
        widths_of({"builder": "branches", "branches": []})


def test_work_by_hand() -> None:
    first, second = works_at(NET, widths_of(NET), SHAPE, 10)
    convolutions = [op.macs for op in first.ops if op.op == "CONV_2D"]
    assert convolutions == [
        16 * 16 * 32 * 3 * 9,
        16 * 16 * 32 * 32 * 9,
        16 * 16 * 32 * 32 * 9,
        4 * 4 * 16 * 32 * 9,
    ]
    assert [op.op for op in first.ops[3:]] == [
        "ADD", "MAX_POOL_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert (first.first, first.decides) == (True, True)
    assert (second.first, second.decides) == (False, False)
    assert second.ops[-1] == OpWork("FULLY_CONNECTED", 64 * 10, 10, 10, 1, 64)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.lists(st.integers(100, 3000), min_size=1, max_size=12, unique=True),
        min_size=1,
    ),
    st.floats(1.02, 1.5),
)
def test_every_clock_is_served_within_the_spread(
    clocks: dict[str, list[int]], spread: float
) -> None:
    shares = list(shares_needed(clocks, spread))
    assert shares[0] == 1 and shares == sorted(shares, reverse=True)
    for all_ in clocks.values():
        for khz in all_:
            need = khz / max(all_)
            assert any(need <= share <= need * (spread + 1e-6) for share in shares)
    assert all(upper / lower > spread for upper, lower in pairwise(shares))


def test_the_ratios_of_a_board_cost_what_its_clocks_leave_time_for() -> None:
    ratios = spaced_ratios(NET, SHAPE, 10, [PI_4], 1.12)
    assert len(ratios) == 7 and ratios[0].widths == widths_of(NET)
    model = CostModel(load_profile("raspberry-pi-4b"))

    def cycles(widths: tuple[int, ...]) -> float:
        found = [model.cycles(work) for work in works_at(NET, widths, SHAPE, 10)]
        return sum(each.kernel + each.overhead for each in found)

    for ratio in ratios:
        assert cycles(ratio.widths) / cycles(ratios[0].widths) == pytest.approx(ratio.share)
        assert ratio.share == pytest.approx(float(ratio.name), abs=0.05)
        for width, whole in zip(ratio.widths, widths_of(NET), strict=True):
            assert width % step_of(whole) == 0 and 0 < width <= whole
    shares = [ratio.share for ratio in ratios]
    assert shares == sorted(shares, reverse=True)


def test_what_no_widths_reach_is_said() -> None:
    tiny = {"builder": "early-exit", "stages": [[{"conv": 16}]], "heads": [[]]}
    with pytest.raises(TrainError, match=r"widths \(8,\) are .* off what a clock needs"):
        spaced_ratios(tiny, (8, 8, 1), 2, ["sim:generic-wide-range"], 1.12)


def row(seed: int, way: str, ratio: str, test: float) -> dict[str, object]:
    return {"seed": seed, "way": way, "ratio": ratio, "test": test}


def test_an_ablation_says_where_sharing_loses() -> None:
    rows = [
        row(seed, way, ratio, value + seed)
        for seed in (1, 3)
        for way, by_ratio in {
            "learned": {"1.0": 80.0, "0.5": 70.0},
            "arbitrary": {"1.0": 79.0, "0.5": 71.5},
            "magnitude": {"1.0": 78.0, "0.5": 69.5},
            "alone": {"1.0": 80.5, "0.5": 71.5},
        }.items()
        for ratio, value in by_ratio.items()
    ]
    document = ablation_document(rows)
    assert document["mean_test_percent"]["learned"] == {"1.0": 82.0, "0.5": 72.0}
    assert document["points_behind_alone"] == {"1.0": 0.5, "0.5": 1.5}
    assert document["points_ahead_of_order"] == {"arbitrary": -0.25, "magnitude": 1.25}
    assert not document["met"]
    text = ablation_report(document)
    assert "0.5: +1.50" in text and "not met" in text
    assert "-0.25 of arbitrary, +1.25 of magnitude" in text
    assert ablation_document([r for r in rows if r["ratio"] == "1.0"])["met"]

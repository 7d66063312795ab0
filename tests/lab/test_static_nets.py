"""Static nets as rivals: the paired test, mixtures by chance, and what a figure hangs on."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.uncertainty import doubts, with_figures
from edge_infer.lab.comparison.comparison import Comparison
from edge_infer.lab.comparison.comparison_document import read_statics
from edge_infer.lab.comparison.comparison_frames import read_frames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.comparison.sensitivity import intervals, moved_to
from edge_infer.lab.comparison.static_nets import not_less_accurate
from edge_infer.lab.costs.networks import network
from edge_infer.lab.reproduce.eenet import rivals
from edge_infer.lab.reproduce.paper import claim
from edge_infer.models_tflite import open_backend, open_bundle
from edge_infer.runtime.errors import InputError

PI_5 = load_profile("raspberry-pi-5")
BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=30, max_size=300)


@given(BITS)
def test_the_test_is_mcnemars_one_sided(pairs: list[tuple[bool, bool]]) -> None:
    ours, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    only_ours = int((ours & ~theirs).sum())
    only_theirs = int((theirs & ~ours).sum())
    if only_ours + only_theirs == 0:
        assert not_less_accurate(ours, [theirs], [1.0])
        return
    z = (only_ours - only_theirs) / math.sqrt(only_ours + only_theirs)
    assert not_less_accurate(ours, [theirs], [1.0]) == (z <= NormalDist().inv_cdf(0.95))


@given(BITS, st.floats(0, 1))
@settings(max_examples=50)
def test_a_mixture_of_a_net_with_itself_is_the_net(
    pairs: list[tuple[bool, bool]], share: float
) -> None:
    ours, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    mixed = not_less_accurate(ours, [theirs, theirs], [1 - share, share])
    assert mixed == not_less_accurate(ours, [theirs], [1.0])


def test_the_test_calls_an_equal_net_worse_in_one_case_of_twenty() -> None:
    """Two nets of 90 % that err independently: wrong calls at 5 %, within four standard errors."""
    draw = np.random.default_rng(3)
    trials = 2_000
    wrong = sum(
        not not_less_accurate(draw.random(1_000) < 0.9, [draw.random(1_000) < 0.9], [1.0])
        for _ in range(trials)
    )
    assert abs(wrong / trials - 0.05) < 4 * math.sqrt(0.05 * 0.95 / trials)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    bundle, kernels = open_bundle("digits-early-exit"), open_backend()
    frames = read_frames(bundle, kernels, None, 400, "1.0")
    other = open_bundle("digits-little-big")
    nets = read_statics(bundle, frames, [other], kernels, None, 400, lambda _: None)
    conditions = Conditions("sim:raspberry-pi-5", frames=500, time_scale=50)
    return Comparison(bundle, frames, conditions, statics=nets)


def test_each_exit_alone_and_each_other_net_is_a_rival_at_its_cheapest_point(
    comparison: Comparison,
) -> None:
    document = comparison.static()
    assert document is not None
    rows = {row["net"]: row for row in document["nets"]}
    assert set(rows) == {
        "digits-early-exit:exit1", "digits-early-exit:exit2", "digits-early-exit",
        "digits-little-big:little", "digits-little-big",
    }  # fmt: skip
    labels = comparison.scored.frames.labels
    assert labels is not None and document["images"] == len(labels)
    for net in comparison.statics:
        row, table = rows[net.name], comparison.table
        cheapest = min(
            table.row(net.name, p).energy_nj
            - table.idle_reference_uw * table.row(net.name, p).time_ns / 1e6
            for p in comparison.points
            if table.row(net.name, p).time_ns <= comparison.deadline_ns
        )
        # Idle power is one for all clocks in the table, so waiting costs nothing net.
        assert row["net_uj"] == pytest.approx(cheapest / 1e3, rel=0.02)
        answers = [row[0].answer for row in net.frames.decisions]
        assert row["accuracy"] == np.mean(np.equal(answers, labels))


def test_the_best_is_the_cheapest_of_those_that_may_be(comparison: Comparison) -> None:
    document = comparison.static()
    assert document is not None
    best, equal = document["best"], document["best_equal_estimate"]
    singles = [row for row in document["nets"] if row["not_less_accurate"]]
    assert best["net_uj"] <= min(row["net_uj"] for row in singles) + 1e-9
    assert best["not_less_accurate"] and equal["accuracy"] >= document["accuracy"] - 1e-9
    assert sum(best["shares"]) == pytest.approx(1)
    assert best["net_uj"] <= equal["net_uj"] + 1e-9


def test_rivals_have_the_same_classes() -> None:
    bundle = open_bundle("digits-early-exit")
    assert [other.manifest.name for other in rivals(open_bundle("cifar10-early-exit"))] == [
        "cifar10-narrow", "cifar10-prunable",
    ]  # fmt: skip
    frames = read_frames(bundle, open_backend(), None, 100, "1.0")
    narrow = [open_bundle("cifar10-narrow")]
    with pytest.raises(InputError, match="it is no rival"):
        read_statics(bundle, frames, narrow, open_backend(), None, 100, lambda _: None)


def test_an_interval_holds_the_figure_and_names_what_it_hangs_on() -> None:
    work = network("mobilenet-v2-1.0-224")
    key = "kernels.int8.cycles_per_kinstruction"

    def figures(profile: BoardProfile) -> dict[str, float]:
        row = CostModel(profile).row(work, OperatingPoint(2_400_000))
        return {"time": float(row.time_ns), "one": 1.0}

    found = intervals(figures, PI_5, count=60)
    time = found["time"]
    assert time["hangs_on"] == key
    (doubt,) = (d for d in doubts(PI_5) if d.key == key)
    ends = [figures(with_figures(PI_5, {key: value}))["time"] for value in (doubt.low, doubt.high)]
    assert time["swing"] == ends
    assert (
        ends[0] * 0.98 < time["interval"][0] < time["value"] < time["interval"][1] < ends[1] * 1.02
    )
    assert found["one"] == {"value": 1.0, "interval": [1.0, 1.0], "hangs_on": None, "swing": None}
    assert intervals(figures, PI_5, count=60) == found
    moved = moved_to(1.5, {"value": 1.0, "interval": [0.9, 1.2], "hangs_on": "x", "swing": [0, 2]})
    assert moved["interval"] == pytest.approx([1.4, 1.7]) and moved["swing"] == [0.5, 2.5]
    settled = replace(PI_5, figures={
        name: replace(figure, low=None, high=None) for name, figure in PI_5.figures.items()
    })  # fmt: skip
    assert intervals(figures, settled, count=2)["time"]["hangs_on"] is None


@pytest.mark.parametrize(
    ("ends", "met"), [((60.0, 70.0), None), ((64.0, 70.0), True), ((50.0, 60.0), False)]
)
def test_a_claim_inside_its_interval_is_not_decided(ends: tuple[float, float], met: object) -> None:
    ours = sum(ends) / 2
    interval = {"interval": list(ends), "hangs_on": "power.fixed_permille"}
    row = claim("x", "any", 63.8, ours, "%", "higher", "synthetic", interval, load=0.6)
    assert row["met"] is met and row["load"] == 0.6 and row["interval"] == list(ends)

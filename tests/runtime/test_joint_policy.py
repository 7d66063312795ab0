"""The joint policy: in the engine on a simulated board as in the replay; what it lacks is said."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes.live_policies import live_governor
from tests.fakes.prunable_bundles import HELD_BACK, write_telling_bundle

from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.scored_frames import scored_bundle
from edge_infer.models_tflite import Bundle, load_stages, open_backend, open_bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.golden import run_all
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.energy_budget import BudgetError
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.frames.sources import ArraySource
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.policies.joint_policy import RatioContext, ratio_contexts, worth_choosing
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.stage_costs import all_works, row_name, switch_work

COUNT = 60


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_telling_bundle(tmp_path_factory.mktemp("bundles"))


def board_of() -> SimulatedBoard:
    return SimulatedBoard(load_profile("raspberry-pi-5"))


def governor_of(bundle: Bundle, board: SimulatedBoard, period_ns: int, loss: float) -> Governor:
    return live_governor(
        "planned-joint", bundle, board, arrivals=Periodic(1e9 / period_ns),
        deadline_ns=period_ns, loss_points=loss,
    )  # fmt: skip


def full_width_ns(bundle: Bundle, board: SimulatedBoard) -> int:
    """Time of all stages at full width and the top clock."""
    table = board.cost_table(all_works(bundle))
    return sum(table.row(stage.name, table.points[-1]).time_ns for stage in bundle.manifest.stages)


def frames_of(bundle: Bundle) -> tuple[NDArray[Any], NDArray[Any]]:
    """`COUNT` frames: the samples over and over."""
    samples = bundle.samples()
    assert samples is not None
    which = np.arange(COUNT) % len(samples[0])
    return samples[0][which], samples[1][which]


def run_live(bundle: Bundle, period_ns: int, loss: float) -> list[InferenceRecord]:
    board = board_of()
    source = ArraySource(*frames_of(bundle), FrameSpec.of(bundle))
    governor = governor_of(bundle, board, period_ns, loss)
    arrivals = Periodic(1e9 / period_ns)
    records: list[InferenceRecord] = []
    with Engine(bundle, board, policy=governor) as engine:
        EventLoop(
            engine, board.timebase, source, arrivals, records.append, deadline_ns=period_ns
        ).run()
    return records


@pytest.mark.parametrize(("load", "loss"), [(0.8, 0.0), (0.8, 5.0)])
def test_the_engine_and_the_replay_choose_the_same_ratios(
    bundle: Bundle, load: float, loss: float
) -> None:
    """Load is of the full width without early exits at the top clock."""
    board = board_of()
    period_ns = round(full_width_ns(bundle, board) / load)
    records = run_live(bundle, period_ns, loss)
    images, labels = frames_of(bundle)
    scored = {
        ratio: scored_bundle(
            bundle,
            run_all(load_stages(bundle, open_backend(), ratio=ratio), list(images)),
            labels,
            ratio,
        )
        for ratio in bundle.manifest.ratios
    }
    change = switch_work(bundle.manifest, "1.0")
    table = board.cost_table([*all_works(bundle), change])
    names = [stage.name for stage in bundle.manifest.stages]
    costs = {r: ReplayCosts(table, [row_name(name, r) for name in names]) for r in scored}
    times = Periodic(1e9 / period_ns).times_ns(0)
    replay = Replay(
        scored["1.0"],
        Traffic(range(COUNT), [next(times) for _ in range(COUNT)], period_ns),
        costs["1.0"],
        narrower={r: (scored[r], costs[r]) for r in scored if r != "1.0"},
        ratio_switch={point: table.row(change.name, point) for point in table.points},
    )
    result = replay.run(governor_of(bundle, board, period_ns, loss), table.points[0])
    live = Counter(record.ratio for record in records)
    assert set(live) == set(result.ratios)
    assert all(abs(live[ratio] - result.ratios[ratio]) <= 2 for ratio in live)
    lost = sum((90.0 - HELD_BACK[ratio]) * n for ratio, n in live.items()) / len(records)
    if loss:
        assert 0.0 < lost <= loss
    else:
        assert set(live) == {"1.0"}


def test_ratios_that_a_mixture_of_two_others_replaces_are_left_out() -> None:
    def ratio(name: str, loss: float) -> RatioContext:
        return RatioContext(name, ("a",), (1.0,), loss)

    ratios = [ratio("1.0", 0.0), ratio("0.8", 1.0), ratio("0.6", 2.0), ratio("0.5", 2.5)]
    costs = {"1.0": [9.0], "0.8": [8.5], "0.6": [5.0], "0.5": [6.0]}
    assert worth_choosing(ratios, costs) == ["1.0", "0.6"]
    other = {"1.0": [9.0, 9.0], "0.8": [8.5, 6.0], "0.6": [5.0, 5.0], "0.5": [6.0, 5.0]}
    assert worth_choosing(ratios, other) == ["1.0", "0.8", "0.6"]


def test_what_a_joint_plan_lacks_is_said(bundle: Bundle) -> None:
    board, arrivals = board_of(), Periodic(100.0)
    with pytest.raises(PolicyError, match="it is not prunable"):
        live_governor("planned-joint", open_bundle("digits-early-exit"), board)
    with pytest.raises(BudgetError, match="that is the floor"):
        live_governor(
            "planned-joint", bundle, board, arrivals=arrivals, deadline_ns=10**7, budget_uw=10**6
        )
    silent = replace(bundle.manifest, provenance={})
    with pytest.raises(PolicyError, match="does not say how accurate its ratio"):
        ratio_contexts(silent)

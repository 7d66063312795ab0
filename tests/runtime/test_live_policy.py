"""The planner's policies in the real engine on a simulated board, against the replay."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.fakes.live_policies import live_governor

from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated import IDEAL, Disturbance, SimulatedBoard
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.scored_frames import ScoredFrames, scored_bundle
from edge_infer.lab.tuning.predictor_fitting import fit_predictor
from edge_infer.models_tflite import Bundle, open_backend, open_bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.energy_budget import BudgetError
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.frames.sources import ArraySource
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.stage_costs import works_of

COUNT = 150
RATE_HZ = 6000.0
DEADLINE_NS = 200_000


def with_predictor() -> tuple[Bundle, ScoredFrames]:
    bundle = open_bundle("digits-early-exit")
    samples = bundle.samples()
    assert samples is not None
    frames, labels = samples[0][:COUNT], samples[1][:COUNT]
    scores = run_all(load_stages(bundle, open_backend()), list(frames))
    scored = scored_bundle(bundle, scores, labels)
    scale = bundle.manifest.stages[0].scores.scale
    predictor = fit_predictor(scores[0], scored.exits, len(scores), scale, "a test")
    manifest = replace(bundle.manifest, predictor={"1.0": predictor.to_document()})
    return replace(bundle, manifest=manifest), scored


BUNDLE, SCORED = with_predictor()


def board_of(**options: object) -> SimulatedBoard:
    profile = load_profile("raspberry-pi-5")
    return SimulatedBoard(profile, **{"truth": IDEAL} | options)  # type: ignore[arg-type]


def run_live(
    board: SimulatedBoard, policy: str, threads: int = 1
) -> tuple[Sequence[InferenceRecord], Engine]:
    samples = BUNDLE.samples()
    assert samples is not None
    source = ArraySource(samples[0][:COUNT], samples[1][:COUNT], FrameSpec.of(BUNDLE))
    arrivals = Periodic(RATE_HZ)
    records: list[InferenceRecord] = []
    with Engine(
        BUNDLE, board, policy=policy, threads=threads, deadline_ns=DEADLINE_NS, arrivals=arrivals
    ) as engine:
        EventLoop(
            engine, board.timebase, source, arrivals, records.append, deadline_ns=DEADLINE_NS
        ).run()
    return records, engine


@pytest.mark.parametrize("policy", ["planned", "planned-blind", "powersave"])
def test_the_engine_and_the_replay_agree(policy: str) -> None:
    board = board_of()
    records, _ = run_live(board, policy)
    table = board.cost_table(works_of(BUNDLE))
    governor = live_governor(
        policy, BUNDLE, board, arrivals=Periodic(RATE_HZ), deadline_ns=DEADLINE_NS
    )
    arrivals = Periodic(RATE_HZ).times_ns(0)
    traffic = Traffic(range(COUNT), [next(arrivals) for _ in range(COUNT)], DEADLINE_NS)
    costs = ReplayCosts(table, [work.name for work in works_of(BUNDLE)])
    replay = Replay(SCORED, traffic, costs)  # the live board charges nothing for plans
    result = replay.run(governor, table.points[0])
    assert [record.exit for record in records] == SCORED.exits.tolist()
    live_ns = sum(record.busy_ns for record in records)
    replayed_ns = sum(result.latency_ns) - sum(r.start_ns - r.arrival_ns for r in records)
    assert live_ns == pytest.approx(replayed_ns, rel=0.02)
    assert sum(record.missed for record in records) == pytest.approx(result.late, abs=2)


def test_threads_change_between_stages_without_a_change_of_clock() -> None:
    board = board_of()
    records, engine = run_live(board, "planned", threads=4)
    assert isinstance(engine.governor, PlannedGovernor)
    assert engine.governor.thread_counts == (1, 2, 4)
    truth = board.activities()
    assert sum(truth[name].count for name in engine.exit_names) == sum(
        len(record.points) for record in records
    )
    plain, _ = run_live(board_of(), "planned")
    assert [r.answer for r in records] == [r.answer for r in plain]


def test_a_slower_board_shows_in_the_state() -> None:
    _, engine = run_live(board_of(disturbance=Disturbance(slowdown=1.25)), "planned")
    assert isinstance(engine.governor, PlannedGovernor)
    state = engine.governor.state()
    assert state["slowdown"] == pytest.approx(1.25, rel=0.05)
    assert state["solutions"] > 1


def test_what_a_policy_lacks_is_said() -> None:
    board = board_of()
    bare = open_bundle("digits-early-exit")
    if bare.manifest.predictor is None:
        with pytest.raises(PolicyError, match="carries no exit predictor"):
            live_governor("planned", bare, board)
    with pytest.raises(PolicyError, match="for compare alone"):
        live_governor("planned-perfect", BUNDLE, board)
    with pytest.raises(BudgetError, match="the floor"):
        live_governor("planned", BUNDLE, board, budget_uw=1000)

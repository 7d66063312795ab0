"""All stages of a frame run at one ratio; it changes between frames, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.live_policies import live_governor
from tests.fakes.prunable_bundles import RATIOS, write_prunable_bundle

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.models_tflite import UnknownRatioError, load_stages, open_backend
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.prunable import PrunableModel
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import PolicyError, RunError
from edge_infer.runtime.exit_criterion import exit_criteria
from edge_infer.runtime.records import Frame, InferenceRecord
from edge_infer.runtime.stage_costs import all_works, works_of

BOARD = "sim:raspberry-pi-4b"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_prunable_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def engine(bundle: Bundle) -> Iterator[Engine]:
    with open_board(BOARD, ideal=True) as board, Engine(bundle, board) as opened:
        yield opened


def answers(engine: Engine, bundle: Bundle) -> list[InferenceRecord]:
    frames = bundle.golden().frames
    return [engine.infer(Frame(number, data)) for number, data in enumerate(frames)]


def wanted(bundle: Bundle, ratio: str) -> list[tuple[int, int]]:
    """Exit and answer of the golden frames, without an engine."""
    scores = run_all(load_stages(bundle, open_backend(), ratio=ratio), bundle.golden().frames)
    judges, found = exit_criteria(bundle.manifest, ratio), []
    for row in zip(*scores, strict=True):
        decisions = [judge(own) for judge, own in zip(judges, row, strict=True)]
        index = next(i for i, decision in enumerate(decisions) if decision.leave)
        found.append((index, decisions[index].answer))
    return found


def test_every_ratio_answers_as_its_stages_do(engine: Engine, bundle: Bundle) -> None:
    seen = set()
    for ratio in ("0.5", "1.0", "0.25", "0.75"):
        engine.set_ratio(ratio)
        records = answers(engine, bundle)
        assert [(record.exit, record.answer) for record in records] == wanted(bundle, ratio)
        assert {record.ratio for record in records} == {ratio}
        seen.add(tuple((record.exit, record.answer) for record in records))
    assert len(seen) > 1 and engine.ratio_switches == 4


def test_a_narrower_ratio_takes_less_time_and_energy(engine: Engine, bundle: Bundle) -> None:
    times = {}
    for ratio in ("1.0", "0.25"):
        engine.set_ratio(ratio)
        records = answers(engine, bundle)
        ends = {record.stage_end_ns[0] - record.stage_start_ns[0] for record in records}
        times[ratio] = max(ends)
    table = engine.cost_table
    assert table is not None
    point = OperatingPoint(engine.board.clock.current_khz())
    assert times["1.0"] == table.row("exit_1", point).time_ns
    assert times["0.25"] == table.row("exit_1@0.25", point).time_ns < times["1.0"]
    assert all(record.energy is not None for record in engine.finish())


def test_the_cost_table_has_every_stage_at_every_ratio(engine: Engine, bundle: Bundle) -> None:
    assert engine.cost_table is not None
    names = [work.name for work in all_works(bundle)]
    assert names[:3] == ["exit_1", "exit_2", "exit_3"] and names[-1] == "exit_3@0.25"
    assert list(engine.cost_table.stages) == names
    assert engine.exit_names == ("exit_1", "exit_2", "exit_3")
    assert works_of(bundle, "0.5")[0].macs < works_of(bundle)[0].macs


def test_a_switch_takes_board_time(engine: Engine) -> None:
    before_ns = engine.timebase.now_ns()
    engine.set_ratio("0.5")
    after_ns = engine.timebase.now_ns()
    engine.set_ratio("0.5")
    assert before_ns < after_ns == engine.timebase.now_ns()


def test_an_unknown_ratio_changes_nothing(engine: Engine, bundle: Bundle) -> None:
    engine.set_ratio("0.5")
    with pytest.raises(
        UnknownRatioError, match=r"no ratio 0\.6; there are: 1\.0, 0\.75, 0\.5, 0\."
    ):
        engine.set_ratio("0.6")
    assert engine.ratio == "0.5"
    assert [(r.exit, r.answer) for r in answers(engine, bundle)] == wanted(bundle, "0.5")


def test_without_memory_the_old_ratio_goes_on(
    engine: Engine, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(self: PrunableModel, ratio: str) -> bytes:
        raise MemoryError

    engine.set_ratio("0.75")
    before = wanted(bundle, "0.75")
    monkeypatch.setattr(PrunableModel, "materialise", no_room)
    with pytest.raises(
        RunError, match=r"ratio 0\.25 cannot be loaded \(out of memory\): it goes on"
    ):
        engine.set_ratio("0.25")
    assert engine.ratio == "0.75"
    assert [(r.exit, r.answer) for r in answers(engine, bundle)] == before


def test_a_governor_without_memory_goes_on_too(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(self: PrunableModel, ratio: str) -> bytes:
        raise MemoryError

    with open_board(BOARD) as board:
        governor = live_governor("stable-latency:powersave", bundle, board, target_ns=1)
        with Engine(bundle, board, policy=governor) as engine:
            monkeypatch.setattr(PrunableModel, "materialise", no_room)
            records = answers(engine, bundle)
            assert {record.ratio for record in records} == {"1.0"}
            assert list(engine.refused_ratios) == ["0.25"]


@pytest.mark.parametrize("khz", [600_000, 1_500_000])
def test_the_ratio_follows_the_clock(bundle: Bundle, khz: int) -> None:
    with open_board(BOARD) as board:
        table = board.cost_table(all_works(bundle))
        assert table is not None
        stages = [stage.name for stage in bundle.manifest.stages]
        # What the half width takes at the lowest clock.
        target_ns = sum(table.row(f"{s}@0.5", OperatingPoint(600_000)).time_ns for s in stages)
        policy = f"stable-latency:fixed:{khz // 1000}"
        governor = live_governor(policy, bundle, board, target_ns=target_ns)
        with Engine(bundle, board, policy=governor) as engine:
            records = answers(engine, bundle)
        assert {record.ratio for record in records} == {"0.5" if khz == 600_000 else "1.0"}
        assert all(record.busy_ns <= target_ns for record in records[1:])


def test_a_throttled_clock_gets_a_narrower_ratio(bundle: Bundle) -> None:
    with open_board(BOARD) as board:
        governor = live_governor("stable-latency", bundle, board, target_ns=150_000)
        slow, fast = (governor.ratio_at(OperatingPoint(k)) for k in (600_000, 1_500_000))
        assert governor.ratio_at(OperatingPoint(650_000)) == slow
        assert governor.ratio_at(OperatingPoint(100_000)) == RATIOS[-1]
        assert float(slow) <= float(fast)


def test_what_stable_latency_needs_is_said(bundle: Bundle, tmp_path: Path) -> None:
    with open_board(BOARD) as board:
        with pytest.raises(PolicyError, match="needs a target: --target 20ms"):
            live_governor("stable-latency", bundle, board)
        with pytest.raises(PolicyError, match="unknown policy 'slowly'"):
            live_governor("stable-latency:slowly", bundle, board, target_ns=1)

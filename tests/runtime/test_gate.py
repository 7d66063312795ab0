"""The frame gate and stable answers, on their own and behind an event loop."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.runtime_fakes import FakeEngine, FakeTime

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.arrivals import BackToBack
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.frames.sources import ArraySource
from edge_infer.runtime.gate import LEVEL, FrameGate, GatedEngine, check_gate, difference, thumbnail
from edge_infer.runtime.records import Frame, InferenceRecord
from edge_infer.runtime.smoothing import Agreement, SmoothedEngine, Smoothing
from edge_infer.runtime.summary import RunSummary

MS = 1_000_000
SPEC = FrameSpec((8, 8, 1), np.dtype(np.uint8))


def flat(value: int) -> np.ndarray[Any, Any]:
    return np.full((8, 8, 1), value, np.uint8)


class Counting(FakeEngine):
    """Answers the value of the first pixel; drains only what ended two frames ago."""

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        record = super().infer(frame, backlog)
        record.answer = int(frame.data.flat[0])
        return record

    def drain(self) -> list[InferenceRecord]:
        done, self._open = self._open[:-2], self._open[-2:]
        return done

    def finish(self) -> list[InferenceRecord]:
        done, self._open = self._open, []
        return done


def run(
    values: list[int], gate: float | None, agreement: Agreement | None = None
) -> tuple[list[InferenceRecord], int]:
    time, records = FakeTime(), list[InferenceRecord]()
    inner = Counting(time, 3 * MS)
    engine: Any = inner
    if gate is not None:
        engine = GatedEngine(engine, FrameGate(gate), time.now_ns)
    if agreement is not None:
        labels = [f"label {n}" for n in range(256)]
        engine = SmoothedEngine(engine, Smoothing(agreement), labels)
    frames = np.stack([flat(value) for value in values])
    source = ArraySource(frames, np.array(values), SPEC)
    EventLoop(engine, time, source, BackToBack(), records.append).run()
    return records, len(inner.backlogs)


def test_an_unchanged_picture_costs_no_stage() -> None:
    records, ran = run([10, 10, 11, 13, 13, 90], 2)
    assert [record.gated for record in records] == [False, True, True, False, True, False]
    assert [record.answer for record in records] == [10, 10, 10, 13, 13, 90]
    assert ran == 3
    assert [record.number for record in records] == list(range(6))
    assert [record.label for record in records] == [10, 10, 11, 13, 13, 90]
    gated = records[1]
    assert not gated.points and not gated.stage_start_ns
    assert gated.energy is None and gated.busy_ns == 0 and gated.invoke_ns == 0
    assert gated.arrival_ns >= records[0].end_ns


def test_a_slow_change_adds_up() -> None:
    records, ran = run(list(range(30)), 4)
    assert ran == 6 and [record.answer for record in records][:11] == [0] * 5 + [5] * 5 + [10]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.sampled_from([0, 1, 20, 255]))
def test_every_frame_is_answered_in_order(values: list[int], gate: float) -> None:
    records, ran = run(values, gate)
    assert [record.number for record in records] == list(range(len(values)))
    assert ran + sum(record.gated for record in records) == len(values)
    assert all(abs(record.answer - (record.label or 0)) <= gate for record in records)


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (7, 5, 3), (1, 1, 1), (96, 100, 3), (300, 200, 1), (49, 10, 1), (490,),
              (16, 16, 4)],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_thumbnails_are_small_and_grey(shape: tuple[int, ...], dtype: type) -> None:
    low = thumbnail(np.full(shape, 3, dtype))
    high = thumbnail(np.full(shape, 13, dtype))
    assert max(low.shape) <= 16 and low.dtype == np.int32
    assert difference(low, high) == 10 * LEVEL * low.size
    assert difference(low, low) == 0


def test_a_moving_block_is_seen_and_noise_averages_out() -> None:
    rng = np.random.default_rng(0)
    still = np.full((96, 96, 3), 100, np.uint8)
    noisy = (still + rng.integers(-4, 5, still.shape)).astype(np.uint8)
    moved = still.copy()
    moved[30:60, 30:60] = 250
    gate = FrameGate(2)
    assert gate.passes(still)
    gate.keep()
    assert not gate.passes(noisy) and gate.passes(moved)


def test_pictures_of_another_size_pass() -> None:
    gate = FrameGate(255)
    assert gate.passes(np.zeros((4, 4, 1), np.uint8))
    gate.keep()
    assert not gate.passes(np.zeros((4, 4, 1), np.uint8))
    assert gate.passes(np.zeros((5, 4, 1), np.uint8))


def test_real_numbers_are_refused() -> None:
    check_gate(SPEC)
    with pytest.raises(InputError, match="float32"):
        check_gate(FrameSpec((8, 8, 1), np.dtype(np.float32)))


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ([1, 1, 1, 2, 1, 1], [1, 1, 1, 1, 1, 1]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),  # nothing is stable yet
        ([1, 1, 1, 2, 2, 2, 1], [1, 1, 1, 1, 1, 2, 2]),
        ([1, 1, 1, 2, 3, 2, 3], [1] * 7),  # the last stable one
    ],
)
def test_three_of_the_last_five(own: list[int], told: list[int]) -> None:
    smoothing = Smoothing(Agreement(3, 5))
    assert [smoothing.answer(answer) for answer in own] == told


def test_a_smoothed_record_keeps_what_the_net_said() -> None:
    records, _ = run([7, 7, 7, 9], None, Agreement(3, 5))
    assert records[-1].answer == 7 and records[-1].net_answer == 9
    assert records[-1].answer_label == "label 7" and records[0].net_answer is None


def test_a_gated_frame_repeats_the_net_s_answer_not_the_smoothed_one() -> None:
    records, ran = run([7, 7, 7, 90, 90, 90], 0, Agreement(3, 5))
    assert ran == 2
    assert [record.answer for record in records] == [7, 7, 7, 7, 7, 90]
    assert [record.net_answer for record in records] == [None, None, None, 90, 90, None]


def test_the_summary_keeps_gated_answers_apart() -> None:
    summary = RunSummary(["only"])
    for record in run([10, 10, 11, 90, 90], 2, Agreement(2, 3))[0]:
        summary.add(record)
    assert summary.inferences == 5 and summary.gated.count == 3 and summary.exits[0].count == 2
    assert summary.smoothed == 1  # the first 90
    assert summary.accuracy == pytest.approx(3 / 5)
    assert summary.ratios == {"1.0": 2} and summary.overhead_ns.count == 2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.errors import MeterError
from edge_infer.boards.simulated.power_trace import HISTORY, PowerTrace

STEPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**7)), max_size=40)


def trace_of(steps: list[tuple[int, int]]) -> tuple[PowerTrace, list[tuple[int, int]]]:
    """Return a trace, and its levels as (from when, level)."""
    trace, levels, at_ns = PowerTrace(0, 1_000), [(0, 1_000)], 0
    for after_ns, level_uw in steps:
        at_ns += after_ns
        trace.set_level(at_ns, level_uw)
        levels.append((at_ns, level_uw))
    return trace, levels


def naive_fj(levels: list[tuple[int, int]], from_ns: int, to_ns: int) -> int:
    ends = [at_ns for at_ns, _ in levels[1:]] + [1 << 62]
    return sum(
        max(0, min(end_ns, to_ns) - max(at_ns, from_ns)) * level_uw
        for (at_ns, level_uw), end_ns in zip(levels, ends, strict=True)
    )


@given(STEPS, st.integers(0, 10**7), st.integers(1, 10**7))
def test_the_integral_is_exact(steps: list[tuple[int, int]], from_ns: int, length: int) -> None:
    trace, levels = trace_of(steps)
    exact_fj = naive_fj(levels, from_ns, from_ns + length)
    assert trace.mean_uw(from_ns, from_ns + length) == exact_fj // length
    assert trace.energy_nj(from_ns, from_ns + length) == (exact_fj + 500_000) // 1_000_000


def fill(trace: PowerTrace, segments: int) -> None:
    for i in range(segments):
        trace.set_level(i * 10, 1 + i % 2)


def test_the_past_behind_the_reader_is_dropped_and_the_total_stays() -> None:
    trace, kept, count = PowerTrace(0, 1), PowerTrace(0, 1, keep=True), 3 * HISTORY
    fill(trace, count)
    fill(kept, count)
    end_ns = 10 * count
    assert trace.energy_nj(0, end_ns) == kept.energy_nj(0, end_ns)
    assert trace.mean_uw(end_ns - 95, end_ns) == kept.mean_uw(end_ns - 95, end_ns)
    for dropped_ns in (15, end_ns - 10 * (HISTORY + 2)):
        with pytest.raises(MeterError, match="keep_power_history=True"):
            trace.energy_nj(dropped_ns, end_ns)
    assert kept.energy_nj(15, 35) == 0


def test_what_a_reader_still_needs_is_kept() -> None:
    trace = PowerTrace(0, 1)
    trace.read_from(50)
    fill(trace, 2 * HISTORY)
    assert trace.mean_uw(50, 70) == (10 * 2 + 10 * 1) // 20
    trace.read_from(10 * HISTORY)
    fill_from = 20 * HISTORY
    for i in range(10):
        trace.set_level(fill_from + 10 * i, 1 + i % 2)
    assert trace.mean_uw(10 * HISTORY, 10 * HISTORY + 20) == (10 * 1 + 10 * 2) // 20
    with pytest.raises(MeterError, match="no longer kept"):
        trace.mean_uw(50, 70)

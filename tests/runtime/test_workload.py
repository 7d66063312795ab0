"""Arrivals: order, mean rate, repeatability, and files that cannot be used."""

from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.runtime.arrivals import (
    TraceArrivals,
    WorkloadError,
    open_workload,
    read_trace,
    typical_gaps_ns,
)
from edge_infer.runtime.errors import RunError, SourceMissingError


@pytest.mark.parametrize("name", ["periodic", "poisson", "bursty"])
@given(st.floats(0.5, 5000), st.integers(0, 1000))
def test_arrivals_never_go_back_and_keep_their_rate(name: str, rate_hz: float, seed: int) -> None:
    times = list(islice(open_workload(name, rate_hz, seed).times_ns(7), 3000))
    assert times[0] == 7
    assert all(before <= after for before, after in pairwise(times))
    mean_ns = (times[-1] - times[0]) / (len(times) - 1)
    spread = {"periodic": 1e-3, "poisson": 0.15, "bursty": 0.35}[name]
    assert mean_ns == pytest.approx(1e9 / rate_hz, rel=spread)
    again = list(islice(open_workload(name, rate_hz, seed).times_ns(7), 3000))
    assert times == again


def test_bursts_are_burstier_than_poisson() -> None:
    def squared_variation(name: str) -> float:
        times = list(islice(open_workload(name, 100, 3).times_ns(0), 20_000))
        gaps = [b - a for a, b in pairwise(times)]
        mean = sum(gaps) / len(gaps)
        return sum((gap - mean) ** 2 for gap in gaps) / len(gaps) / mean**2

    assert squared_variation("poisson") == pytest.approx(1.0, rel=0.1)
    assert squared_variation("bursty") > 4


@pytest.mark.parametrize("name", ["poisson", "bursty"])
def test_typical_gaps_have_the_mean_of_the_law(name: str) -> None:
    gaps = typical_gaps_ns(open_workload(name, 100, 5), count=20_000)
    assert list(gaps) == sorted(gaps)
    assert sum(gaps) / len(gaps) == pytest.approx(1e7, rel=0.1)


def test_typical_gaps_of_the_regular_workloads() -> None:
    assert typical_gaps_ns(open_workload("periodic", 30)) == (33_333_333,)
    assert typical_gaps_ns(open_workload("back-to-back", 30)) == ()


def test_a_trace_is_read_and_repeats(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text("time_s,camera\n1.0,a\n1.5,b\n1.5,a\n3.0,b\n")
    trace = read_trace(path)
    assert list(islice(trace.times_ns(0), 4)) == [0, 500_000_000, 500_000_000, 2_000_000_000]
    assert trace.rate_hz == pytest.approx(1.5)
    times = list(islice(trace.times_ns(0), 40))
    assert all(before <= after for before, after in pairwise(times))


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=50).map(sorted))
def test_a_repeated_trace_never_goes_back(times: list[int]) -> None:
    if times[0] == times[-1]:
        return
    found = list(islice(TraceArrivals(times).times_ns(0), 3 * len(times)))
    assert all(before <= after for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0\n2\n1\n", r"arrival 3 at 1 s is earlier than the one before it at 2 s"),
        ("0\n1\nsoon\n", r"line 3: 'soon' is no time"),
        ("0\n", "fewer than two"),
        ("time\n", "fewer than two"),
        ("4\n4\n4\n", "fewer than two"),
    ],
)
def test_a_trace_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text(text)
    with pytest.raises(WorkloadError, match=says) as caught:
        read_trace(path)
    assert "\n" not in str(caught.value)


def test_unknown_workloads_and_missing_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"unknown workload 'rush'; there are: back-to-back"):
        open_workload("rush", 10)
    with pytest.raises(SourceMissingError):
        open_workload(f"trace:{tmp_path / 'none.csv'}", 10)
    with pytest.raises(RunError, match="rate"):
        open_workload("poisson", 0)

"""What a report counts of a log, against the same computed at once."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.run_rows import Row, row, write_rows

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.lab.report.distribution import EXACT, Distribution
from edge_infer.lab.report.kept_frames import MOST
from edge_infer.lab.report.power_line import POINTS, PowerLine
from edge_infer.lab.report.run_log import kind_of, read_run_log
from edge_infer.lab.report.run_row import GATED, RunRow
from edge_infer.lab.report.run_tally import RunTally
from edge_infer.lab.report.thinned import Thinned

RANKS = (0, 0.1, 50, 95, 99, 100)


def tallied(path: Path, rows: list[Row]) -> RunTally:
    tally = RunTally()
    assert read_run_log(write_rows(path, rows), tally.add) is None
    return tally


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=200))
def test_a_distribution_of_few_values_is_exact(values: list[int]) -> None:
    spread = Distribution()
    for value in values:
        spread.add(value)
    assert spread.count == len(values) and spread.total == sum(values)
    assert (spread.least, spread.greatest) == (min(values), max(values))
    assert spread.at(RANKS) == pytest.approx(np.percentile(values, RANKS), rel=1e-12)
    assert not spread.rounded


def test_a_distribution_of_many_values_is_near() -> None:
    values = np.random.default_rng(1).lognormal(12, 2, 3 * EXACT).astype(int)
    spread = Distribution()
    for value in values.tolist():
        spread.add(value)
    assert spread.rounded and spread.total == values.sum()
    assert spread.at(RANKS) == pytest.approx(np.percentile(values, RANKS), rel=5e-4, abs=1)
    assert len(spread.cells()[0]) < 60 * 2048


@given(st.integers(0, 500), st.integers(1, 9))
def test_a_thinned_line_loses_nothing(count: int, most: int) -> None:
    line = Thinned[tuple[int, ...]](most, lambda first, later: first + later)
    for number in range(count):
        line.add((number,))
    parts = line.parts
    assert sum(parts, ()) == tuple(range(count)) and len(parts) <= 2 * most
    assert {len(part) for part in parts[:-1]} <= {line.each}


def test_the_tally_is_that_of_the_rows(tmp_path: Path) -> None:
    rows = [row(number) for number in range(500)]
    tally = tallied(tmp_path / "run.jsonl", rows)
    latencies = [each["end_ns"] - each["arrival_ns"] for each in rows]
    assert tally.all.count == 500 and tally.all.accuracy == 0.9
    assert tally.all.latency_ns.at(RANKS) == pytest.approx(np.percentile(latencies, RANKS))
    assert tally.all.net_nj.total == sum(each["net_nj"] for each in rows)
    assert tally.all.gross_nj == sum(each["gross_nj"] for each in rows)
    assert {at: exit_.count for at, exit_ in tally.exits.items()} == {0: 333, 1: 167}
    assert tally.missed == 10 and tally.switches == 167
    assert sum(tally.pairs.values()) == 500 and tally.pairs["3", "0"] == sum(
        each["true_label"] == "3" and each["label"] == "0" for each in rows
    )
    assert sum(tally.clock_ns.values()) == sum(each["end_ns"] - each["start_ns"] for each in rows)


def test_wrong_and_doubtful_frames_are_the_extreme_ones_each_once(tmp_path: Path) -> None:
    rows = [row(number, name=f"frame-{number % 100}") for number in range(300)]
    tally = tallied(tmp_path / "run.jsonl", rows)
    wrong = sorted({each["confidence"] for each in rows if each["label"] != each["true_label"]})
    shown = tally.wrong.rows
    assert tally.wrong.count == 30 and len(shown) == min(MOST, 10)
    assert shown[0].confidence == wrong[-1]
    assert len({each.name for each in shown}) == len(shown)
    doubtful = [each.confidence or 0.0 for each in tally.doubtful.rows]
    assert doubtful == sorted(doubtful) and doubtful[0] == 0.5 and len(doubtful) == MOST


def test_power_counts_what_is_lost_and_leaves_out_what_is_off_scale() -> None:
    flags = {5: SampleFlag.SATURATED, 6: SampleFlag.THROTTLED}
    samples = [
        PowerSample(at, 1000 * at, 1000, 5000, 0, 10 * at, flags.get(at, SampleFlag.NONE))
        for at in range(1, 3000)
        if at not in (100, 101)
    ]
    power = PowerLine("p.csv", "measured")
    power.add(samples)
    assert (power.samples, power.lost, power.unusable, power.throttled) == (2997, 2, 1, 1)
    used = [each.power_uw for each in samples if each.seq != 5]
    assert power.mean_uw == pytest.approx(np.mean(used)) and len(power.line.parts) <= 2 * POINTS
    assert min(part.least_uw for part in power.line.parts) == min(used)
    assert max(part.greatest_uw for part in power.line.parts) == max(used)


def test_a_name_of_two_lines_in_csv_is_one_name(tmp_path: Path) -> None:
    rows: list[RunRow] = []
    text = 'number,name,true_label,exit,start_ns,end_ns\n1,"two\nlines",,0,1,2\n2,b,,0,1,2\n'
    (tmp_path / "run.csv").write_text(text)
    read_run_log(tmp_path / "run.csv", rows.append)
    assert [each.name for each in rows] == ["two\nlines", "b"]


@pytest.mark.parametrize("line", ["1,a,0,5", '1,"a"b,0,5,6', "1,a,0,5,x", "1,a,0,5,6,7"])
def test_a_damaged_row_of_csv_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "run.csv").write_text(f"number,name,exit,start_ns,end_ns\n{line}\n2,b,0,5,6\n")
    with pytest.raises(DamagedTraceError, match="line 2"):
        read_run_log(tmp_path / "run.csv", RunTally().add)


def cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def test_a_csv_log_reads_as_the_same(tmp_path: Path) -> None:
    rows = [row(number, confidence=None if number == 3 else 0.5) for number in range(9)]
    heading = ",".join(rows[0])
    lines = [",".join(map(cell, each.values())) for each in rows]
    (tmp_path / "run.csv").write_text("\n".join([heading, *lines]) + "\n")
    found: list[object] = []
    again: list[object] = []
    assert read_run_log(tmp_path / "run.csv", found.append) is None
    read_run_log(write_rows(tmp_path / "run.jsonl", rows), again.append)
    assert found == again


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@pytest.mark.parametrize("lost", [1, 2, 60])
def test_a_cut_last_line_is_left_out_and_told(tmp_path: Path, suffix: str, lost: int) -> None:
    path = write_rows(tmp_path / f"run{suffix}", [row(number) for number in range(3)])
    if suffix == ".csv":
        path.write_text("number,exit,start_ns,end_ns\n5,0,1,200\n6,0,1,2000000\n")
        lost = min(lost, 3)
    path.write_bytes(path.read_bytes()[:-lost])
    rows: list[object] = []
    left_out = read_run_log(path, rows.append)
    whole = suffix == ".jsonl" and lost == 1  # a closing bracket ends an object
    assert (left_out is None) == whole
    assert len(rows) == (3 if suffix == ".jsonl" else 2) - (not whole)


DAMAGED = {
    "no number": {"exit": "x"},
    "a negative exit": {"exit": -1},
    "an exit that cannot be": {"exit": 10**6},
    "a time that cannot be": {"end_ns": 1 << 70},
    "an end before its start": {"end_ns": 5},
    "an arrival after its start": {"arrival_ns": 1 << 60},
    "no text": {"label": 5},
    "not a number": {"end_ns": float("nan")},
    "a clock of another kind": {"clock_khz": ["fast"]},
    "a frame that came before": {"number": 0},
}


@pytest.mark.parametrize("other", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_line_is_named(tmp_path: Path, other: Row) -> None:
    path = write_rows(tmp_path / "run.jsonl", [row(0), row(1), {**row(2), **other}, row(3)])
    with pytest.raises(DamagedTraceError, match="line 3"):
        read_run_log(path, RunTally().add)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_scores_that_overflow_are_no_damage(tmp_path: Path, value: float) -> None:
    tally = tallied(tmp_path / "run.jsonl", [row(0), {**row(1), "criterion": value}])
    assert tally.all.count == 2


def test_gated_and_smoothed_answers_are_counted_apart(tmp_path: Path) -> None:
    none = dict.fromkeys(("energy_origin", "gross_nj", "net_nj", "uncertainty_nj"))
    rows = [{**row(number), "gated": False, "net_answer": None} for number in range(6)]
    rows[2] |= {"gated": True, "clock_khz": [], **none}
    rows[4] |= {"net_answer": 3}
    tally = tallied(tmp_path / "run.jsonl", rows)
    assert tally.all.count == 6 and tally.exits[GATED].count == 1
    assert sum(tally.ratios.values()) == sum(each.count for each in tally.criteria.values()) == 5
    assert tally.without_energy == 0 and tally.smoothed == 1


NO_LOGS = {
    "empty": b"",
    "other JSON": b'{"a": 1}\n',
    "a list": b"[1, 2]\n",
    "text": b"hello\n",
    "packed": b"\x1f\x8b\x08",
    "bytes": bytes(range(128, 256)),
    "a number": b"7\n",
    "deep": b'{"a": ' + b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("content", NO_LOGS.values(), ids=list(NO_LOGS))
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(TraceError, match=r"x\.jsonl"):
        kind_of(tmp_path / "x.jsonl")


def test_a_log_without_a_whole_row_is_damaged_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"number": 0, "na')
    with pytest.raises(DamagedTraceError):
        read_run_log(path, RunTally().add)
    path.write_text("number,exit,start_ns,end_ns\n")
    with pytest.raises(TraceError) as error:
        read_run_log(path, RunTally().add)
    assert not isinstance(error.value, DamagedTraceError)

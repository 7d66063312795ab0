import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.errors import MeterError
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.power_csv import (
    COLUMNS,
    PowerCsvWriter,
    PowerLog,
    RecordedMeter,
    is_power_log,
    read_power_log,
)

HEADING = (
    "# edge-infer power log, origin: measured, gain_uncertainty_ppm: 1, "
    "offset_uncertainty_uw: 2, resolution_uw: 3\n" + ",".join(COLUMNS) + "\n"
)


@st.composite
def logs(draw: st.DrawFn) -> PowerLog:
    steps = draw(st.lists(st.integers(1, 10**7), min_size=1, max_size=20))
    samples, at_ns = [], 10**9
    for seq, step_ns in enumerate(steps):
        at_ns += step_ns
        flags = SampleFlag(draw(st.integers(0, 7)))
        power_uw = draw(st.integers(-(10**7), 10**8))
        samples.append(PowerSample(seq, at_ns, step_ns, 5_000, power_uw // 5, power_uw, flags))
    return PowerLog("measured", 30_000, 10_000, 251, tuple(samples))


@given(log=logs())
def test_a_log_written_and_read_is_the_same(
    log: PowerLog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "power.csv"
    with path.open("w") as file:
        PowerCsvWriter(file, RecordedMeter(log, lambda: 0)).write(log.samples)
    assert read_power_log(path) == log


@given(log=logs(), start_ns=st.integers(0, 10**12), cuts=st.lists(st.integers(0, 3 * 10**8)))
def test_it_plays_every_sample_once_and_in_time(
    log: PowerLog, start_ns: int, cuts: list[int]
) -> None:
    meter = RecordedMeter(log, lambda: start_ns)
    meter.start()
    played: list[PowerSample] = []
    for cut_ns in sorted(cuts):
        played += meter.drain(start_ns + cut_ns)
        assert all(sample.timestamp_ns <= start_ns + cut_ns for sample in played)
    played += meter.drain(1 << 62)
    first = log.samples[0]
    shift_ns = start_ns - (first.timestamp_ns - first.interval_ns)
    assert [s.timestamp_ns - shift_ns for s in played] == [s.timestamp_ns for s in log.samples]
    assert [s.power_uw for s in played] == [s.power_uw for s in log.samples]
    assert meter.statistics().samples == len(log.samples)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1 is no heading"),
        ("time,power\n", "line 1 is no heading"),
        (HEADING.replace("measured", "guessed"), "holds no samples"),
        (HEADING.replace("measured", "guessed") + "0,5,5,1,1,1,0\n", "origin 'guessed' is none"),
        (HEADING.replace("ppm: 1", "ppm: x") + "0,5,5,1,1,1,0\n", "line 1: invalid literal"),
        (HEADING.replace("seq", "number"), "line 2: the columns"),
        (HEADING + "0,5,5,1,1,1\n", "line 3: it has 6 values, not 7"),
        (HEADING + "0,5,5,1,1,1.5,0\n", "line 3: invalid literal"),
        (HEADING + "0,5,5,1,1,1,0\n1,5,5,1,1,1,0\n", "line 4: the time does not go on"),
        (HEADING + "0,5,0,1,1,1,0\n", "line 3: the time does not go on"),
    ],
)
def test_a_bad_log_is_named_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "power.csv"
    path.write_text(text)
    with pytest.raises(MeterError, match=reason):
        read_power_log(path)


def test_an_absent_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match=r"cannot read the power log .*none\.csv"):
        read_power_log(tmp_path / "none.csv")


def test_a_cut_log_is_read_up_to_the_cut(tmp_path: Path) -> None:
    heading = (
        "# edge-infer power log, origin: measured, gain_uncertainty_ppm: 1, "
        "offset_uncertainty_uw: 2, resolution_uw: 3\n" + ",".join(PowerSample._fields) + "\n"
    )
    rows = [f"{n},{n + 1}000,1000,5000,100,500,0\n" for n in range(5)]
    path = tmp_path / "power.csv"
    for tail, wrong in [
        ("5,60", "cut short"),
        ("\0\0\0\0", "cut short"),
        ("5,6000,1000\n", "line 8"),
        ("5,10,1000,5000,100,500,0\n", "does not go on"),
    ]:
        path.write_text(heading + "".join(rows) + tail)
        log = read_power_log(path, up_to_cut=True)
        assert len(log.samples) == 5 and log.left_out is not None and wrong in log.left_out
        with pytest.raises(MeterError):
            read_power_log(path)
    path.write_text(heading + "".join(rows))
    assert read_power_log(path, up_to_cut=True).left_out is None


@pytest.mark.parametrize("name", ["log.csv.gz", "log.csv", "stream.jsonl.gz"])
def test_a_packed_log_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"# edge-infer power log, origin: measured\n"))
    for read in (is_power_log, read_power_log):
        with pytest.raises(MeterError, match=f"{name} is packed with gzip: .*gunzip -k"):
            read(path)

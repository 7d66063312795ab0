"""Energy runs of MLPerf Tiny: what others computed from the same trace comes out again."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.power_traces import BUSY_W, write_mlperf

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.formats import TraceOptions, open_trace
from edge_infer.boards.traces.mlperf_text import read_log, read_results
from edge_infer.boards.traces.trace import Trace

SHARED = Path(__file__).parents[3] / "shared" / "data" / "power" / "v0.5_Nucleo-L4R5ZI"
EACH_UJ = 1e6 * BUSY_W * 2.0 / 10


def each_uj(trace: Trace) -> list[float]:
    return [1e6 * float(trace.energy_j(w.start_s, w.end_s)) / w.inferences for w in trace.windows]


def opened(path: Path, inferences: int | None = None) -> Trace:
    return open_trace(path, TraceOptions(inferences=inferences))


@pytest.mark.skipif(not SHARED.exists(), reason="the published traces (../shared) are not here")
@pytest.mark.parametrize("net", ["ic", "kws", "vww"])
def test_a_published_median_comes_out_within_a_thousandth(net: str) -> None:
    trace = opened(SHARED / net)
    assert trace.published is not None and trace.published.median_uj is not None
    assert np.median(each_uj(trace)) == pytest.approx(trace.published.median_uj, rel=1e-4)
    assert trace.supply_v == 1.8 and trace.origin == "measured"


@pytest.mark.parametrize("rate_hz", [500.0, 1000.0, 2000.0, 10_000.0])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(("meter", "unit_j"), [("lpm01a", 1e-6), ("js110", 1.0)])
def test_rates_units_and_line_ends(
    tmp_path: Path, rate_hz: float, line_end: str, meter: str, unit_j: float
) -> None:
    for results in (True, False):
        folder = write_mlperf(
            tmp_path / str(results),
            rate_hz=rate_hz,
            line_end=line_end,
            meter=meter,
            unit_j=unit_j,
            results=results,
        )
        # A place to 10 ms, in 2 s: idle is half of busy.
        assert each_uj(opened(folder)) == pytest.approx([EACH_UJ] * 3, rel=0.002)


def test_marks_are_better_than_what_is_rounded(tmp_path: Path) -> None:
    rounded = opened(write_mlperf(tmp_path / "a"))
    marked = opened(write_mlperf(tmp_path / "b", timestamps=True))
    assert (rounded.windows_from, marked.windows_from) == ("results.txt", "trace1-timestamps.json")
    assert marked.windows[0].start_s == 3.003
    assert each_uj(marked) == pytest.approx([EACH_UJ] * 3, rel=1e-6)
    assert marked.windows[0].shift_s == 0 < rounded.windows[0].shift_s


def test_the_file_its_folder_and_the_folder_above_are_one_door(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "ic" / "energy")
    for path in (folder / "trace1-energy.bin", folder, tmp_path / "ic"):
        assert len(opened(path).windows) == 3
    write_mlperf(tmp_path / "ic" / "again")
    with pytest.raises(TraceError, match=r"2 traces: name one of again/trace1-energy.bin"):
        opened(tmp_path / "ic")


def test_a_joulescope_logs_its_marks(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "a", meter="js110", unit_j=1.0, results=False)
    laps = [18_000, 3_003_000, 5_003_000, 8_003_000, 10_003_000, 13_003_000, 15_003_000]
    text = (folder / "log.txt").read_text()
    lines = "".join(f"00420.000 emon: m-lap-us-{lap}\n" for lap in laps)
    (folder / "log.txt").write_text(text.replace("m-trace[on]\n", f"m-trace[on]\n{lines}"))
    trace = opened(folder)
    assert trace.windows_from.startswith("log.txt's laps")
    assert each_uj(trace) == pytest.approx([EACH_UJ] * 3, rel=1e-6)


def test_trials_of_the_python_runner(tmp_path: Path) -> None:
    samples = [20e-6] * 100 + [45e-6] * 2000 + [20e-6] * 100
    trial = {
        "infer": {"iterations": 10},
        "power": {"samples": samples, "timestamps": [["0", 50], ["1", 100], ["2", 2100]]},
    }
    (tmp_path / "results.json").write_text(json.dumps([trial] * 3))
    (tmp_path / "results.txt").write_text("Median energy cost is 9000.0000 uJ/inf.\n")
    trace = opened(tmp_path)
    assert each_uj(trace) == pytest.approx([9000.0] * 3)
    assert trace.published is not None and trace.published.median_uj == 9000.0
    trial["power"]["timestamps"] = [["0", 100], ["1", 4000]]  # type: ignore[index]
    (tmp_path / "results.json").write_text(json.dumps([trial]))
    with pytest.raises(DamagedTraceError, match="bound none of its 2200"):
        opened(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps([trial])[:-20])
    with pytest.raises(DamagedTraceError, match="cut short"):
        opened(tmp_path)


def test_cut_files_are_refused(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "a")
    file = folder / "trace1-energy.bin"
    whole = file.read_bytes()
    for data, message in [
        (whole[:-3], "it is cut short"),
        (whole[: 5 + 4 * 14_000], "ends at 14.000 s, inside a window"),
        (whole[:9], "it is cut short"),
        (b"\xf2" + whole[1:], "does not begin with 0xf1"),
        (whole[:1] + b"\0\0\0\0" + whole[5:], "no sample rate"),
        (whole[:5] + b"\xff" * 400 + whole[405:], "no number"),
    ]:
        file.write_bytes(data)
        with pytest.raises(TraceError, match=message):
            open_trace(file, TraceOptions(format="mlperf-tiny"))


def test_a_trace_that_is_not_its_results_is_refused(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "a", unit_j=1.05e-6)
    with pytest.raises(DamagedTraceError, match="they are not of one run"):
        opened(folder)
    folder = write_mlperf(tmp_path / "b", unit_j=1e-7)
    with pytest.raises(DamagedTraceError, match="in no unit"):
        opened(folder)
    folder = write_mlperf(tmp_path / "c")
    log = folder / "log.txt"
    log.write_text(log.read_text().replace("m-infer-start-10", "m-infer-start-20"))
    with pytest.raises(DamagedTraceError, match="they are of two runs"):
        opened(folder)


def test_without_what_tells_the_inferences_they_have_to_be_given(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "a", results=False, timestamps=True)
    (folder / "log.txt").unlink()
    with pytest.raises(TraceError, match="give --inferences"):
        opened(folder)
    trace = opened(folder, 10)
    assert each_uj(trace) == pytest.approx([EACH_UJ] * 3, rel=1e-6)
    assert "nothing names the meter" in trace.assumptions[0]
    with pytest.raises(TraceError, match="leave --inferences out"):
        opened(write_mlperf(tmp_path / "b"), 11)


def test_a_trace_alone_has_no_windows(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "a", results=False)
    (folder / "log.txt").unlink()
    assert opened(folder).windows == ()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TraceError, match=r"holds no \*energy\*\.bin"):
        opened(empty)


RESULT = """\
{at} ulp-ml: Energy data for window 2 at time {start} for {length} sec.:
{at} ulp-ml:   Energy       : {energy} uJ
{at} ulp-ml:   Power        : {power} uW
{at} ulp-ml:   Energy/Inf.  : {each} uJ/inf.
{at} ulp-ml: Median energy cost is {median} uJ/inf.
{at} ulp-ml: Performance results for window 2:
{at} ulp-ml:   # Inferences : {inferences}
{at} ulp-ml:   Runtime      : {runtime} sec.
"""
ROUNDS = {
    "v0.7, JS110": (
        """\
78972.232 parser: Command "emon trace on trace1"
78972.234 emon: m-dropthresh[0.1]
78972.237 emon: m-trace[on]
78972.263 emon: m-lap-us-4999
78983.407 emon: m-lap-us-11145000
78983.413 io: [dut]: m-infer-start-350
78994.939 emon: m-lap-us-22677999
78994.955 io: [dut]: m-infer-done
79083.133 emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[js110]
79083.139 emon: m-[Dropped 0 packets out of 1759744, 0%]
79083.151 emon: m-voltage-mv[6939]
""",
        RESULT.format(
            at="79083.200",
            start=11.14,
            length=11.53,
            energy="25584263.152",
            power=" 2218545.192",
            each="   73097.895",
            median="73166.299",
            inferences="         350",
            runtime="      11.533",
        ),
        (350, 11.533, 25584263.152 / 350, 73166.299, "js110", 6939, 2),
    ),
    "v1.0, marks of the IO manager": (
        """\
00122.455 emon: m-trace[on]
00122.481 io: m-lap-us-89257636
00134.228 io: m-lap-us-101025644
00134.228 io: [dut]: m-infer-start-1000
00150.291 io: m-lap-us-117104804
00150.307 io: [dut]: m-infer-done
00259.076 emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[lpm01a]
00259.084 emon: m-voltage-mv[1800]
""",
        RESULT.format(
            at="00259.178",
            start=11.77,
            length=16.06,
            energy="  101897.480",
            power="    6345.195",
            each="     101.897",
            median="101.833",
            inferences="        1000",
            runtime="      16.060",
        )
        + "00259.227 ulp-ml: Runtime requirements have been met.\n",
        (1000, 16.060, 101.897480, 101.833, "lpm01a", 1800, 0),
    ),
    "v1.3": (
        "Retrieving name from DUT ...\nCaptured samples:23359 timestamps:2\n",
        """\
Power Edition Output
Energy data for trial 0
  Elapsed time  : 10.936000000000002
  Inferences    : 60
  Power         : 5.2981 mW.
  Total Energy  : 57939.806 uJ
  Energy/Inf    : 965.663 uJ/inf
Median energy cost is 965.5817 uJ/inf.
""",
        (60, 10.936, 57939.806 / 60, 965.5817, None, None, 0),
    ),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_what_the_runners_of_other_rounds_write(name: str) -> None:
    log_text, results_text, expected = ROUNDS[name]
    results, log = read_results(results_text), read_log(log_text)
    (window,) = results.windows.values()
    assert (window.inferences, window.length_s) == pytest.approx(expected[:2])
    assert window.per_inference_uj == pytest.approx(expected[2])
    assert results.median_uj == expected[3]
    assert (log.meter, log.voltage_mv, max(0, len(log.laps_s) - 1)) == expected[4:]


def test_a_window_of_a_tenth_of_a_second_is_not_taken_for_another_runs(tmp_path: Path) -> None:
    folder = write_mlperf(tmp_path / "a")
    text = (folder / "results.txt").read_text()
    data = (folder / "trace1-energy.bin").read_bytes()
    short = text.replace("for 2.00", "for 0.10").replace("2.000 sec", "0.100 sec")
    each = f"{1e6 * BUSY_W * 2.0:12.3f}"
    (folder / "results.txt").write_text(short.replace(each, f"{1e6 * BUSY_W * 0.1:12.3f}"))
    samples = np.frombuffer(data, "<f4", offset=5).copy()
    samples[3103:5003] = samples[8103:10003] = samples[13103:15003] = samples[0]
    (folder / "trace1-energy.bin").write_bytes(data[:5] + samples.tobytes())
    trace = opened(folder)
    assert each_uj(trace) == pytest.approx([1e5 * BUSY_W * 0.1] * 3, rel=0.03)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("for 2.00", "for 0.00", "a window of 0 s at"),
        ("uJ/inf.\n", "uJ/inf..\n", None),
        ("# Inferences :           10", "# Inferences :            0", "they are of two runs"),
    ],
)
def test_damaged_results(tmp_path: Path, before: str, after: str, message: str | None) -> None:
    folder = write_mlperf(tmp_path / "a")
    text = (folder / "results.txt").read_text().replace(before, after)
    text = text.replace("2.000 sec", "0.000 sec") if "0.00" in after else text
    text = text.replace(f"{1e6 * BUSY_W:12.3f} uW", "0 uW") if "0.00" in after else text
    (folder / "results.txt").write_text(text)
    if message is None:
        assert len(opened(folder).windows) == 3
        return
    with pytest.raises(DamagedTraceError, match=message):
        opened(folder)

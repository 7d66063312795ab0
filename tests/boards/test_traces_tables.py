"""Tables of readings: PPK2, Joulescope, and any other by its columns."""

from pathlib import Path

import numpy as np
import pytest
from tests.fakes.power_traces import BUSY_W, IDLE_W, write_ppk2

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.columns import parse_columns
from edge_infer.boards.traces.formats import TraceOptions, open_trace, recognise
from edge_infer.boards.traces.trace import Trace, high_windows

SPANS = [(0.1, 0.3), (0.5, 0.7004)]


def with_columns(path: Path, text: str, supply_v: float | None = None) -> Trace:
    return open_trace(path, TraceOptions(columns=parse_columns(text), supply_v=supply_v))


def table(path: Path, heading: str, rows: list[str]) -> Path:
    path.write_text("".join(f"{row}\n" for row in ([heading] if heading else []) + rows))
    return path


@pytest.mark.parametrize("apart", [True, False])
def test_ppk2_exports(tmp_path: Path, apart: bool) -> None:
    path = write_ppk2(tmp_path / "ppk.csv", SPANS, apart=apart)
    assert recognise(path) == "ppk2"
    trace = open_trace(path, TraceOptions(supply_v=3.3))
    assert trace.step_s == pytest.approx(1e-4) and trace.supply_v == 3.3
    windows = high_windows(trace.channels["D0"], trace.edges_s)
    np.testing.assert_allclose(windows, SPANS, atol=1e-9)
    busy_s = np.diff(windows).sum()
    assert trace.energy_j(*windows.T).sum() == pytest.approx(BUSY_W * busy_s, rel=1e-4)
    whole = BUSY_W * busy_s + IDLE_W * (1 - busy_s)
    assert trace.mean_w * trace.length_s == pytest.approx(whole, rel=1e-4)
    assert not trace.channels["D7"].any()


def test_ppk2_states_no_voltage_and_may_lack_a_column(tmp_path: Path) -> None:
    path = write_ppk2(tmp_path / "ppk.csv", SPANS)
    with pytest.raises(TraceError, match=r"give the board's supply, as --supply 3\.3V"):
        open_trace(path, TraceOptions())
    bare = table(tmp_path / "bare.csv", "Current(uA)", ["1.0", "2.0", "3.0"])
    with pytest.raises(TraceError, match="export it with timestamps and current ticked"):
        open_trace(bare, TraceOptions(supply_v=3.3))


@pytest.mark.parametrize(
    "heading",
    ["#time (s),current (A),voltage (V)", "time,current,voltage", '"Time","Current","Voltage"'],
)
def test_joulescope_exports(tmp_path: Path, heading: str) -> None:
    rows = [f"{n / 1000:.6f},{0.1 + 0.1 * (n >= 50)},5.0" for n in range(100)]
    trace = open_trace(table(tmp_path / "js.csv", heading, rows), TraceOptions())
    assert trace.format == "joulescope"
    assert trace.mean_w == pytest.approx(0.75)
    with pytest.raises(TraceError, match="leave --supply out"):
        open_trace(tmp_path / "js.csv", TraceOptions(supply_v=5.0))


def test_joulescope_logs_with_power_and_lost_readings(tmp_path: Path) -> None:
    heading = "time,current,voltage,power,charge,energy"
    rows = [f"{n / 2},0.1,5.0,0.5,0,0" for n in range(40)]
    rows[20:22] = ["10.0,nan,nan,nan,nan,nan", "10.5,nan,nan,nan,nan,nan"]
    trace = open_trace(table(tmp_path / "js.csv", heading, rows), TraceOptions())
    assert trace.mean_w == pytest.approx(0.5) and trace.left_out is not None
    assert len(trace) == 38 and not len(trace.gaps_s)
    rows[5:30] = [row.replace("0.5,0,0", "nan,0,0") for row in rows[5:30]]
    trace = open_trace(table(tmp_path / "js.csv", heading, rows), TraceOptions())
    assert len(trace.gaps_s) == 1
    with pytest.raises(DamagedTraceError, match="no readings from"):
        trace.check_covered(1.0, 18.0, "a window")


@pytest.mark.parametrize(
    ("text", "rows", "columns", "supply_v"),
    [
        ("t,i,u", "{ms},{ma},5", "time_ms=t,current_ma=i,voltage_v=u", None),
        ("t;i", "{ms};{ma}", "time_ms=0,current_ma=1", 5.0),
        ("", "{ms}\t{uw}", "time_ms=0,power_uw=1", None),
        ("t;p", "{comma};{uw}", "time_s=t,power_uw=p", None),
        ("# made by hand\n\nwhen  what", "{ms} {uw}", "time_ms=when,power_uw=what", None),
        ('"t","p"', '"{ms}","{uw}"', "time_ms=t,power_uw=p", None),
    ],
)
def test_any_table_by_its_columns(
    tmp_path: Path, text: str, rows: str, columns: str, supply_v: float | None
) -> None:
    lines = [
        rows.format(ms=n, comma=f"{n / 1000:.3f}".replace(".", ","), ma=100.5, uw=502_500)
        for n in range(50)
    ]
    trace = with_columns(table(tmp_path / "x.csv", text, lines), columns, supply_v)
    assert trace.mean_w == pytest.approx(0.5025) and trace.length_s == pytest.approx(0.05)
    assert trace.origin == "unknown"


def test_excel_and_byte_order_marks(tmp_path: Path) -> None:
    text = "t,p\r\n" + "".join(f"{n},5\r\n" for n in range(20))
    for encoding in ("utf-16", "utf-8-sig"):
        (tmp_path / "x.csv").write_bytes(text.encode(encoding))
        assert with_columns(tmp_path / "x.csv", "time_ms=t,power_w=p").mean_w == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows[:-1], rows[-1][:-2]], None),
        (lambda rows: [*rows[:9], rows[3], *rows[9:]], r"line 11: the time goes from 0\.008 to"),
        (lambda rows: [*rows[:9], "x,y", *rows[9:]], "line 11: could not convert string 'x'"),
        (lambda rows: [*rows[:9], "5", *rows[9:]], "line 11"),
        (lambda rows: [row.replace(",5", ",5e9") for row in rows], "more than any board takes"),
        (lambda rows: [row.replace(",5", ",-5") for row in rows], "the right way round"),
        (lambda rows: [row.replace(",5", ",0") for row in rows], "is no board's supply"),
        (lambda rows: rows[:1], "1 readings make no trace"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path: Path, change, message: str | None) -> None:  # type: ignore[no-untyped-def]
    rows = change([f"{n},5" for n in range(40)])
    path = table(tmp_path / "x.csv", "t,p", rows)
    if message is None:
        path.write_text(path.read_text()[:-1])
        message = "its last line is cut short"
    with pytest.raises(DamagedTraceError, match=message):
        with_columns(path, "time_ms=t,power_w=p")


def test_times_of_another_unit_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", "t,p", [f"{1_700_000_000 + 1000 * n},5" for n in range(40)])
    with pytest.raises(DamagedTraceError, match="of another unit"):
        with_columns(path, "time_s=t,power_w=p")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("power_w=1", "no column for the time"),
        ("time_s=0", "no column for a power or a current"),
        ("time_s=0,power_w=1,current_a=2", "name one of them"),
        ("time_s=0,time_ms=1,power_w=2", "two columns for time"),
        ("time=0,power_w=1", "names no column"),
        ("time_s=0,power_kw=1", "names no column"),
        ("time_s=0,power_w", "names no column"),
        ("time_s=0,marker_v=2,power_w=1", "names no column"),
    ],
)
def test_columns_that_say_too_little(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_columns(text)


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", "t,p,p", [f"{n},5,6" for n in range(40)])
    with pytest.raises(TraceError, match="no column 'q' for power_w; it has: t, p, p"):
        with_columns(path, "time_ms=t,power_w=q")
    with pytest.raises(TraceError, match="2 columns 'p': give its number"):
        with_columns(path, "time_ms=t,power_w=p")
    assert with_columns(path, "time_ms=t,power_w=2").mean_w == 6
    units = table(tmp_path / "units.csv", "t [ms],i (mA),u", [f"{n},100,5" for n in range(40)])
    assert with_columns(units, "time_ms=0,current_ma=1,voltage_v=u").mean_w == pytest.approx(0.5)
    for columns in ("time_s=0,current_ma=1,voltage_v=u", "time_ms=0,current_a=1,voltage_v=u"):
        with pytest.raises(TraceError, match="which is it"):
            with_columns(units, columns)
    with pytest.raises(DamagedTraceError, match=r"a supply of 100 V \(median\)"):
        with_columns(units, "time_ms=0,current_ma=1,voltage_v=1")
    with pytest.raises(TraceError, match="Name what stands where"):
        open_trace(path, TraceOptions())
    with pytest.raises(TraceError, match="needs --columns"):
        open_trace(path, TraceOptions(format="columns"))

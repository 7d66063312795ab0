import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.fakes.kernel_power import HWMON_FILES, make_device

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import MeterError
from edge_infer.boards.meter_config import read_meter_file
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.power_csv import COLUMNS, RecordedMeter, read_power_log
from edge_infer.boards.power_summary import summarise
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.timebase import VirtualTimebase
from edge_infer.commands import power_meter
from edge_infer.commands.root import run_line
from edge_infer.firmware_bridge.wire.log_text import (
    CSV_HEADER,
    boot_fields,
    csv_line,
    entry_fields,
    gap_fields,
    json_line,
)

SIM = "sim:raspberry-pi-5"
TWO_LOADS = ["--known-load", "1W", "--known-load", "5W"]
MS = 1_000_000


def samples(powers_uw: list[int], period_ns: int = MS) -> list[PowerSample]:
    return [
        PowerSample(n, (n + 1) * period_ns, period_ns, 5_000, uw // 5, uw)
        for n, uw in enumerate(powers_uw)
    ]


def test_energy_is_the_trapezoid() -> None:
    summary = summarise(samples([1_000_000, 3_000_000, 3_000_000]))
    assert summary.energy_nj == 2_000_000 + 3_000_000  # 1 ms at 2 W and 1 ms at 3 W
    assert summary.mean_uw == 2_500_000
    assert (summary.least_uw, summary.greatest_uw) == (1_000_000, 3_000_000)
    assert summary.rate_hz == 1000


def test_what_is_lost_saturated_and_throttled_is_counted() -> None:
    flagged = samples([1, 1, 1, 1])
    del flagged[1]
    flagged[1] = flagged[1]._replace(flags=SampleFlag.SATURATED | SampleFlag.THROTTLED)
    summary = summarise(flagged)
    assert (summary.lost, summary.saturated, summary.throttled) == (1, 1, 1)
    assert summary.longest_gap_ns == 2 * MS
    with pytest.raises(MeterError, match="1 samples make no summary"):
        summarise(flagged[:1])


def test_record_then_report_gives_the_boards_idle_power(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "power.csv"
    line = ["power", "record", "--meter", SIM, "--duration", "2s", "-o", str(log)]
    assert run_line(line) == 0
    assert "0 lost" in capsys.readouterr().err
    assert run_line(["power", "report", str(log), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    # The profile's idle power is 3.68 W; leakage and other processes add to it.
    assert report["mean_uw"] == pytest.approx(3_680_000, rel=0.03)
    assert report["uncertainty_uw"] < 20_000
    assert report["origin"] == "simulated"
    assert report["energy_uj"] == pytest.approx(report["mean_uw"] * report["duration_us"] / 1e6)
    assert report["samples"] == len(read_power_log(log).samples) > 1_800
    assert run_line(["power", "report", str(log)]) == 0
    assert "(simulated)" in capsys.readouterr().out


@pytest.fixture
def recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    log = tmp_path / "power.csv"
    assert run_line(["power", "record", "--meter", SIM, "--duration", "500ms", "-o", str(log)]) == 0
    capsys.readouterr()
    return log


def test_the_plot_is_written(recorded: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")
    picture = tmp_path / "power.png"
    assert run_line(["power", "report", str(recorded), "--plot", str(picture)]) == 0
    with Image.open(picture) as image:
        assert image.width > 1.5 * image.height > 400
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20  # more than empty axes


def test_a_plot_wants_its_extra(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = recorded.with_suffix(".png")
    assert run_line(["power", "report", str(recorded), "--plot", str(picture)]) == 1
    assert "pip install 'edge-infer[plot]'" in capsys.readouterr().err
    assert not picture.exists()


def test_monitor_prints_one_line_a_time_and_a_log_is_a_meter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["power", "monitor", "--meter", SIM, "--every", "100ms", "--duration", "500ms"]
    assert run_line([*line, "--json"]) == 0
    rows = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert len(rows) == 5
    assert sum(row["samples"] for row in rows) > 400
    assert all(row["power_uw"] == pytest.approx(3_680_000, rel=0.1) for row in rows)
    assert run_line(line) == 0
    assert capsys.readouterr().out.count(" W  (3.") == 5


def test_calibrate_corrects_a_kernel_meter_from_two_known_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The driver believes in 0.1 ohm, the shunt has 0.098 ohm, and 3 mA always flow past it."""
    sysfs = RealSysfs(tmp_path)
    monkeypatch.setattr(power_meter, "RealSysfs", lambda: sysfs)
    folder = make_device(tmp_path, "class/hwmon/hwmon0", HWMON_FILES)

    class Bench:
        """Whoever presses Enter, with the loads at hand."""

        def __init__(self) -> None:
            self.loads_ma = iter((200, 1000))

        def readline(self) -> str:
            seen_ma = round(next(self.loads_ma) * 0.98) + 3
            (folder / "curr1_input").write_text(f"{seen_ma}\n")
            return "\n"

    bench = Bench()
    monkeypatch.setattr("sys.stdin", bench)
    output = tmp_path / "meter.toml"
    line = ["power", "calibrate", "--meter", "kernel", "--known-load", "1W", "--known-load", "5W"]
    assert run_line([*line, "--duration", "200ms", "-o", str(output), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["gain_ppm"] == pytest.approx(1e6 / 0.98 - 1e6, abs=10)
    config = read_meter_file(output)
    assert config.kind == "kernel" and config.calibration is not None
    for load_ma in (200, 500, 1000):
        seen_uw = (round(load_ma * 0.98) + 3) * 5_000
        assert config.calibration.apply(seen_uw) == pytest.approx(load_ma * 5_000, abs=100)
    assert config.calibration != Calibration()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["monitor", "--meter", "ina3221"], 1, "write one of: ina219"),
        (["monitor", "--meter", "ina219:4077"], 1, "/dev/i2c-4077: ENOENT"),
        (["monitor", "--meter", "sim:generic-wide-range"], 1, "has no meter"),
        (["monitor", "--meter", "log:none.csv"], 1, "cannot read the power log none.csv"),
        (["report", "none.csv"], 1, "cannot read the power log none.csv"),
        (["record", "--meter", SIM], 2, "Missing option '-o'"),
        (["record", "--meter", SIM, "-o", "/nowhere/x.csv", "--duration", "1s"], 1, "No such file"),
        (["calibrate", "--meter", SIM, "--known-load", "1W"], 2, "give --known-load twice"),
        (["calibrate", "--meter", SIM, *TWO_LOADS], 2, "no load can be"),
        (["calibrate", "--meter", "log:x.csv", *TWO_LOADS], 2, "no load"),
        (["calibrate", "--known-load", "1"], 2, "write it with its unit: 5W, 350mW"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["power", *arguments]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_the_columns_are_the_samples_fields() -> None:
    assert COLUMNS[:3] == ("seq", "timestamp_ns", "interval_ns")


def stream_rows(host_ns: int | None) -> list[dict[str, object]]:
    """Two boots of a device with three samples each, and what else such a log holds."""
    first = samples([1_000_000, 3_000_000, 3_000_000])
    rows = [boot_fields(0, 77)]
    rows += [entry_fields(n, sample, host_ns) for n, sample in enumerate(first)]
    rows += [gap_fields(5, 2), boot_fields(5, 78)]
    return rows + [entry_fields(n, sample, host_ns) for n, sample in enumerate(first, 5)]


@pytest.mark.parametrize("form", ["csv", "jsonl", "terminal"])
@pytest.mark.parametrize(("host_ns", "origin"), [(5, "measured"), (None, "simulated")])
def test_report_reads_every_form_of_a_stream(
    form: str,
    host_ns: int | None,
    origin: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = tmp_path / f"log.{form}"
    line = json_line if form == "jsonl" else csv_line
    lines = [line(row) for row in stream_rows(host_ns)]
    head = {
        "csv": [CSV_HEADER],
        "jsonl": [],
        "terminal": ["# edge-infer power log. q:", CSV_HEADER],
    }
    end = "\r\n" if form == "terminal" else "\n"
    log.write_bytes(end.join([*head[form], *lines, lines[-1][:9]]).encode())
    assert run_line(["power", "report", str(log), "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    # 2.5 W over each boot, and the line from 3 W to 1 W over the one period between them.
    assert report["energy_uj"] == 5_000 + 2_000 + 5_000
    assert (report["samples"], report["lost"], report["restarts"]) == (6, 0, 1)
    assert (report["origin"], report["uncertainty_uw"]) == (origin, None)
    assert "1 line, 9 bytes" in report["left_out"] and "1 line, 9 bytes" in captured.err
    assert run_line(["power", "report", str(log)]) == 0
    text = capsys.readouterr().out
    assert "the log states no bound" in text and "the time between is not counted" in text


def test_a_stream_that_goes_on_and_a_meter_started_anew_lose_nothing(tmp_path: Path) -> None:
    rows = [boot_fields(0, 77), *(entry_fields(n, s) for n, s in enumerate(samples([1, 1])))]
    again = [s._replace(timestamp_ns=s.timestamp_ns + 9 * MS) for s in samples([1, 1])]
    rows += [boot_fields(0, 77), *(entry_fields(n, s) for n, s in enumerate(again, 2))]
    log = tmp_path / "log.csv"
    log.write_text("\n".join([CSV_HEADER, *map(csv_line, rows), ""]))
    found = read_power_log(log)
    assert (found.restarts, summarise(found.samples).lost) == (0, 0)
    assert summarise(found.samples).longest_gap_ns == 8 * MS
    assert not found.bounds_stated


def test_a_block_of_zeros_in_the_middle_is_counted_and_the_rest_is_read(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    lines[50] = bytes(100) + lines[50]
    recorded.write_bytes(b"".join(lines))
    assert run_line(["power", "report", str(recorded), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["lost"]) == (len(lines) - 3, 1)
    assert report["left_out"].startswith(f"1 line, {len(lines[50])} bytes; line 51")


def test_a_log_that_is_played_ends_with_its_file(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = read_power_log(recorded)
    time = VirtualTimebase()
    meter = RecordedMeter(log, time.now_ns)
    meter.start()
    source = power_meter.MeterSource("log", meter, time)
    assert sum(map(len, source.batches(power_meter.BATCH_NS, None))) == len(log.samples)
    short = "".join(recorded.read_text().splitlines(keepends=True)[:12])
    recorded.write_text(short)
    assert run_line(["power", "monitor", "--meter", f"log:{recorded}"]) == 0
    assert "10 samples, 0 lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('{"timestamp_ns": 5, "power_uw": 7}\n', 1, "it is no line of power stream"),
        ("{}{}\n", 1, "holds no samples: line 1"),
        ("[1]\n", 2, "holds no trial with samples"),
        (f"{CSV_HEADER}\n0,boot,,,,,,,,,77\n", 1, "holds no samples"),
        (f"{CSV_HEADER}\n0,power,5\n", 1, "it has 3 values, not 11"),
        ("\0" * 50, 2, "no row of numbers"),
    ],
)
def test_what_is_no_log_is_refused(
    text: str, code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(text)
    assert run_line(["power", "report", str(log)]) == code
    assert message in capsys.readouterr().err

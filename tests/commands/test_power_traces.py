"""`power report` of other instruments' traces: one command from the file to joules an inference."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from tests.fakes.power_traces import BUSY_W, IDLE_W, write_mlperf, write_ppk2

from edge_infer.commands.root import run_line

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "power" / "v0.5_Nucleo-L4R5ZI"
RATE_HZ = 20_000.0


def report(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert run_line(["power", "report", *map(str, words), "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    schema = json.loads((SCHEMAS / "power-report.schema.json").read_text())
    fastjsonschema.compile(schema)(document)
    return document


def write_run(path: Path, spans: list[tuple[float, float]], exits: list[int], clock: float) -> Path:
    rows = [
        {
            "number": n,
            "exit": left,
            "start_ns": round((begin * clock + 5000) * 1e9),
            "end_ns": round((end * clock + 5000) * 1e9),
            "energy_origin": None,
        }
        for n, ((begin, end), left) in enumerate(zip(spans, exits, strict=True))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, Path]:
    """A PPK2's export and the run's log, the clocks 100 ppm apart."""
    drawn = np.random.default_rng(3)
    starts = (0.1 + 0.02 * np.arange(40) + 0.006 * drawn.random(40)).tolist()
    exits = drawn.integers(0, 2, 40).tolist()
    spans = [(at, at + (0.003, 0.007)[left]) for at, left in zip(starts, exits, strict=True)]
    trace = write_ppk2(tmp_path / "ppk.csv", spans, rate_hz=RATE_HZ)
    return trace, write_run(tmp_path / "run.jsonl", spans, exits, 1 - 100e-6)


@pytest.mark.skipif(not SHARED.exists(), reason="the published traces (../shared) are not here")
@pytest.mark.parametrize("net", ["ic", "kws", "vww"])
def test_published_energies_within_a_thousandth(
    net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(capsys, SHARED / net)
    assert abs(found["published"]["off_percent"]) < 0.1
    assert found["per_inference"]["origin"] == "measured" and found["windows"]["count"] == 5


def test_a_folder_of_mlperf_tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_mlperf(tmp_path / "ic")
    found = report(capsys, folder, "--idle-window", "0s..2s")
    each = found["per_inference"]
    assert each["median_uj"] == pytest.approx(1e5 * BUSY_W * 2, rel=0.001)
    assert each["net_median_uj"] == pytest.approx(1e5 * (BUSY_W - IDLE_W) * 2, rel=0.002)
    assert each["idle_uw"] == pytest.approx(1e6 * IDLE_W, rel=1e-6)
    assert each["uncertainty_uj"] >= each["edges_uj"] > 0 and each["gain_uj"] is None
    assert found["input"]["assumptions"] == ["samples are in uJ, as results.txt's sums show"]
    assert run_line(["power", "report", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "an inference, median" in out and "gain not stated" in out
    assert "taken for granted: samples are in uJ" in err
    stated = report(capsys, folder, "--gain-error", "2")
    assert stated["per_inference"]["gain_uj"] == pytest.approx(0.02 * each["mean_uj"], rel=1e-6)


def test_a_channel_and_a_runs_log_give_joules_by_exit(
    recorded: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    trace, run = recorded
    marked = report(capsys, trace, "--supply", "3.3V", "--channel", "D0")
    assert marked["windows"]["count"] == 40 and marked["exits"] is None
    assert marked["input"]["supply_v"] == 3.3
    found = report(capsys, trace, "--supply", "3.3V", "--channel", "D0", "--run", run,
                   "--idle", "20mW")  # fmt: skip
    assert found["clock"]["drift_ppm"] == pytest.approx(100, abs=40)
    assert found["clock"]["residual_s"] < 1 / RATE_HZ
    for one, length_s in zip(found["exits"], (0.003, 0.007), strict=True):
        assert one["mean_uj"] == pytest.approx(1e6 * BUSY_W * length_s, rel=0.005)
        assert one["net_mean_uj"] == pytest.approx(1e6 * (BUSY_W - IDLE_W) * length_s, rel=0.01)
        assert abs(one["mean_uj"] - 1e6 * BUSY_W * length_s) < one["uncertainty_uj"]
    line = ["power", "report", str(trace), "--supply", "3300mV", "--channel", "D0", "--run"]
    assert run_line([*line, str(run)]) == 0
    assert "ppm, off by" in capsys.readouterr().out


def test_a_table_is_measured_only_where_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,p,m\n" + "".join(f"{n},5,{int(20 <= n < 70)}\n" for n in range(100)))
    line = (path, "--columns", "time_ms=t,power_w=p,marker=m", "--channel", "m")
    found = report(capsys, *line, "--inferences", "10", "--windows", "1")
    assert found["per_inference"]["origin"] == "unknown"
    assert found["per_inference"]["mean_uj"] == pytest.approx(25_000)
    assert found["per_inference"]["uncertainty_uj"] is None  # one window tells no scatter
    assert report(capsys, *line, "--measured")["origin"] == "measured"
    # A marker is named for something: it need not be named twice.
    assert report(capsys, *line[:-2])["windows"]["count"] == 1
    assert run_line(["power", "report", *map(str, line), "--idle", "6W"]) == 2
    assert "6000 mW of idle power is more than its windows draw" in capsys.readouterr().err


def test_a_log_of_this_project_with_a_run_of_the_same_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "power.csv"
    line = ["power", "record", "--meter", "sim:raspberry-pi-5", "--duration", "2s"]
    assert run_line([*line, "-o", str(log)]) == 0
    capsys.readouterr()
    found = report(capsys, log)
    assert found["windows"] is None and found["input"]["format"] == "edge-infer"
    run = tmp_path / "run.jsonl"
    rows = [
        {"exit": 0, "start_ns": 10**8 * n, "end_ns": 10**8 * n + 5 * 10**7, "energy_origin": None}
        for n in range(1, 15)
    ]
    run.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = report(capsys, log, "--run", run, "--same-clock")
    assert found["exits"][0]["mean_uj"] == pytest.approx(found["mean_uw"] * 0.05, rel=0.03)
    assert found["per_inference"]["gain_uj"] > 0


def test_the_plot_shows_windows(
    recorded: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")
    picture = tmp_path / "x.png"
    line = ["power", "report", str(recorded[0]), "--supply", "3.3V", "--channel", "D0"]
    assert run_line([*line, "--plot", str(picture)]) == 0
    assert picture.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["ppk.csv"], 2, "give the board's supply"),
        (["ppk.csv", "--supply", "3.3"], 2, "write it with its unit"),
        (["ppk.csv", "--supply", "3300V"], 2, "is no board's supply"),
        (["ppk.csv", "--supply", "3.3V", "--channel", "D9"], 2, "no digital channel 'D9'"),
        (["ppk.csv", "--supply", "3.3V", "--channel", "D1"], 3, "D1 marks no window"),
        (["ppk.csv", "--supply", "3.3V", "--channel", "D0", "--windows", "9"], 3, "not 9"),
        (["ppk.csv", "--supply", "3.3V", "--run", "run.jsonl"], 2, "needs what ties its clock"),
        (["ppk.csv", "--supply", "3.3V", "--same-clock"], 2, "give it with --run"),
        (["ppk.csv", "--supply", "3.3V", "--measured"], 2, "--measured is said of --columns"),
        (["ppk.csv", "--supply", "3.3V", "--inferences", "4"], 2, "nothing tells its windows"),
        (["ppk.csv", "--supply", "3.3V", "--between", "5s..9s"], 2, "has no readings from 5 to 9"),
        (["ppk.csv", "--supply", "3.3V", "--between", "5s"], 2, "is no stretch of time"),
        (["ppk.csv", "--format", "joulescope"], 2, "is in ua: name it with --columns"),
        (["ppk.csv", "--format", "mlperf-tiny"], 2, "does not begin with 0xf1"),
        (["ppk.csv", "--format", "edge-infer"], 1, "no heading of a power log"),
        (["ppk.csv", "--columns", "time=0"], 2, "names no column"),
        (["none.csv", "--supply", "3.3V"], 1, "none.csv"),
        ([".", "--supply", "3.3V"], 2, "leave --supply out"),
        (["."], 2, "holds no *energy*.bin"),
        (["run.jsonl", "--run", "run.jsonl", "--same-clock"], 1, "it is no line of power stream"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    recorded: tuple[Path, Path],
    words: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(recorded[0].parent)
    assert run_line(["power", "report", *words]) == code
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err

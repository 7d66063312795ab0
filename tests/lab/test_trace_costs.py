"""A cost table whose energies an outside meter measured: visits, marks, trace, table."""

import json
from pathlib import Path

import fastjsonschema
import numpy as np
import pytest
from tests.fakes.gpio_kernel import GpioKernel

from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.gpio import open_line
from edge_infer.commands import marker
from edge_infer.commands.root import run_line
from edge_infer.lab.costs.visits import Visit, read_visits

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "measure.schema.json"
BUNDLE = "digits-little-big"
STEP_S, OFFSET_S, DRIFT = 5e-4, 3.0, 40e-6


def power_w(visit: Visit) -> float:
    """What a visit draws here: told apart by kind and stage."""
    return {"idle": 2.0, "switch": 3.0}.get(visit.kind, 4.0 + len(visit.stage) / 10)


def write_trace(path: Path, visits: tuple[Visit, ...], late_s: float = 0.0) -> Path:
    """Write what an instrument with a clock of its own recorded of visits; m is the marker."""
    first = visits[0].start_ns
    starts, ends = (
        OFFSET_S + np.array([getattr(v, at) - first for v in visits]) / 1e9 * (1 + DRIFT)
        for at in ("start_ns", "end_ns")
    )
    times = np.arange(late_s + STEP_S, ends[-1] + 1, STEP_S)
    at = np.searchsorted(starts, times, side="right") - 1
    high = (at >= 0) & (times < ends[at])
    watts = np.where(high, np.array([power_w(v) for v in visits])[at], 2.5)
    rows = (f"{t:.6f},{w:.4f},{int(m)}" for t, w, m in zip(times, watts, high, strict=True))
    path.write_text("t,p,m\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a measurement on this computer, its line driven and its visits written."""
    folder = tmp_path_factory.mktemp("measured")
    kernel = GpioKernel(folder, {"gpiochip0": ["GPIO0"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            marker, "open_line", lambda text: open_line(text, kernel.devices, kernel.ioctl)
        )
        line = ["measure", BUNDLE, "--threads", "1", "--marker", "GPIO0"]
        assert run_line([*line, "--visits", str(folder / "visits.jsonl")]) == 0
    visits, _ = read_visits(folder / "visits.jsonl")
    assert kernel.levels == [0, *[1, 0] * len(visits), 0]
    write_trace(folder / "trace.csv", visits)
    return folder


COLUMNS = ("--columns", "time_s=t,power_w=p,marker=m")


def traced(folder: Path, *more: str) -> int:
    visits = ("--visits", str(folder / "visits.jsonl"))
    return run_line(["measure", BUNDLE, "--trace", str(folder / "trace.csv"), *visits, *more])


def test_energies_are_the_traces_and_times_the_boards(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = measured / "table.json"
    line = (*COLUMNS, "--measured", "--channel", "m", "-o", str(table), "--json")
    assert traced(measured, *line) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.compile(json.loads(SCHEMA.read_text()))(document)
    visits, times = read_visits(measured / "visits.jsonl")
    assert document["input"]["visits"] == len(visits)
    clock = document["input"]["clock"]
    assert clock["drift_ppm"] == pytest.approx(1e6 * DRIFT, abs=4 * clock["drift_error_ppm"])
    found = CostTable.from_json(table.read_text())
    assert found.has_energies and found.idle_reference_uw == pytest.approx(2e6, rel=1e-3)
    for (stage, point), row in found.rows.items():
        before = times.row(stage, point)
        assert row.time_ns == before.time_ns and row.origin == "measured"
        visit = next(v for v in visits if (v.stage, v.point) == (stage, point))
        assert row.power_uw == pytest.approx(1e6 * power_w(visit), rel=3e-3)
    assert not any(note.startswith("no meter") for note in found.notes)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ((), 2, "--trace needs what ties its clock"),
        (("--channel", "m"), 2, "Name what stands where"),
        ((*COLUMNS, "--channel", "m"), 2, "give --measured"),
        ((*COLUMNS, "--measured", "--channel", "x"), 2, "no digital channel 'x'"),
        ((*COLUMNS, "--measured", "--same-clock"), 3, "covers no visit of idle"),
    ],
)
def test_what_does_not_fit_is_refused(
    measured: Path,
    more: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert traced(measured, *more) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--marker", "GPIO0"], "--marker needs --visits"),
        (["--channel", "m"], "go with --trace"),
        (["--supply", "5V"], "go with --trace"),
        (["--trace", "x.csv"], "--trace needs --visits"),
        (["--trace", "x.csv", "--board", "sim:raspberry-pi-4b"], "leave --board out"),
        (["--trace", "x.csv", "--threads", "2"], "--trace reads what was measured before"),
        (["--trace", "x.csv", "--visits", "v", "--marker", "GPIO0"], "leave --marker out"),
    ],
)
def test_options_that_lack_another(
    line: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["measure", BUNDLE, *line]) == 2
    assert message in capsys.readouterr().err


def test_visits_of_another_bundle_and_damaged_ones(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--trace", str(measured / "trace.csv"), "--channel", "m", *COLUMNS, "--measured"]
    visits = measured / "visits.jsonl"
    assert run_line(["measure", "digits-early-exit", *line, "--visits", str(visits)]) == 2
    assert "is of digits-little-big" in capsys.readouterr().err
    text = visits.read_text()
    for cut, kind in [
        (text[: len(text) // 2], DamagedTraceError),
        ("".join(text.splitlines(keepends=True)[:-1]), DamagedTraceError),
        ("{}\n", TraceError),
        (text.replace('"start_ns"', '"begin_ns"'), DamagedTraceError),
        (text.replace('"start_ns": ', '"start_ns": 9'), DamagedTraceError),
        (text.replace('"start_ns": ', '"start_ns": 0.'), DamagedTraceError),
    ]:
        (tmp_path / "v.jsonl").write_text(cut)
        with pytest.raises(kind):
            read_visits(tmp_path / "v.jsonl")


def test_a_trace_that_began_late_lacks_visits(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits, _ = read_visits(measured / "visits.jsonl")
    late = write_trace(tmp_path / "late.csv", visits, late_s=OFFSET_S + 0.3)
    line = ["measure", BUNDLE, "--trace", str(late), "--visits", str(measured / "visits.jsonl")]
    assert run_line([*line, *COLUMNS, "--measured", "--channel", "m"]) == 3
    said = capsys.readouterr().err
    assert "covers no visit of idle" in said or "record from before the first one" in said

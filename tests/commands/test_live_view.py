"""The live view: what it shows, that it fits, and that nothing is lost without a terminal."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.fakes.runtime_fakes import record_of

from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.commands.live_figures import LiveFigures, MinuteStrip
from edge_infer.commands.live_view import LiveView, live_picture, sparkline
from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.records import Frame, InferenceRecord
from edge_infer.runtime.sinks.sink import RunState

S = 1_000_000_000
EXITS = ("exit1", "exit2", "exit3")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def reader() -> AnswerReader:
    return AnswerReader(open_bundle("digits-early-exit").manifest)


def record(number: int, at_ns: int, exit_: int = 0, name: str = "a.png") -> InferenceRecord:
    stages = [(at_ns, at_ns + 1_000_000)] * (exit_ + 1)
    found = record_of(Frame(number, np.zeros(1)), at_ns, at_ns + 1_000_000, stages)
    found.answer, found.name = 7, name
    found.scores = np.array([0] * 7 + [100, 0, 0], np.int8)
    return found


def state(at_s: int, gross_j: float, **more: int) -> RunState:
    return RunState(at_s * S, 2_400_000, 61_500, True, round(gross_j * 1e9), 0, at_s * S, 0, 0, 2)


def filled() -> LiveFigures:
    figures = LiveFigures(EXITS, battery_mwh=10_000)
    for number in range(90):
        figures.write(record(number, number * S, number % 3 // 2))
    figures.sampled([PowerSample(0, n * S, S, 5000, 1, 4_000_000 + n * 1000) for n in range(90)])
    figures.observe(state(90, 360))
    return figures


def drawn(figures: LiveFigures, plain: bool = False, **settings: object) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=80, height=24, force_terminal=True, **settings)  # type: ignore[arg-type]
    console.print(live_picture("net on board", reader(), figures, plain))
    return screen.getvalue()


def test_everything_fits_80_columns_and_24_rows() -> None:
    lines = ESCAPE.sub("", drawn(filled())).splitlines()
    assert len(lines) <= 23 and {len(line) for line in lines} == {80}
    text = "\n".join(lines)
    for part in (
        "net on board", "7  ", "probability", "exit1", "a.png", "4.09 W", " 66.7 %", " 33.3 %",
        "1 ms", "2400 MHz", "61.5 degC", "THROTTLED", "answers 90", "1 a second",
        "dropped 2", "360 J", "battery 2.48 h left",
    ):  # fmt: skip
        assert part in text, part


def test_what_nobody_knows_is_a_dash() -> None:
    empty = ESCAPE.sub("", drawn(LiveFigures(EXITS, battery_mwh=1)))
    assert "no answer yet" in empty and "clock -" in empty and "battery - left" in empty
    assert "battery" not in drawn(LiveFigures(EXITS))


def test_no_colour_and_no_unicode_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "\x1b[" in drawn(filled(), color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", drawn(filled(), color_system="standard"))
    assert drawn(filled(), plain=True).isascii()


def test_names_steer_no_terminal() -> None:
    figures = LiveFigures(EXITS)
    figures.write(record(0, 0, name="x\x1b[2J[bold]y\n"))
    text = drawn(figures)
    assert "\x1b[2J" not in text and "\\x1b[2J[bold]y\\x0a" in ESCAPE.sub("", text)


def test_a_strip_holds_the_last_minute_second_by_second() -> None:
    strip = MinuteStrip()
    for second in range(100):
        for value in (second, second + 1):
            strip.add(second * S, value)
    strip.add(50 * S, 99.5)  # late: it counts to the newest
    assert strip.means() == [second + 0.5 for second in range(40, 100)]
    assert strip.rate_hz() == 2
    strip.add(159 * S, 1.0)
    assert strip.means()[0] is None and strip.means()[-1] == 1.0


def test_a_sparkline_goes_from_the_least_to_the_greatest() -> None:
    assert sparkline([None, 1, 2, 3], " abc") == " abc"
    assert sparkline([5, 5], " abc") == "bb"
    assert sparkline([None, None], " abc") == "  "


def test_without_a_meter_the_energy_tells_the_power() -> None:
    figures = LiveFigures(EXITS)
    figures.observe(state(1, 4))
    figures.observe(state(3, 10))
    assert figures.power_w.means()[-1] == pytest.approx(3)
    figures.sampled([PowerSample(0, 4 * S, S, 0, 0, 9_000_000, SampleFlag.SATURATED)])
    assert figures.power_w.means()[-1] == pytest.approx(3)


def test_it_is_drawn_four_times_a_second_at_most() -> None:
    now, screen = [0.0], io.StringIO()
    console = Console(file=screen, width=80, height=24, force_terminal=True)
    view = LiveView("t", reader(), LiveFigures(EXITS), console, lambda: now[0])
    drawings = []
    for tick in range(41):
        now[0] = tick / 20
        before = len(screen.getvalue())
        view.write(record(tick, tick * S))
        view.flush()
        drawings.append(len(screen.getvalue()) > before)
    view.close()
    assert sum(drawings) == 9


def test_without_a_terminal_one_line_says_so_and_the_run_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["run", "digits-early-exit", "--live", "--frames", "3", "--json"]
    assert run_line([*arguments, "--battery", "18Wh"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["inferences"] == 3
    assert err.count("--live: standard error is no terminal") == 1


def test_on_a_terminal_it_is_drawn_and_the_report_follows(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge_infer", "run", "digits-early-exit", "--live"]
    line = [*command, "--board", "sim:raspberry-pi-5", "--frames", "300", "--battery", "18Wh"]
    line += ["-o", "-"]
    with (tmp_path / "rows").open("wb") as out:  # a pipe that nobody reads would fill up
        done = subprocess.Popen(
            line, stdout=out, stderr=theirs, env={**os.environ, "TERM": "xterm"}
        )
    os.close(theirs)
    screen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        screen += piece
    os.close(ours)
    done.wait()
    rows = (tmp_path / "rows").read_bytes()
    text = ESCAPE.sub("", screen.decode())
    assert done.returncode == 0
    assert "answers 300" in text and "h left" in text
    assert "accuracy" in text.split("h left")[-1]
    assert re.search(r"live view: 300 answers \([\d.]+ m?s of processor time\)", text)
    assert [json.loads(row)["number"] for row in rows.splitlines()] == list(range(300))
    assert screen.count(b"\x1b[?25h") == screen.count(b"\x1b[?25l") > 0  # the cursor is back

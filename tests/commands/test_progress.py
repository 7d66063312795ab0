"""Progress: drawn before two seconds are over, on a terminal, with rate and time left."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from edge_infer.commands.progress import QUIET_S, Bar, RunProgress, _UnderWay, bar, under_way
from edge_infer.commands.render import end_progress, note
from edge_infer.commands.root import COMMANDS, LONG, run_line
from edge_infer.lab.progress import counted

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def terminal() -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, width=80, height=24, force_terminal=True), screen


def test_a_bar_says_share_count_rate_and_time_left() -> None:
    console, screen = terminal()
    now = [0.0]
    drawn = Bar("frames", console, lambda: now[0])
    now[0] = QUIET_S - 0.1
    drawn.show(10, 400)
    assert screen.getvalue() == ""  # quick commands are quiet
    now[0] = 4.0
    drawn.show(100, 400)
    assert drawn.progress is not None
    drawn.progress.refresh()
    drawn.close()
    text = ESCAPE.sub("", screen.getvalue())
    assert " 25%" in text and "100 frames" in text and "25/s" in text and "left" in text
    before = len(screen.getvalue())
    drawn.show(200, 400)  # nothing more, once it is closed
    assert len(screen.getvalue()) == before


def test_bytes_have_their_rate_and_an_unknown_total_is_no_trouble() -> None:
    console, screen = terminal()
    now = [0.0]
    drawn = Bar("bytes", console, lambda: now[0])
    now[0] = 10.0
    drawn.show(50_000, None)
    assert drawn.progress is not None
    drawn.progress.refresh()
    drawn.close()
    assert "5.0 kB/s" in screen.getvalue()


def test_nothing_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("frames") as show:
        show(1, 2)
    sink = RunProgress(2, Bar("frames", clock_s=lambda: 1e6))
    sink.flush()
    sink.close()
    note("a sentence")
    end_progress()
    assert capsys.readouterr() == ("", "")


def test_what_is_under_way_is_shown_with_its_time_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console, screen = terminal()
    timers: list[Any] = []

    class Timer:
        def __init__(self, after_s: float, action: Any, arguments: tuple[str, ...]) -> None:
            self.after_s, self.fire = after_s, lambda: action(*arguments)
            timers.append(self)

        def start(self) -> None: ...

        def cancel(self) -> None: ...

    monkeypatch.setattr("threading.Timer", Timer)
    monkeypatch.setattr("rich.console.Console", lambda stderr: console)
    job = _UnderWay()
    job.begin("scoring [5000] inputs")
    job.begin("choosing thresholds")
    assert [timer.after_s for timer in timers] == [QUIET_S, QUIET_S]
    timers[1].fire()
    assert "... choosing thresholds 0:00:01" in ESCAPE.sub("", screen.getvalue())
    job.end()
    job.end()
    size = len(screen.getvalue())
    timers[0].fire()  # it came too late
    assert len(screen.getvalue()) == size


def test_a_long_command_is_not_silent_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr("edge_infer.commands.root.begin_progress", begun.append)
    assert run_line(["tune", "no-such-bundle", "--calibration", "x", "-o", "y"]) == 2
    assert run_line(["boards", "list"]) == 0
    assert begun == ["tune"]
    assert set(COMMANDS) >= LONG


def test_what_is_counted_gets_a_bar_until_the_next_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console, screen = terminal()
    job = _UnderWay()
    now, bars = [0.0], list[Bar]()

    def drawn(unit: str) -> Bar:
        bars.append(Bar(unit, console, lambda: now[0]))
        return bars[-1]

    monkeypatch.setattr("edge_infer.commands.progress.under_way", job)
    monkeypatch.setattr("edge_infer.commands.progress.Bar", drawn)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    told: list[str] = []

    class Shown:
        count = staticmethod(job.count)

        def __call__(self, sentence: str) -> None:
            told.append(sentence)

    for _ in counted(range(400), "inputs", Shown()):
        now[0] += 0.01
    assert len(bars) == 1 and bars[0].progress is not None
    bars[0].progress.refresh()
    text = ESCAPE.sub("", screen.getvalue())
    assert " inputs" in text and "/s" in text and "left" in text
    job.end()
    size = len(screen.getvalue())
    assert list(counted("abc", "inputs", told.append)) == ["a", "b", "c"]  # who cannot count
    assert len(screen.getvalue()) == size


def test_a_run_that_read_for_long_shows_its_bar_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    console, screen = terminal()
    monkeypatch.setattr(under_way, "begun_s", 100.0)
    drawn = Bar("frames", console, lambda: 100.0 + QUIET_S)
    drawn.show(0, 400)
    drawn.close()
    assert "0 frames" in ESCAPE.sub("", screen.getvalue())

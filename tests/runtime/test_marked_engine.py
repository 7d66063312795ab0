import numpy as np
import pytest

from edge_infer.boards import open_board
from edge_infer.boards.timebase import Timebase
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.errors import FrameError
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame


class WatchedLine:
    """Notes each change of a line with the board's time."""

    def __init__(self, timebase: Timebase) -> None:
        self._timebase = timebase
        self.changes: list[tuple[int, int]] = []

    def set_high(self) -> None:
        self.changes.append((1, self._timebase.now_ns()))

    def set_low(self) -> None:
        self.changes.append((0, self._timebase.now_ns()))


def test_the_line_is_high_while_an_inference_runs_and_low_in_between() -> None:
    bundle = open_bundle("digits-early-exit")
    images = np.tile(bundle.golden().frames, (20, 1, 1, 1))
    with open_board("sim:raspberry-pi-5") as board:
        line = WatchedLine(board.timebase)
        with Engine(bundle, board, marker=line, policy="powersave") as engine:
            records = [engine.infer(Frame(n, image)) for n, image in enumerate(images[:20])]
            with pytest.raises(FrameError):
                engine.infer(Frame(20, images[0][:2]))
    assert [level for level, _ in line.changes] == [1, 0] * 21
    for number, record in enumerate(records):
        (_, high_ns), (_, low_ns) = line.changes[2 * number : 2 * number + 2]
        assert high_ns <= record.start_ns < record.end_ns <= low_ns
        assert low_ns - high_ns < 1.01 * (record.end_ns - record.start_ns)


def test_marked_or_not_the_answers_and_times_are_the_same() -> None:
    bundle = open_bundle("digits-early-exit")
    images = np.tile(bundle.golden().frames, (20, 1, 1, 1))
    seen = []
    for marked in (False, True):
        with open_board("sim:raspberry-pi-5") as board:
            line = WatchedLine(board.timebase)
            opened = Engine(bundle, board, marker=line) if marked else Engine(bundle, board)
            with opened as engine:
                records = [engine.infer(Frame(n, image)) for n, image in enumerate(images[:30])]
        seen.append([(r.answer, r.exit, r.end_ns - r.start_ns) for r in records])
    assert seen[0] == seen[1]

"""A survey that is ended at any moment: everything is put back, and it goes on where it was."""

import json
from pathlib import Path
from random import Random

import pytest
from tests.lab.survey.hidden_boards import Hidden, hidden
from tests.lab.survey.truth_check import profile_of

from edge_infer.boards.clock_lease import ClockLease, ProcessIdentity
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.lab.survey.errors import DamagedSurveyError
from edge_infer.lab.survey.plan import STEPS, todo
from edge_infer.lab.survey.survey_state import STATE_FILE, SurveyState, read_state
from edge_infer.lab.survey.surveying import survey

FOLDER = "devices/system/cpu/cpufreq/policy0"
SETTINGS = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
QUICK = ("identity", "idle", "clocks", "switches", "memory")


class Ended(BaseException):
    """A process comes to its end: by a signal, or by SIGKILL."""


class MortalLease(ClockLease):
    """The lease of a process that may be killed."""

    def die(self) -> None:
        """Let go of the lock alone, as the kernel does."""
        if self._lock is not None:
            self._lock.close()


class Processes:
    """Surveys of one machine, one process after another, each with a lease on its clock."""

    def __init__(self, machine: Hidden, folder: Path, steps: tuple[str, ...]) -> None:
        self.machine, self.folder = machine, folder
        self.steps = [step for step in STEPS if step.name in steps]
        self.found = self.settings()
        self._count = 0
        self._armed = False

    def settings(self) -> dict[str, str]:
        return {name: self.machine.board.sysfs.read(f"{FOLDER}/{name}") for name in SETTINGS}

    def run(self, ends_after_ns: int | None, killed: bool) -> bool:
        """Begin or go on; return whether it came to its end by itself."""
        self._count += 1
        board = self.machine.board
        lease = MortalLease(self.folder, ProcessIdentity("boot", self._count, 1))
        board.clock = CpufreqClock(board.sysfs, lease)
        assert self.settings() == self.found  # put back by now, whoever ended
        state = self.state()
        self._armed = ends_after_ns is not None
        if ends_after_ns is not None:
            board.timebase.call_at(board.timebase.now_ns() + ends_after_ns, self._end)
        try:
            survey(self.machine.rig, state, self.folder, self.steps)
        except Ended:
            if killed:
                lease.die()
            else:
                board.close()
            return False
        finally:
            self._armed = False
        board.close()
        assert self.settings() == self.found
        return True

    def state(self) -> SurveyState:
        if (self.folder / STATE_FILE).exists():
            return read_state(self.folder)
        return SurveyState("unknown", True, "2026-11-29")

    def _end(self) -> None:
        if self._armed:
            raise Ended


def resumed(seed: int, folder: Path, steps: tuple[str, ...], ends: int, most_ns: int) -> int:
    """Interrupt a survey at random moments; hold its figures against one that was left alone.

    Return how often it was interrupted.
    """
    random = Random(seed)
    processes = Processes(hidden(seed, clocks=3), folder, steps)
    interrupted = 0
    for index in range(ends):
        interrupted += not processes.run(random.randrange(1, most_ns), killed=index % 2 == 0)
    assert processes.run(None, killed=False)
    alone = SurveyState("unknown", True, "2026-11-29")
    of = hidden(seed, clocks=3)
    survey(of.rig, alone, None, processes.steps)
    assert not todo(of.rig, processes.state(), processes.steps)
    one, other = profile_of(alone).figures, profile_of(processes.state())
    for key, figure in one.items():
        if figure.low is not None and figure.high is not None:
            value = _value(other, key)
            assert figure.low <= value <= figure.high, (key, figure, value)
    return interrupted


def _value(profile: object, key: str) -> int:
    value: object = profile
    for part in key.split("."):
        if isinstance(value, dict):
            value = value[part]
        else:
            value = getattr(value, part, None) or value.speeds[part]  # type: ignore[attr-defined]
    assert isinstance(value, int)
    return value


def test_ended_at_any_moment_all_is_put_back_and_it_goes_on(tmp_path: Path) -> None:
    assert resumed(1, tmp_path, QUICK, ends=12, most_ns=1_500_000_000) >= 8


@pytest.mark.slow
def test_two_hundred_moments(tmp_path: Path) -> None:
    steps = tuple(step.name for step in STEPS if step.name not in ("thermal", "serial"))
    interrupted = 0
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        interrupted += resumed(seed, folder, steps, ends=25, most_ns=9_000_000_000)
    assert interrupted >= 200


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    processes = Processes(hidden(2, clocks=3), tmp_path, QUICK)
    assert processes.run(None, killed=False)
    before = (tmp_path / STATE_FILE).read_text()
    begun_ns = processes.machine.rig.now_ns()
    assert processes.run(None, killed=False)
    assert processes.machine.rig.now_ns() - begun_ns < 100_000_000
    assert json.loads(before) == json.loads((tmp_path / STATE_FILE).read_text())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged"),
        ("{", "is damaged"),
        ("[]", "is no survey"),
        ('{"format": "edge-infer survey", "format_version": 9}', "is no survey"),
        ('{"format": "edge-infer survey", "format_version": 1}', "is damaged"),
        ('{"format": "edge-infer survey", "format_version": 1, "board": 1, "simulated": true,'
         ' "date": ""}', "board is 1"),
        ('{"format": "edge-infer survey", "format_version": 1, "board": "b", "simulated": true,'
         ' "date": "", "found": {"idle": 3}}', "idle holds 3"),
    ],
)  # fmt: skip
def test_a_damaged_state_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(DamagedSurveyError, match=said):
        read_state(tmp_path)

"""100 simulated boards, flashed in waves over lines and disks that fail by a seed."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bridge_device import bundle_file, digest
from tests.fakes.serial_line import Faults, SerialLine
from tests.fakes.simulated_fleet import Behaviour, BoardFaults, S, SimulatedBoard

from edge_infer.firmware_bridge.fleet.board_flash import BoardFlash
from edge_infer.firmware_bridge.fleet.board_line import BoardLines
from edge_infer.firmware_bridge.fleet.fleet_file import Expected, FleetBoard
from edge_infer.firmware_bridge.fleet.rollout import Rollout, roll_out
from edge_infer.firmware_bridge.fleet.rollout_state import RolloutState
from edge_infer.firmware_bridge.fleet.side_by_side import Outcome, SideBySide
from edge_infer.firmware_bridge.fleet.waves import wave_sizes

PROFILES = ("raspberry-pi-5", "raspberry-pi-4b", "coral-dev-board", "raspberry-pi-zero-2w")
ODD = PROFILES[3]
OLD, NEW = bundle_file(1), bundle_file(2, fill=b"new")
EXPECTED = Expected((80.0, 120.0), {"early": (0.6, 0.9)})


class Unseen:
    def told(self, board: FleetBoard, step: str, share: float | None) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


def make_fleet(
    count: int, new: Behaviour, seed: int, *, cuts: bool = True, absent: Sequence[int] = ()
) -> dict[str, SimulatedBoard]:
    """Boards of four profiles in turn, all with the old bundle; every fifth loses power."""
    rng = random.Random(seed)
    found = {}
    for index in range(count):
        profile = PROFILES[index % 4]
        board = FleetBoard(f"b{index:03}", f"/dev/sim{index}", profile, expected=EXPECTED)
        at = tuple(rng.randrange(2, 40) for _ in range(2)) if cuts and index % 5 == 2 else ()
        unplugged = [(rng.randrange(1, 9) * S // 10, 2 * S)] if index % 7 == 3 else []
        line = Faults(1e-4, 0.01, 0.01, unplugged=unplugged)
        faults = BoardFaults(line, at, 99 if index in absent else 0)
        found[board.name] = SimulatedBoard(
            board, profile, OLD, lambda d: new if d == digest(NEW) else Behaviour(), faults,
            seed * 1000 + index,
        )  # fmt: skip
    return found


def rolled(
    fleet: dict[str, SimulatedBoard], state: Path, *, waves: str = "1,10%,all",
    revert: bool = False, retries: int = 4,
) -> Rollout:  # fmt: skip
    boards = [each.board for each in fleet.values()]
    lines = BoardLines(lambda board: fleet[board.name].open_port())
    crew, sizes = SideBySide(lines, 8, retries, Unseen(), 0.0), wave_sizes(waves, len(boards))
    with RolloutState(state, digest(NEW).hex()) as kept:
        flash = BoardFlash(NEW, digest(NEW), 20, kept.begun)
        return roll_out(boards, sizes, flash, crew, kept, revert=revert)


def states(rollout: Rollout) -> Counter[str]:
    return Counter(each.state for each in rollout.boards.values())


def runs_new(fleet: dict[str, SimulatedBoard]) -> set[str]:
    """Boards that run the new bundle after a last power cut; every other runs the old one."""
    found = {name: board.runs for name, board in fleet.items()}
    assert set(found.values()) <= {digest(OLD), digest(NEW)}, "one without a working bundle"
    return {name for name, runs in found.items() if runs == digest(NEW)}


def test_a_good_bundle_gets_onto_every_board_that_is_there(tmp_path: Path) -> None:
    fleet = make_fleet(100, Behaviour(), 1, absent=(0, 40, 77))
    rollout = rolled(fleet, tmp_path / "state.jsonl")
    assert rollout.stopped is None
    assert states(rollout) == {"confirmed": 97, "unreachable": 3}
    assert [len(wave) for wave in rollout.waves] == [2, 9, 89]
    assert rollout.waves[0] == ["b000", "b001"], "in the place of one that is gone comes the next"
    assert runs_new(fleet) == fleet.keys() - {"b000", "b040", "b077"}
    assert sum(board.power_cuts for board in fleet.values()) >= 20


FAILS = Behaviour(self_test={ODD: "golden vector 3 answers 1, not 4"})
OTHERS = {f"b{index:03}" for index in range(10) if index % 4 != 3}
"""Boards of the first two waves whose profile is none that is odd."""


@pytest.mark.parametrize("revert", [False, True])
def test_waves_stop_at_a_bundle_that_fails_its_self_test(tmp_path: Path, revert: bool) -> None:
    fleet = make_fleet(100, FAILS, 2)
    rollout = rolled(fleet, tmp_path / "state.jsonl", revert=revert)
    assert rollout.stopped == "wave 2: b003: self-test: golden vector 3 answers 1, not 4"
    good = "reverted" if revert else "confirmed"
    assert states(rollout) == {good: 8, "failed": 2, "not begun": 90}
    assert {n for n, b in rollout.boards.items() if b.state == good} == OTHERS
    assert runs_new(fleet) == (set() if revert else OTHERS)


@pytest.mark.parametrize("new", [
    Behaviour(net_uj={ODD: 140.0}), Behaviour(net_uj={ODD: 79.0}),
], ids=["dear", "cheap"])  # fmt: skip
def test_waves_stop_at_energy_beyond_the_stated_range(tmp_path: Path, new: Behaviour) -> None:
    fleet = make_fleet(20, new, 3)
    rollout = rolled(fleet, tmp_path / "state.jsonl", waves="2,8,all")
    assert rollout.stopped is not None and "uJ net an inference, stated are 80 to 120" in (
        rollout.stopped
    )
    assert states(rollout) == {"confirmed": 6, "failed": 2, "not begun": 12}
    assert runs_new(fleet) == {f"b00{index}" for index in (0, 1, 2, 4, 5, 6)}
    assert rollout.boards["b003"].outcome is not None


def test_waves_stop_at_exit_shares_beyond_the_stated_range(tmp_path: Path) -> None:
    fleet = make_fleet(8, Behaviour(early=0.5), 4)
    rollout = rolled(fleet, tmp_path / "state.jsonl")
    assert rollout.stopped == "wave 1: b000: 0.5 leave at early, stated are 0.6 to 0.9"
    assert states(rollout) == {"failed": 1, "not begun": 7} and not runs_new(fleet)


def test_a_bundle_that_takes_boards_away_stops_the_waves(tmp_path: Path) -> None:
    fleet = make_fleet(12, Behaviour(hangs=frozenset({ODD})), 5, cuts=False)
    rollout = rolled(fleet, tmp_path / "state.jsonl", waves="2,6,all", retries=1)
    assert rollout.stopped is not None and rollout.stopped.startswith(
        "wave 2: b003: gone since the bundle was started"
    )
    assert states(rollout) == {"confirmed": 5, "lost": 1, "not begun": 6}
    assert fleet["b003"].runs == digest(OLD), "the next power cut brings the old one back"


def test_a_rollout_goes_on_where_it_ended(tmp_path: Path) -> None:
    fleet, state = make_fleet(40, Behaviour(), 6, cuts=False), tmp_path / "state.jsonl"
    opened: list[str] = []

    def interrupted(board: FleetBoard) -> SerialLine:
        opened.append(board.name)
        if len(opened) == 15:
            raise KeyboardInterrupt
        return fleet[board.name].open_port()

    boards = [each.board for each in fleet.values()]
    crew = SideBySide(BoardLines(interrupted), 1, 4, Unseen(), 0.0)
    with RolloutState(state, digest(NEW).hex()) as kept, pytest.raises(KeyboardInterrupt):
        flash = BoardFlash(NEW, digest(NEW), 20, kept.begun)
        roll_out(boards, [1, 10, 40], flash, crew, kept)
    begun = set(kept.boards)
    assert 10 <= len(begun) < 15
    resets = {name: fleet[name].resets for name in begun}
    rollout = rolled(fleet, state)
    assert states(rollout) == {"confirmed": 40} and runs_new(fleet) == fleet.keys()
    again = [name for name in sorted(resets)[:9] if fleet[name].resets != resets[name]]
    assert not again, "what has confirmed is not flashed again"


def test_what_a_rollout_before_it_confirmed_is_taken_back_too(tmp_path: Path) -> None:
    fleet, state = make_fleet(20, FAILS, 7, cuts=False), tmp_path / "state.jsonl"
    assert states(rolled(fleet, state, waves="3")) == {"confirmed": 3, "not begun": 17}
    rollout = rolled(fleet, state, waves="1,all", revert=True)
    assert states(rollout) == {"reverted": 15, "failed": 5} and not runs_new(fleet)


def test_what_had_the_bundle_before_is_not_taken_back(tmp_path: Path) -> None:
    fleet = make_fleet(4, FAILS, 8, cuts=False)
    first = fleet["b000"]
    rolled({"b000": first}, tmp_path / "another.jsonl", waves="all")
    rollout = rolled(fleet, tmp_path / "state.jsonl", waves="all", revert=True)
    assert rollout.boards["b000"].state == "confirmed" and first.runs == digest(NEW)
    assert states(rollout) == {"confirmed": 1, "reverted": 2, "failed": 1}


def test_a_board_of_another_profile_is_told_and_left_alone(tmp_path: Path) -> None:
    fleet = make_fleet(6, Behaviour(), 9, cuts=False)
    stated = replace(fleet["b000"].board, profile="coral-dev-board")
    fleet["b000"].board = stated
    rollout = rolled(fleet, tmp_path / "state.jsonl")
    wrong = rollout.boards["b000"]
    assert wrong.state == "wrong board" and wrong.outcome is not None
    assert str(wrong.outcome.error).startswith(
        "b000 on /dev/sim0 is sim:raspberry-pi-5, not coral-dev-board as stated"
    )
    assert fleet["b000"].resets == 0 and states(rollout)["confirmed"] == 5


def test_a_board_without_a_bundle_shows_its_profile_when_it_runs(tmp_path: Path) -> None:
    board = FleetBoard("fresh", "/dev/sim0", "coral-dev-board", expected=EXPECTED)
    for seed, profile in enumerate(("coral-dev-board", "raspberry-pi-5")):
        fresh = SimulatedBoard(board, profile, None, lambda _: Behaviour(), BoardFaults(), seed)
        rollout = rolled({"fresh": fresh}, tmp_path / f"{profile}.jsonl", waves="all")
        assert rollout.boards["fresh"].state == ("wrong board" if seed else "confirmed")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_whatever_fails_every_board_has_a_working_bundle(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    odd = rng.choice([Behaviour(), FAILS, Behaviour(net_uj={ODD: 300.0})])
    fleet = make_fleet(100, odd, seed, absent=rng.sample(range(100), 5))
    rollout = rolled(fleet, tmp_path / "state.jsonl", revert=rng.random() < 0.5)
    confirmed = {n for n, each in rollout.boards.items() if each.state == "confirmed"}
    assert runs_new(fleet) == confirmed
    assert (rollout.stopped is None) == (odd == Behaviour())

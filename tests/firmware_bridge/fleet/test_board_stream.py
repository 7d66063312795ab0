"""The logs of a fleet over lines that go away: every sample once, on one axis."""

import random
from pathlib import Path

import pytest
from tests.fakes.sampler import RATE, S, Sampler
from tests.fakes.serial_line import Faults

from edge_infer.commands.stream_file import StreamFile
from edge_infer.firmware_bridge.errors import LinkLostError, WrongBoardError
from edge_infer.firmware_bridge.fleet.board_line import BoardLines, LatePort, StoppedError
from edge_infer.firmware_bridge.fleet.board_stream import BoardStream
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.side_by_side import Outcome, SideBySide
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire.edge import RunInfo

RUNS = RunInfo("tiny", "1", "raspberry-pi-5", False, True, "performance", "1.0", ("only",), {})


class Unseen:
    def told(self, board: FleetBoard, step: str, share: float | None) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


def outages(rng: random.Random, count: int, seconds: int) -> list[tuple[int, int]]:
    step_ns = seconds * S // (count + 1)
    starts = [(index + 1) * step_ns + rng.randrange(step_ns // 4) for index in range(count)]
    return [(start, start + rng.randrange(step_ns // 8, step_ns // 2)) for start in starts]


def streamed(
    fleet: dict[str, Sampler], folder: Path, seconds: int, profile: str = "raspberry-pi-5"
) -> tuple[BoardStream, list[Outcome]]:
    boards = [FleetBoard(name, f"/dev/{name}", profile) for name in fleet]
    logs = {name: StreamFile(folder / f"{name}.csv") for name in fleet}
    stream = BoardStream(logs, lambda text: None, 60 * S, seconds * S, True)
    lines = BoardLines(lambda board: fleet[board.name].line)
    outcomes = SideBySide(lines, 4, 0, Unseen(), 0.0).run(boards, stream)
    for log in logs.values():
        log.close()
    return stream, outcomes


@pytest.mark.parametrize(
    ("boards", "seconds"), [(3, 24), pytest.param(40, 30, marks=pytest.mark.slow)]
)
def test_no_sample_is_unaccounted_over_20_outages_a_board(
    tmp_path: Path, boards: int, seconds: int
) -> None:
    rng = random.Random(11)
    drifts = {f"b{index}": rng.uniform(-80, 80) for index in range(boards)}
    fleet = {
        name: Sampler(
            1 << 16 if index % 3 else 900,  # every third keeps a second only
            Faults(1e-5, 0.001, 0.001, unplugged=outages(rng, 20, seconds)),
            index, drift, RUNS,
        )
        for index, (name, drift) in enumerate(drifts.items())
    }  # fmt: skip
    stream, outcomes = streamed(fleet, tmp_path, seconds + seconds // 3)
    assert all(outcome.error is None for outcome in outcomes)
    for index, name in enumerate(fleet):
        covered, off_ns = 0, []
        for row in (tmp_path / f"{name}.csv").read_text().splitlines()[1:]:
            cells = row.split(",")
            if cells[1] == "gap":
                assert int(cells[0]) == covered
                covered += int(cells[10])
            elif cells[1] == "power":
                assert int(cells[0]) == covered == int(cells[4])
                covered += 1
                off_ns.append(abs(int(cells[3]) - int(cells[4]) * S // RATE))
        done = stream.streamed[name].reader
        assert covered == done.entries + done.lost and (done.lost == 0) == bool(index % 3)
        assert fleet[name].log.end - covered < 3 * RATE, "it has caught up"
        assert max(off_ns) < 25_000_000, "on the host's axis, whatever the board's clock says"


def test_a_board_of_another_profile_is_not_streamed(tmp_path: Path) -> None:
    fleet = {"b0": Sampler(900, Faults(), runs=RUNS)}
    _, outcomes = streamed(fleet, tmp_path, 5, "coral-dev-board")
    assert isinstance(outcomes[0].error, WrongBoardError) and not outcomes[0].reached


def test_a_board_that_stays_away_ends_alone(tmp_path: Path) -> None:
    away = Faults(unplugged=[(2 * S, 10_000 * S)])
    fleet = {"b0": Sampler(900, away, runs=RUNS), "b1": Sampler(900, Faults(), runs=RUNS)}
    stream, outcomes = streamed(fleet, tmp_path, 10)
    assert isinstance(outcomes[0].error, LinkLostError) and outcomes[1].error is None
    assert stream.streamed["b0"].reader.entries > RATE


def test_a_stop_ends_what_waits_for_a_line() -> None:
    device = Sampler(900, Faults(unplugged=[(2 * S, 10_000 * S)]), runs=RUNS)
    lines = BoardLines(lambda board: device.line)
    board = FleetBoard("b0", "/dev/b0", "raspberry-pi-5")
    with lines.link(board) as link:
        device.line.at(5 * S, lines.stop)
        with pytest.raises(StoppedError):
            waits(link)
        assert device.line.time_ns < 6 * S
    with pytest.raises(StoppedError), lines.link(board):
        pass


def waits(link: Link) -> None:
    with pytest.raises(LinkLostError):
        while True:
            link.pause(S)
    link.reconnect(100 * S)


def test_a_port_that_is_not_there_yet_is_waited_for() -> None:
    port = LatePort(FleetBoard("b0", "socket://127.0.0.1:1", "raspberry-pi-5"))
    for use in (lambda: port.write(b"x"), lambda: port.read(0)):
        with pytest.raises(LinkLostError, match="is not open yet"):
            use()
    with pytest.raises(LinkLostError, match="nothing listens there"):
        port.reopen(0)
    port.close()

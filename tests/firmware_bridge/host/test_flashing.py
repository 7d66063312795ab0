"""Flashing one board whose power or line fails at the worst moment."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.bridge_device import bundle_file, digest
from tests.fakes.simulated_fleet import Behaviour, BoardFaults, S, SimulatedBoard

from edge_infer.firmware_bridge.errors import LinkTimeoutError
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.host.flashing import flash, reset
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire.command import Command
from edge_infer.firmware_bridge.wire.standard import RESET

OLD, NEW = bundle_file(1), bundle_file(2, size=20_000, fill=b"new")
BOARD = FleetBoard("one", "/dev/sim0", "raspberry-pi-5")


def board_with(faults: BoardFaults) -> SimulatedBoard:
    return SimulatedBoard(BOARD, BOARD.profile, OLD, lambda _: Behaviour(), faults, 3)


@pytest.mark.parametrize("cut", [4, 8, 12])
def test_a_power_cut_in_mid_upload_costs_time_alone(cut: int) -> None:
    board = board_with(BoardFaults(cuts=(cut,)))
    report = flash(Link(board.open_port()), NEW, confirm=True)
    assert board.power_cuts == 1 and report.confirmed and board.runs == digest(NEW)


@pytest.mark.parametrize("cut", range(12))
def test_a_power_cut_at_the_mark_may_be_the_reset(cut: int) -> None:
    board = board_with(BoardFaults())

    def say(step: str) -> None:
        if step == "self-test":
            board.storage.cut_at = board.storage.operations + cut

    report = flash(Link(board.open_port()), NEW, confirm=True, say=say)
    assert report.confirmed and board.power_cuts <= 1 and board.runs == digest(NEW)


def test_a_reset_that_did_not_arrive_is_asked_again() -> None:
    board = board_with(BoardFaults())
    line = board.open_port()

    def say(step: str) -> None:
        if step == "reset":
            line.faults.drop_write = 1.0
            line.at(line.time_ns + 2 * S, lambda: setattr(line.faults, "drop_write", 0.0))

    report = flash(Link(line), NEW, confirm=True, say=say)
    assert report.confirmed and board.resets == 1


def test_a_reset_that_never_arrives_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(board_with(BoardFaults()).open_port())
    ask: Callable[..., Any] = link.ask

    def lossy(command: Command[Any, Any], *rest: Any, **options: Any) -> Any:
        if command is RESET:
            raise LinkTimeoutError("no answer")
        return ask(command, *rest, **options)

    monkeypatch.setattr(link, "ask", lossy)
    with pytest.raises(LinkTimeoutError, match="no reset of 5 reaches"):
        reset(link)

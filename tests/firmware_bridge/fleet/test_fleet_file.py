from pathlib import Path

import pytest

from edge_infer.firmware_bridge.fleet.fleet_file import Expected, FleetBoard, chosen, read_fleet
from edge_infer.firmware_bridge.fleet.rollout_state import RolloutState
from edge_infer.firmware_bridge.fleet.waves import wave_sizes
from edge_infer.runtime.errors import InputError, SourceMissingError

GOOD = """
[[board]]
name = "hall-1"
port = "socket://10.0.0.11:5555"
profile = "raspberry-pi-5"
group = "hall"

[[board]]
name = "roof"
port = "/dev/ttyUSB0"
profile = "coral-dev-board"
baud = 921600
framing = "console"
set_lines = true

[expected.raspberry-pi-5]
net_uj_per_inference = [300, 420.5]
[expected.raspberry-pi-5.exits]
exit1 = [0.5, 0.8]
"""
BOARD = '[[board]]\nname = "{}"\nport = "{}"\nprofile = "raspberry-pi-5"\n'


def read(folder: Path, text: str) -> tuple[FleetBoard, ...]:
    path = folder / "fleet.toml"
    path.write_text(text)
    return read_fleet(path)


def test_a_fleet_is_read(tmp_path: Path) -> None:
    hall, roof = read(tmp_path, GOOD)
    assert hall.expected == Expected((300.0, 420.5), {"exit1": (0.5, 0.8)})
    assert roof == FleetBoard(
        "roof", "/dev/ttyUSB0", "coral-dev-board", "", 921600, "console", True
    )
    assert hall.is_of("sim:raspberry-pi-5") and not hall.is_of("raspberry-pi-4b")
    assert chosen((hall, roof), ["hall"], []) == (hall,)
    assert chosen((hall, roof), [], ["roof"]) == (roof,)
    assert chosen((hall, roof), [], []) == (hall, roof)
    for groups, names, told in ((["attic"], [], "group attic"), ([], ["x"], "board x")):
        with pytest.raises(InputError, match=f"the fleet has no {told}; there are:"):
            chosen((hall, roof), groups, names)


@pytest.mark.parametrize(("text", "told"), [
    ("", "it lists no board"),
    ("board = 3", "board: must be a list"),
    ("[[board", "cannot be read as TOML"),
    ('[[board]]\nname = "a"\n', "board[0].port: missing; board[0].profile: missing"),
    (BOARD.format("", "/dev/a"), "board[0].name: must not be empty"),
    (BOARD.format("a/b", "/dev/a"), "letters, digits, dots"),
    (BOARD.format("a", "/dev/a") + BOARD.format("a", "/dev/b"),
     "board[0] and board[1] have the same name, a"),
    (BOARD.format("a", "/dev/a") + BOARD.format("b", "/dev//a"), "have the same port, /dev//a"),
    (BOARD.format("a", "socket://localhost:1") + BOARD.format("b", "socket://127.0.0.1:1"),
     "have the same port"),
    (BOARD.format("a", "socket://h:port"), "is no port number"),
    (BOARD.format("a", "tcp://h:1"), "a serial device, or socket://HOST:PORT"),
    (BOARD.format("a", "/dev/a") + "speed = 9600\n", "board[0].speed: unknown key"),
    (BOARD.format("a", "/dev/a") + "baud = 7\n", "baud: 7 is none"),
    (BOARD.format("a", "/dev/a") + 'framing = "morse"\n', "'morse' is none"),
    (GOOD + "net_uj = [1, 2]\n", "net_uj: unknown key"),
    (GOOD.replace("[300, 420.5]", "[420, 300]"), "the lower first"),
    (GOOD.replace("[300, 420.5]", "300"), "must be a list"),
    (GOOD.replace("[0.5, 0.8]", "[0.5, 80]"), "a share is at most 1"),
    (GOOD + "[expected.pi]\n", "expected.pi: no board has this profile"),
])  # fmt: skip
def test_what_is_no_fleet_is_told(tmp_path: Path, text: str, told: str) -> None:
    if told == "net_uj: unknown key":
        text = GOOD.replace("net_uj_per_inference", "net_uj")
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"no such file; docs/howto/fleet\.md"):
        read_fleet(tmp_path / "x.toml")
    (tmp_path / "fleet.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError):
        read_fleet(tmp_path / "fleet.toml")
    with pytest.raises(InputError):
        read_fleet(tmp_path)


@pytest.mark.parametrize(("waves", "boards", "sizes"), [
    ("1,10%,all", 100, [1, 10, 100]),
    ("1,10%,all", 3, [1, 3]),
    ("3,10%,all", 10, [1, 3, 10]),
    ("all", 7, [7]),
    ("2, 50%", 7, [2, 4]),
    ("100%", 7, [7]),
    ("7,all", 7, [7]),
])  # fmt: skip
def test_waves_say_how_many_boards_have_the_bundle_then(
    waves: str, boards: int, sizes: list[int]
) -> None:
    assert wave_sizes(waves, boards) == sizes


@pytest.mark.parametrize(("waves", "told"), [
    ("8", "a wave of 8 is larger than the fleet of 7"),
    ("101%", "101% is more than the fleet"),
    ("", "'' is no wave"), ("0", "'0' is no wave"), ("0%", "'0%' is no wave"),
    ("-1", "is no wave"), ("1.5", "is no wave"), ("half", "is no wave"), ("1,,2", "is no wave"),
    ("3,1", "1 after 3 adds no board"), ("2,2", "2 after 2 adds no board"),
    ("50%,10%", "10% after 50% adds no board"), ("all,1", "nothing can follow all"),
])  # fmt: skip
def test_what_are_no_waves_is_told(waves: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        wave_sizes(waves, 7)


@pytest.mark.parametrize("content", [
    "", "[]\n", "{\n", '{"version": 9, "digest": "d"}\n', '{"version": 1}\n', "no line",
    '{"version": 1, "digest": "d"}\n{"board": "a", "state": "confirmed"}\n',
    '{"version": 1, "digest": "d"}\n[1]\n',
])  # fmt: skip
def test_what_is_no_state_of_a_rollout_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="is no state of a rollout"):
        RolloutState(path, "d")
    assert path.read_text() == content


def test_a_state_outlasts_a_line_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    with RolloutState(path, "d") as state:
        state.begun("a", b"\x01")
        state.begun("a", b"\x02")
        state.ended("a", "confirmed")
        state.ended("never begun", "confirmed")
    path.write_text(path.read_text() + '{"board": "b", "bef')
    with RolloutState(path, "d") as state:
        assert state.resumed and state.boards == {"a": {"before": "01", "state": "confirmed"}}
        state.begun("b", None)
    with RolloutState(path, "d") as state:
        assert state.boards["b"] == {"before": None}
    with RolloutState(path, "another") as state:
        assert not state.resumed and not state.boards

import json
from importlib import resources
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from edge_infer.boards import board_names
from edge_infer.commands.root import run_line

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"


def boards_json(capsys: pytest.CaptureFixture[str], verb: str, *arguments: str) -> Any:
    assert run_line(["boards", verb, *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((SCHEMAS / f"boards-{verb}.schema.json").read_text())
    fastjsonschema.validate(schema, document)
    return document


def test_list_names_every_board_that_can_be_opened(capsys: pytest.CaptureFixture[str]) -> None:
    entries = boards_json(capsys, "list")
    wired = [entry["board"] for entry in entries if "serial:PORT" in entry["time"]]
    assert [entry["board"] for entry in entries] == [*board_names(), *wired]
    assert {"qemu-mps2-an386", "stm32l4r5"} <= set(wired)
    assert all("virtual" in e["time"] for e in entries if e["board"].startswith("sim:"))


@pytest.mark.parametrize("board", [name for name in board_names() if not name.startswith("sim:")])
def test_show_gives_every_number_its_source(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = boards_json(capsys, "show", board)
    assert document["board"] == board
    for figure in document["figures"]:
        assert figure["source"]
    assert run_line(["boards", "show", board]) == 0
    text = capsys.readouterr().out
    for figure in document["figures"]:
        span = "" if figure["range"] is None else " ({} to {})".format(*figure["range"])
        mark = "" if figure["basis"] == "published" else f" ({figure['basis']})"
        assert f"{figure['key']} = {figure['value']}{span}{mark}\n" in text
    assert (document["kernels"] is None) == ("kernels." not in text)
    assert (document["published"] is None) == ("held against" not in text)


def test_an_unknown_board_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line(["boards", "show", "pi-9"]) == 2
    assert "raspberry-pi-5" in capsys.readouterr().err


def test_a_profile_of_your_own_is_held_against_what_is_published_of_that_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(
        (resources.files("edge_infer.boards") / "profiles/raspberry-pi-5.toml").read_bytes()
    )
    document = boards_json(capsys, "check", "--profile", str(file))
    assert document["profile"]["board"] == "mine" and document["profile"]["lacks"] == []
    assert {row["board"] for row in document["rows"]} == {"mine"}
    assert document["median_error_percent"] is not None


def test_a_profile_without_power_is_one_but_prices_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "skeleton.toml"
    file.write_text('format_version = 2\ntitle = "Something"\n')
    document = boards_json(capsys, "check", "--profile", str(file))
    assert document["rows"] == [] and "power" in document["profile"]["lacks"]
    assert run_line(["boards", "check", "--profile", str(file)]) == 0
    assert "no cost can be modelled" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "title = 1", "format_version = 3\ntitle = 'x'", "[cpu"])
def test_what_is_no_profile_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    assert run_line(["boards", "check", "--profile", str(file)]) == 1
    assert "mine" in capsys.readouterr().err


def test_a_file_or_a_board_is_checked_and_not_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("")
    words = ["boards", "check", "--profile", str(file), "--board", "raspberry-pi-5"]
    assert run_line(words) == 2
    assert "leave --board out" in capsys.readouterr().err

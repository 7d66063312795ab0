import json
from pathlib import Path

import fastjsonschema
import pytest

from edge_infer.boards.profile import load_profile, profile_names
from edge_infer.commands.root import run_line
from edge_infer.commands.supported_boards import NOT_BOARDS, supported_boards

ROOT = Path(__file__).parents[2]


def test_the_page_is_not_stale() -> None:
    assert (ROOT / "SUPPORTED_BOARDS.md").read_text() == supported_boards(), (
        "write it anew: python -m edge_infer.commands.supported_boards > SUPPORTED_BOARDS.md"
    )


def test_every_board_has_its_row_and_claims_only_its_tests() -> None:
    rows = {
        cells[1]: cells
        for cells in ([c.strip() for c in line.split("|")[1:-1]] for line in _rows())
    }
    assert set(rows) == set(profile_names()) - set(NOT_BOARDS)
    for name, cells in rows.items():
        tested, untested = cells[3], cells[4]
        profile = load_profile(name)
        assert tested == (", ".join(profile.tested) or "nothing")
        assert not set(tested.split(", ")) & set(untested.split(", "))
        if profile.place != "simulation":
            assert "hardware" in (tested + untested)


def _rows() -> list[str]:
    table = [line for line in supported_boards().splitlines() if line.startswith("| ")]
    return table[2:]


def test_detect_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line(["boards", "detect", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((ROOT / "tools/commands/schemas/boards-detect.schema.json").read_text())
    fastjsonschema.validate(schema, document)
    assert document["board"] in profile_names()

"""edge-infer.toml is read as the command line is, and `config show` says what is in force."""

import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from edge_infer.commands.root import run_line

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's file, in the folder that is worked in; the user has none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "edge-infer.toml"


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return the rows of `config show`, by command and option."""
    assert run_line(["config", "show", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.compile(json.loads((SCHEMAS / "config-show.schema.json").read_text()))(document)
    return {f"{row['command']} {row['option']}": row for row in document["values"]}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[run]\ndeadline = 5", "run x", "[run] deadline: '5' is no time; write it with its unit"),
        ("[run]\nduration = 10.5", "run x", "[run] duration: '10.5' is no time"),
        ('[run]\nbord = "host"', "run x", "[run] bord: there is no option --bord; nearest: board"),
        ("[run]\nthreads = 0", "run x", "[run] threads: 0 is not in the range"),
        ("[run]\nthreads = 1.5", "run x", "[run] threads: '1.5' is not a valid integer"),
        ("[run]\nthreads = true", "run x", "[run] threads: True is no value of it"),
        ("[run]\nthreads = [1]", "run x", "[run] threads: [1] is no value of it"),
        ("[run]\nrate = nan", "run x", "no finite number"),
        ("[run]\ndeadline = 2026-01-01", "run x", "write a text or a number"),
        ('[run]\nresolver = "fast"', "run x", "'fast' is not one of"),
        ('[run]\nbundle = "mine"', "run x", "there is no option --bundle"),
        ("[run]\nframe_size = '2x2'\nframe-size = '3x3'", "run x", "stands there twice"),
        ('[run]\njson = "perhaps"', "run x", "'perhaps' is not a valid boolean"),
        ("[rum]\nthreads = 1", "boards list", "[rum] is the table of no command; nearest: run"),
        ("[power.moniter]\n", "power report x", "[moniter] is the table of no command; nearest"),
        ("[power.monitor]\nevery = 1", "power report x", "[power.monitor] every: '1' is no time"),
        ("[power]\nmeter = 1", "power report x", "'meter' stands alone"),
        ("[run]\ndeadline = 5ms", "run x", "text in quotes"),
    ],
)
def test_what_a_flag_refuses_is_refused_with_file_and_key(
    settings: Path, text: str, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text(text)
    for words in (line.split(), ["config", "show"]):
        assert run_line(words) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in error and "edge-infer.toml" in error


def test_every_long_option_works_whatever_its_name_in_python(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text('[power.monitor]\nmeter = "sim:raspberry-pi-5"\nduration = "300ms"\n')
    assert run_line(["power", "monitor", "--every", "100ms"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count(" W  (3.") == 3
    assert "sim:raspberry-pi-5" in captured.err


def test_a_list_a_switch_and_its_no_form(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text(
        "[compare]\npolicy = 'performance'\n[reproduce.eenet]\nboard = ['a', 'b']\n"
        "[reproduce.all-in-one]\nno-memory = true\n[run]\njson = true\nverbose = 1\n",
        encoding="utf-8-sig",
    )
    rows = shown(capsys)
    assert rows["compare --policy"]["value"] == ["performance"]
    assert rows["reproduce eenet --board"]["value"] == ["a", "b"]
    assert rows["reproduce all-in-one --memory"]["value"] is False
    assert rows["run --json"]["value"] is True
    assert {row["from"] for row in rows.values()} == {"file"}


def test_each_value_says_where_it_is_from(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_text('[run]\nboard = "host"\npolicy = "powersave"\ndeadline = "5ms"\n')
    user = settings.parent / "home" / "edge-infer" / "edge-infer.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[run]\nboard = "x"\nqueue = 7\n')
    monkeypatch.setenv("EDGE_INFER_POLICY", "planned")
    rows = shown(capsys, "run", "some-bundle", "--deadline", "8ms")
    found = {name: (row["value"], row["from"], row["where"]) for name, row in rows.items()}
    assert found["run --board"] == ("host", "file", "edge-infer.toml")
    assert found["run --queue"] == ("7", "file", str(user))
    assert found["run --policy"] == ("planned", "environment", "EDGE_INFER_POLICY")
    assert found["run --deadline"] == ("8ms", "flag", None)
    assert found["run --threads"] == (1, "default", None)
    assert run_line(["config", "show"]) == 0
    text = capsys.readouterr().out
    assert "run --threads" not in text and str(user) in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "there is no command rnu; nearest: run"),
        (["power", "montor"], "there is no command power montor; nearest: monitor"),
        (["run", "--deadline", "5"], "Invalid value for '--deadline': '5' is no time"),
        (["run", "--dedline", "5ms"], "No such option"),
    ],
)
def test_a_line_that_the_command_refuses_is_refused(
    settings: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["config", "show", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_variable_that_no_option_has_is_named(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_INFER_BORD", "host")
    monkeypatch.setenv("EDGE_INFER_METER_FILE", "meter.toml")
    assert run_line(["config", "show"]) == 0
    warned = capsys.readouterr().err
    assert "EDGE_INFER_BORD: no option has this variable; nearest: EDGE_INFER_BOARD" in warned
    assert "METER_FILE" not in warned

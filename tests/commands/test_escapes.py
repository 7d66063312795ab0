"""What others wrote - labels, names, reasons, devices - does not steer the terminal."""

import json
import re
from pathlib import Path

import pytest

from edge_infer.commands.render import json_text, printable, table
from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

OSC_52 = "\x1b]52;c;ZWNobyBo\x07"
"""Puts text into the clipboard of whoever looks."""
BAD = f"{OSC_52}\x9b31m\u202e\x7f"
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def hostile_bundle(tmp_path: Path) -> Path:
    """The digits, with a name and labels that steer."""
    source = open_bundle("digits-early-exit").path
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["labels"] = [f"{BAD}{label}" for label in manifest["labels"]]
    manifest["provenance"] = {**manifest.get("provenance", {}), "data": f"{BAD}\nerror: forged"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_escapes_name_the_character() -> None:
    assert printable("a\x1b[0m\x9b\u202e\udc9bé\n") == r"a\x1b[0m\x9b\u202e\x9bé\x0a"
    assert printable("a\n\tb", lines=True) == "a\n\\x09b"
    assert table([["a\nb", "1"]]) == "a\\x0ab  1"


def test_json_stays_exact_and_steers_nothing() -> None:
    text = json_text({"label": BAD + "\udc9bé"}, indent=2)
    assert not STEERS.search(text) and "é" in text
    assert json.loads(text) == {"label": BAD + "\udc9bé"}


@pytest.mark.parametrize(
    "line",
    [
        ["run", "{}", "--board", "sim:raspberry-pi-5", "--frames", "20"],
        ["bundle", "info", "{}"],
        ["bundle", "verify", "{}"],
        ["run", "{}", f"no-{BAD}.npy"],
        ["run", "{}", "--policy", BAD],
        ["run", BAD],
        ["boards", "show", BAD],
        ["power", "report", BAD],
        ["flash", BAD, "-p", f"socket://{BAD}:1"],
        ["device", "status", "-p", f"/dev/{BAD}"],
        [BAD],
    ],
)
def test_commands_print_nothing_that_steers(
    line: list[str], hostile_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_line([word.format(hostile_bundle) for word in line])
    done = capsys.readouterr()
    assert not STEERS.search(done.out + done.err)
    assert "\nerror: forged" not in done.out + done.err
    assert done.out or done.err

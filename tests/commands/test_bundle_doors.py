"""What `bundle build --single` says of the input's range and options; doors that take a file."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.noisy_digits import write_noisy_digits
from tests.fakes.odd_models import classifier, vector_classifier

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

Capture = pytest.CaptureFixture[str]
DIGITS = "digits-early-exit"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a classifier whose int8 input takes 0 to 1."""
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(classifier())
    return tmp_path


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ((), ""),
        (("--std", "255"), ""),
        (("--std", "1"), "pixels become 0 to 255, the input takes 0 to 1: 100 % of the pixel"),
        (("--mean", "128", "--std", "128"), "become -1 to 0.9922, the input takes 0 to 1: 50 %"),
        (("--std", "2550"), "pixels become 0 to 0.1, the input takes 0 to 1: 10.0 % of its range"),
        (("--mean", "-127", "--std", "400"), ""),
    ],
)
def test_a_range_that_saturates_or_lies_idle_is_told(
    mapping: tuple[str, ...], told: str, place: Path, capsys: Capture
) -> None:
    arguments = ["bundle", "build", "--single", "net.tflite", "--json", *mapping]
    assert run_line(arguments) == 0
    printed = capsys.readouterr()
    doubts = json.loads(printed.out)["input"]["doubts"]
    warned = [line for line in printed.err.splitlines() if "--mean and --std" in line]
    assert len(warned) == len(doubts) == (1 if told else 0)
    assert not told or (told in warned[0] and told in doubts[0])


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (("--mean", "1,2"), "--mean has 2 values, the input frame [1, 8, 8, 1] int8 has 1 channel"),
        (("--std", "1,2,3"), "--std has 3 values"),
        (("--std", "0"), "'0' is not between 0 and 1e+09"),
        (("--std", "-2"), "'-2' is not between 0 and"),
        (("--mean", "nan"), "'nan' is not between"),
        (("--mean", "1e12"), "'1e12' is not between"),
        (("--mean", "one"), "'one' is no number"),
        (("--source", "int8", "--mean", "3"), "--mean does not go with --source int8"),
    ],
)
def test_constants_that_cannot_be_are_refused(
    mapping: tuple[str, ...], told: str, place: Path, capsys: Capture
) -> None:
    assert run_line(["bundle", "build", "--single", "net.tflite", *mapping]) == 2
    assert told in capsys.readouterr().err and not Path("net").exists()


@pytest.mark.parametrize("option", [("--resize", "nearest"), ("--background", "black")])
def test_options_of_pictures_are_refused_for_other_inputs(
    option: tuple[str, ...], place: Path, capsys: Capture
) -> None:
    Path("vector.tflite").write_bytes(vector_classifier())
    assert run_line(["bundle", "build", "--single", "vector.tflite", *option]) == 2
    told = f"{option[0]} is for pictures [H, W, C], not for the input frame [1, 5] int8"
    assert told in capsys.readouterr().err


def test_integers_of_the_models_own_input_are_shown_from_end_to_end(
    place: Path, capsys: Capture
) -> None:
    assert run_line(["bundle", "build", "--single", "net.tflite", "--source", "int8"]) == 0
    assert "integers    -128 -> 0, 0 -> 0.502, 127 -> 1 (int8" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option",
    [
        ("--calibration", "data.npz"),
        ("--calibration-labels", "y.npy"),
        ("--board", "sim:raspberry-pi-4b"),
        ("--cost-table", "costs.json"),
        ("--clock", "1500"),
        ("--allow", "2"),
        ("--confidence", "0.9"),
        ("--criterion", "score-margin"),
        ("--seed", "1"),
        ("--strict",),
        ("--backend", "litert"),
        ("--resolver", "builtin"),
        ("--little", "net.tflite"),
        ("--big-mean", "3"),
    ],
)
def test_an_option_that_one_net_has_no_use_for_is_refused(
    option: tuple[str, ...], place: Path, capsys: Capture
) -> None:
    assert run_line(["bundle", "build", "--single", "net.tflite", *option]) == 2
    assert f"--single stands without {option[0]}" in capsys.readouterr().err
    assert not Path("net").exists()


def test_defaults_of_a_file_for_pairs_are_not_refused(place: Path) -> None:
    Path("edge-infer.toml").write_text('[bundle.build]\nallow = 2\nboard = "sim:coral-dev-board"\n')
    assert run_line(["bundle", "build", "--single", "net.tflite"]) == 0


@pytest.mark.parametrize(
    "command",
    [
        ["bundle", "info", "FILE", "--json"],
        ["bundle", "verify", "FILE", "--allow-unsigned", "--json"],
        ["bundle", "self-test", "FILE", "--json"],
        ["run", "FILE", "--frames", "20", "--json"],
        ["tune", "FILE", "--calibration", "noisy.npz", "--dry-run", "--json"],
        ["compare", "FILE", "--frames", "200", "--images", "60", "--policy", "performance",
         "--json"],
        ["measure", "FILE", "--board", "sim:raspberry-pi-5", "--threads", "1", "--json"],
    ],
    ids=lambda command: command[0 if command[0] != "bundle" else 1],
)  # fmt: skip
def test_a_bundle_file_is_taken_wherever_a_bundle_is(
    command: list[str], place: Path, capsys: Capture
) -> None:
    assert run_line(["bundle", "pack", str(open_bundle(DIGITS).path), "-o", "d.bundle"]) == 0
    write_noisy_digits(open_bundle(DIGITS), place)
    capsys.readouterr()
    code = run_line(["d.bundle" if word == "FILE" else word for word in command])
    printed = capsys.readouterr()
    assert code == 0, printed.err


def test_a_damaged_bundle_file_is_named(place: Path, capsys: Capture) -> None:
    Path("d.bundle").write_bytes(np.arange(64, dtype=np.uint8).tobytes())
    assert run_line(["bundle", "info", "d.bundle"]) == 3
    assert "d.bundle: not a bundle file" in capsys.readouterr().err

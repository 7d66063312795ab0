"""What the README says is run here."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from edge_infer.commands.root import COMMANDS, run_line

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_example_prints_what_the_readme_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    (printed,) = re.findall(r"prints `([^`]+)` \(simulated\)", README)
    assert len(code.strip().splitlines()) <= 11
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    # Kernels of another processor may move a decision or two: the words stand, the digits nearly.
    numbers, stated = (
        [int(n) for n in re.findall(r"\d+", text)] for text in (out.getvalue(), printed)
    )
    assert re.sub(r"\d+", "#", " ".join(out.getvalue().split())) == re.sub(r"\d+", "#", printed)
    assert numbers == pytest.approx(stated, rel=0.02)


def test_every_command_is_in_the_readme() -> None:
    for name in COMMANDS:
        assert re.search(rf"edge-infer {name}\b|; {name} ", README), name


def test_the_run_that_is_shown_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (line, shown) = re.search(r"```\n\$ edge-infer (.*?)\n(.*?)```", README, re.S).groups()  # type: ignore[union-attr]
    assert run_line(shlex.split(line)) == 0
    printed = capsys.readouterr().out
    # The first line names the kernels; those of another processor move a decision or two.
    for ours, stated in zip(_facts(printed), _facts(shown), strict=True):
        assert _words(ours) == _words(stated)
        assert _numbers(ours) == pytest.approx(_numbers(stated), rel=0.05, abs=1.5), stated


def _facts(text: str) -> list[str]:
    return [line for line in text.splitlines()[1:] if line.strip("- ")]


def _words(line: str) -> list[str]:
    return re.sub(r"[\d.,]+", "#", line).split()


def _numbers(line: str) -> list[float]:
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", line)]

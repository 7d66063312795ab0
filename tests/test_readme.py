"""What the README says is run here."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from edge_infer.commands.root import COMMANDS

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

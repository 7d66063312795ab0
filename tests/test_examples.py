"""The examples run as they stand, and the README's is one of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAYS = {
    "quick_start.py": r"\d{3} of 450 right, \d+ nJ net each",
    "meet_a_deadline.py": r"planned: \d+ of 5000 late, [\d.]+ uJ net an inference \(simulated\)",
    "own_governor.py": r"\d+ changes of clock in all, accuracy 9\d\.\d%",
}


def test_every_example_has_a_test() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[name], done.stdout)


def test_the_readme_shows_the_first_of_them() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert (ROOT / "examples" / "quick_start.py").read_text().endswith(code)

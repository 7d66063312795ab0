"""Runs `edge-infer` in a process of its own, forked after its imports."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from tests.beds.vm.guest.child import Child
from tools.cli import run_line

BUNDLE = "digits-early-exit"


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the document on standard output."""
        return json.loads(self.out)


def edge_infer(*words: str, uid: int = 0, groups: tuple[int, ...] = ()) -> Outcome:
    """Run a command to its end, as another user if asked."""

    def work(say: Callable[[str], None]) -> int:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run_line(list(words))
        say(json.dumps([code, out.getvalue(), err.getvalue()]))
        return code

    with Child(work, uid, groups) as child:
        return Outcome(*json.loads(child.line()))


def running(*words: str) -> Child:
    """Start a command that is to be killed."""

    def work(say: Callable[[str], None]) -> int:
        quiet = io.StringIO()
        say("running")
        with redirect_stdout(quiet), redirect_stderr(quiet):
            return run_line(list(words))

    child = Child(work)
    assert child.line() == "running"
    return child


def meter_file(text: str) -> None:
    """State the guest's meter for every user."""
    path = Path("/etc/edge-infer/meter.toml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

"""Runs `edge-infer` in a process of its own, forked after its imports."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from tests.beds.vm.guest.child import Child

from edge_infer.commands.root import run_line

BUNDLE = "digits-early-exit"


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the document on standard output."""
        return json.loads(self.out)


def running(*words: str, uid: int = 0, groups: tuple[int, ...] = ()) -> Child:
    """Start a command, as another user if asked; `outcome` waits for its end."""

    def work(say: Callable[[str], None]) -> int:
        out, err = io.StringIO(), io.StringIO()
        say("running")
        with redirect_stdout(out), redirect_stderr(err):
            code = run_line(list(words))
        say(json.dumps([code, out.getvalue(), err.getvalue()]))
        return code

    child = Child(work, uid, groups)
    assert child.line() == "running"
    return child


def outcome(child: Child) -> Outcome:
    """Return how a command ended, once it has ended by itself."""
    return Outcome(*json.loads(child.line()))


def edge_infer(*words: str, uid: int = 0, groups: tuple[int, ...] = ()) -> Outcome:
    """Run a command to its end, as another user if asked."""
    with running(*words, uid=uid, groups=groups) as child:
        return outcome(child)


METER_FILE = Path("/etc/edge-infer/meter.toml")


def meter_file(text: str) -> None:
    """State the guest's meter for every user."""
    METER_FILE.parent.mkdir(exist_ok=True)
    METER_FILE.write_text(text)


def no_meter_file() -> None:
    """Take it back: the bus that it names may be gone."""
    METER_FILE.unlink(missing_ok=True)

"""Whatever others wrote, nothing that steers a terminal is printed, and JSON stays exact."""

import json
import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from tests.hostile.suite import Suite, Tally

from edge_infer.commands.render import emit, json_text, note, printable, say, show, table, warn
from edge_infer.commands.root import run_line

_PIECES = (
    "\x1b]52;c;aGk=\x07", "\x1b[2J", "\x9b31m", "\x9d0;t\x9c", "\x90q\x9c", "\r", "\x08", "\x7f",
    "\u202e", "\u2066", "\u2028", "\x00", "\x85", "\udc1b", "\udc9b", "\ud83d.", "\U0001f600", "é",
    "a", " ", "\t", "\n",
)  # fmt: skip
_STEERS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

_NO_ARGUMENT = dict.fromkeys(map(ord, "\x00\ud83d\udc1b"))
"""What no argument of a process can hold."""


def _texts(tally: Tally) -> None:
    for _ in range(tally.count):
        parts = [tally.rng.choice(_PIECES) for _ in range(tally.rng.randrange(1, 12))]
        if tally.rng.random() < 0.3:
            parts += [chr(tally.rng.randrange(0x3000)) for _ in range(4)]
        text = "".join(parts)
        with tally.case(repr(text)):
            _check(text)


def _check(text: str) -> None:
    assert json.loads(json_text({"label": text})) == {"label": text}
    assert "\n" not in printable(text) and not _STEERS.search(printable(text))
    assert len(table([[text, "1"], ["b", "2"]]).split("\n")) == 2
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        emit(True, {"label": text}, "")
        emit(False, {}, table([[text, "1"]]))
        show(text)
        say(text)
        warn(text)
        note(text)
    assert not _STEERS.search(out.getvalue() + err.getvalue())
    assert err.getvalue().splitlines()[-1].startswith("warning: ")


def _errors(tally: Tally) -> None:
    commands = (["run"], ["bundle", "info"], ["power", "report"], ["boards", "show"], ["flash"])
    for _ in range(tally.count):
        parts = [tally.rng.choice(_PIECES) for _ in range(6)]
        name = "".join(parts).translate(_NO_ARGUMENT)
        line = [*tally.rng.choice(commands), f"x{name}"]
        with tally.case(line):
            out, err = StringIO(), StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                code = run_line(line)
            assert code in (1, 2, 3), f"code {code}"
            assert not _STEERS.search(out.getvalue() + err.getvalue()), err.getvalue()


SUITES = (
    Suite("escapes: texts", 20_000, _texts),
    Suite("escapes: errors", 500, _errors),
)

"""Option values that nobody means: refused in a sentence, or the command runs with them."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from tests.hostile.suite import Suite, Tally

from edge_infer.commands.root import run_line

_NUMBERS = (
    "0", "-1", "1", "0.5", "nan", "inf", "-inf", "1e-300", "1e300", "1e400", "0x10", "1_000",
    "9" * 30, "9" * 5000, "", " ", "é", "\udcff", "--", "1,5", "1e-9", "2.5",
)  # fmt: skip
_QUANTITIES = (
    "0ms", "20ms", "1e3s", "-5W", "5W", "0W", "999999999999999min", "0.000000000000001ns",
    "999999999999999Wh", "18.5Wh", "0Wh", "1x", "640x480", "0x0", "99999x99999", "20 parsecs",
)  # fmt: skip
_WORDS = (
    "nearest:nan", "nearest:inf", "nearest:0.6", "0.6", "1.0", "fixed:0", "fixed:1e400",
    "fixed:nan",
    "planned", "oracle", "static:99", "sim:", "sim:../x", "host", "litert", "edgetpu:usb:99999@max",
    "/dev/null", "/", "\n", "a" * 5000, "1,2", "64", "65",
)  # fmt: skip
_RUN = ("run", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--frames", "1")
_COMPARE = ("compare", "digits-early-exit", "--board", "sim:raspberry-pi-5", "--frames", "20")
_OPTIONS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (_RUN, ("--rate", "--deadline", "--duration", "--queue", "--threads", "--ratio", "--target",
            "--misses", "--loss", "--power-budget", "--battery", "--hours", "--cost-table",
            "--labels", "--frame-size", "--policy", "--marker", "--resolver")),
    (("run", "digits-early-exit", "--frames", "1"), ("--board",)),
    (_COMPARE, ("--load", "--rate", "--deadline", "--images", "--misses", "--disturb", "--cap",
                "--disturb-at", "--seed", "--loss")),
    (("bundle", "verify", "digits-early-exit"), ("--backend", "--resolver", "--trust")),
    (("bundle", "pack", "digits-early-exit", "-o", "/dev/null"),
     ("--plan-rate", "--plan-deadline", "--security-counter", "--image-version", "--plan-board")),
    (("tune", "digits-early-exit"), ("--allow", "--clock", "--seed", "--rate", "--board")),
    (("device", "status", "-p", "/dev/null"), ("--baud", "--timeout")),
    (("power", "report", "/dev/null"),
     ("--supply", "--columns", "--gain-error", "--between", "--channel", "--inferences",
      "--windows", "--idle", "--idle-window", "--format", "--run")),
)  # fmt: skip
_WEIGHTS = [4 if line[0] in ("run", "device") else 2 if line[0] == "bundle" else 0.5
            for line, _ in _OPTIONS]  # fmt: skip
"""What takes seconds is played less often."""
_LONG = ("--duration", "--frames", "--images")
"""What may rightly take a while when it is large."""


def _values(tally: Tally) -> None:
    kept = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory(prefix="edge-infer-hostile-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            for _ in range(tally.count):
                _one(tally)
        finally:
            if kept is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = kept


def _one(tally: Tally) -> None:
    ((line, options),) = tally.rng.choices(_OPTIONS, _WEIGHTS)
    given = list(line)
    for option in tally.rng.sample(options, min(len(options), tally.rng.choice((1, 1, 2)))):
        value = tally.rng.choice((*_NUMBERS, *_QUANTITIES, *_WORDS))
        if option not in _LONG or value in ("nan", "-1", "", "0ms", "20ms"):
            given += [option, value]
    with tally.case([word[:60] for word in given]):
        _end(given)


def _end(line: Sequence[str]) -> None:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_line(line)
    told = err.getvalue()
    assert code in (0, 1, 2, 3, 4), f"code {code}"
    assert "Traceback" not in told, told
    assert code == 0 or told.strip(), "it says nothing"


SUITES = (Suite("option values", 1_000, _values),)

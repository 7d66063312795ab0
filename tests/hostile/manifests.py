"""Manifests that lie: whatever stands in one, a command ends with a code and at most one line."""

import copy
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from tests.hostile.suite import Suite, Tally

from edge_infer.commands.root import run_line
from edge_infer.models_tflite.bundle import open_bundle

_BUNDLES = ("digits-early-exit", "digits-little-big", "cifar10-prunable")
_BOARD = ("--board", "sim:raspberry-pi-5", "--frames", "2")
_LOOKS: tuple[tuple[str, ...], ...] = (("bundle", "info"), ("bundle", "verify"))
_RUNS: tuple[tuple[str, ...], ...] = (
    ("run", *_BOARD),
    ("run", *_BOARD, "--policy", "planned", "--deadline", "20ms", "--rate", "20"),
    ("bundle", "self-test"),
)
_NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 7, 255, 2**31, 2**63, 10**18, 10**400, -(10**400), 0.5, -0.0, 1e-320, 1e308, 3e38,
    float("nan"), float("inf"), True,
)  # fmt: skip
_OTHERS: tuple[Any, ...] = (
    None, "", "a", "\ud800", "x\n\x1b[2J", "../x", "manifest.json", "0.5", "1.0", "\0", "é" * 500,
    [], {}, [[]], {"": 1}, {"kind": "tree"}, {"kind": "softmax-sorted-scores"},
)  # fmt: skip


def _paths(document: Any, trunk: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in below:
        yield (*trunk, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*trunk, key))


def _nested(depth: int, kind: str) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


def _value(rng: Random) -> Any:
    choice = rng.random()
    if choice < 0.55:
        return rng.choice(_NUMBERS)
    if choice < 0.95:
        return rng.choice(_OTHERS)
    return _nested(rng.choice((5, 30, 40, 300, 900)), rng.choice(("list", "dict")))


def _mutated(document: Any, rng: Random) -> bytes:
    """Return the text of a manifest with one to three places changed, or with bytes changed."""
    changed = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        # A place near the root as often as one of the many leaves.
        *trunk, key = rng.choice(_by_depth(changed, rng))
        node = changed
        for step in trunk:
            node = node[step]
        what = rng.random()
        if what < 0.15:
            del node[key]
        elif what < 0.25 and isinstance(node[key], list):
            node[key] = node[key] * rng.choice((2, 50))
        elif what < 0.35 and isinstance(node, dict):
            node[rng.choice(("extra", "\ud800", "kind", "0.5", "a\nb"))] = node[key]
        else:
            node[key] = _value(rng)
        if not changed:
            break
    text = bytearray(json.dumps(changed).encode())
    if rng.random() < 0.1:
        for _ in range(rng.randrange(1, 4)):
            text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _by_depth(document: Any, rng: Random) -> Sequence[tuple[Any, ...]]:
    paths = list(_paths(document))
    depth = rng.choice(sorted({len(path) for path in paths}))
    return [path for path in paths if len(path) == depth]


def _play(tally: Tally, commands: Sequence[tuple[str, ...]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="edge-infer-hostile-"))
    kept = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        documents = {name: _laid_out(name, folder) for name in _BUNDLES}
        for number in range(tally.count):
            seed = tally.rng.randrange(1 << 32)
            rng = Random(seed)
            name, line = rng.choice(_BUNDLES), rng.choice(commands)
            with _deep_recursion():  # what is nested may be nested once more
                text = _mutated(documents[name], rng)
            (folder / name / "manifest.json").write_bytes(text)
            with tally.case(f"{number}: seed {seed}: {' '.join(line)} {name}"):
                _end([*line, str(folder / name)])
    finally:
        shutil.rmtree(folder)
        if kept is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = kept


def _laid_out(name: str, folder: Path) -> Any:
    shutil.copytree(open_bundle(name).path, folder / name)
    return json.loads((folder / name / "manifest.json").read_text())


def _end(line: Sequence[str]) -> None:
    """Run a command line and hold how it ends."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_line(line)
    assert code in (0, 1, 2, 3), f"code {code}"
    told = err.getvalue()
    assert "Traceback" not in told, told
    errors = [text for text in told.splitlines() if not text.startswith("warning: ")]
    # Click says a usage error in four lines.
    assert code == 0 or code == 2 or len(errors) == 1, told


def _looked_at(tally: Tally) -> None:
    _play(tally, _LOOKS)


def _run(tally: Tally) -> None:
    _play(tally, _RUNS)


SUITES = (
    Suite("manifests: info, verify", 4_000, _looked_at, limit_s=1.0),
    Suite("manifests: run, self-test", 1_000, _run),
)

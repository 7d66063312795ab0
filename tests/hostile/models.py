"""Model files that lie, with right hashes: run, verify and serve's worker, on every backend.

Models are played by a process of its own, so that a signal would end that one and is counted. It
tries them as the product does, but its child processes are forked from one that has the backend
imported already; one in fifty is tried in the product's own way.
"""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from tests.hostile.suite import Suite, Tally

_BUNDLES = ("digits-early-exit", "digits-little-big")
_BOARD = "sim:raspberry-pi-5"
_WORDS = (0, 1, 2, 4, 16, 255, 2**16, 2**20, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_HANG_S = 1.0
"""Of the processor, for a model in a child process here; a user's may take TIMEOUT_S."""
_WAIT_S = 20.0
"""For such a process on a busy computer."""
_BATCH = 100
"""Models that one process plays."""
_OWN_WAY = 50


def _mutated(model: bytes, rng: random.Random) -> bytes:
    """Change some words or bytes outside most of the weights, or cut the end off."""
    changed = bytearray(model)
    # The tables stand at both ends of the files that converters write.
    span = rng.choice((len(model), min(len(model), 4000)))
    places = range(len(model) - span, len(model)) if rng.random() < 0.5 else range(span)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = max(rng.choice(places) & ~3, 8)
        if rng.random() < 0.6:
            changed[at : at + 4] = rng.choice(_WORDS).to_bytes(4, "little")
        else:
            changed[min(at + rng.randrange(4), len(changed) - 1)] = rng.randrange(256)
    length = len(changed) if rng.random() < 0.9 else rng.randrange(len(changed))
    return bytes(changed[:length])


def _write(folder: Path, rng: random.Random) -> None:
    """Lay a bundle out whose manifest vouches for a damaged stage."""
    from edge_infer.models_tflite.bundle import open_bundle

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(open_bundle(rng.choice(_BUNDLES)).path, folder)
    document = json.loads((folder / "manifest.json").read_text())
    stage = rng.choice(document["stages"])
    model = _mutated((folder / stage["file"]).read_bytes(), rng)
    (folder / stage["file"]).write_bytes(model)
    stage["bytes"] = len(model)
    digest = hashlib.sha256(model).hexdigest()
    document["files"][stage["file"]] = {"sha256": digest, "bytes": len(model)}
    (folder / "manifest.json").write_text(json.dumps(document))


class _Writer:
    """Standard output or error of a forked child: what was written before a crash arrives."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name = connection, name

    def write(self, text: str) -> None:
        self._connection.send((self._name, text.encode()))

    def flush(self) -> None:
        """It was sent."""


def _forked(connection: Connection, words: list[str], given: bytes) -> None:
    """Be `python -m edge_infer.models_tflite.probe WORDS`, with the imports done."""
    from edge_infer.models_tflite import probe

    stdin = mock.Mock(buffer=io.BytesIO(given))
    out, err = _Writer(connection, "out"), _Writer(connection, "err")
    with mock.patch.multiple(sys, stdin=stdin, stdout=out, stderr=err):
        sys.exit(probe.main(*words))


_forks = get_context("forkserver")
_process_run = subprocess.run


def _run_forked(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Stand in for subprocess.run of the probe."""
    ours, theirs = _forks.Pipe(duplex=False)
    child = _forks.Process(target=_forked, args=(theirs, command[4:], options["input"]))
    child.start()
    theirs.close()
    told: dict[str, bytes] = {"out": b"", "err": b""}
    try:
        while ours.poll(_WAIT_S):
            name, text = ours.recv()
            told[name] += text
        child.kill()
        child.join()
        raise subprocess.TimeoutExpired(command, _WAIT_S, told["out"], told["err"])
    except EOFError:
        child.join()
    assert child.exitcode is not None
    return subprocess.CompletedProcess(command, child.exitcode, told["out"], told["err"])


def _run(folder: Path, backend: str) -> int:
    from edge_infer.commands.root import run_line

    line = ["run", str(folder), "--board", _BOARD, "--frames", "40", "--backend", backend]
    return run_line(line)


def _verify(folder: Path, backend: str) -> int:
    from edge_infer.commands.root import run_line

    return run_line(["bundle", "verify", str(folder), "--backend", backend])


def _serve(folder: Path, backend: str) -> int:
    """Be serve's worker as far as a run over the samples; return what a command would."""
    from tests.fakes.in_process_worker import InProcessWorker

    from edge_infer.commands import exit_codes
    from edge_infer.firmware_bridge.wire.edge import RunSamples
    from edge_infer.firmware_bridge.worker import worker
    from edge_infer.firmware_bridge.worker.worker_pipe import Done, Failed, Job, WorkerSettings

    module = "edge_infer.models_tflite.backend.default_backend_name"
    with mock.patch(module, lambda: backend):
        try:
            served = InProcessWorker(WorkerSettings(str(folder), _BOARD))
        except worker.EXPECTED as error:
            return exit_codes.exit_code_of(error)
        served.send(Job(1, RunSamples(number=1, frames=40)))
        for _ in range(1000):
            ended = [event for event in served.events() if isinstance(event, Done | Failed)]
            if ended:
                return exit_codes.OK if isinstance(ended[0], Done) else exit_codes.FAILURE
    raise AssertionError("the worker never answered")


_WAYS = (_run, _verify, _serve)


def _play_one(seed: int, folder: Path, backend: str, own_way: bool) -> None:
    rng = random.Random(seed)
    _write(folder, rng)
    out, err = io.StringIO(), io.StringIO()
    run = _process_run if own_way else _run_forked
    limit = mock.patch("edge_infer.models_tflite.probe.probe.__defaults__", (_HANG_S,))
    with (
        mock.patch("subprocess.run", run), nullcontext() if own_way else limit,
        redirect_stdout(out), redirect_stderr(err),
    ):  # fmt: skip
        codes = [way(folder, backend) for way in _WAYS]
    told = err.getvalue()
    assert set(codes) <= {0, 1, 2, 3}, codes
    assert "Traceback" not in told, told
    # What `verify` calls fine can be run.
    assert codes[1] != 0 or codes == [0, 0, 0], (codes, told)


def _batch(backend: str, folder: Path, seeds: list[int]) -> None:
    """Play models and tell of each, in the process of a batch."""
    import warnings

    warnings.simplefilter("ignore", RuntimeWarning)
    module = {
        "litert": "ai_edge_litert.interpreter",
        "tflite-runtime": "tflite_runtime.interpreter",
    }
    _forks.set_forkserver_preload(["edge_infer.models_tflite.backend", module[backend]])
    tell = os.fdopen(os.dup(1), "w")
    for number, seed in enumerate(seeds):
        print(f"begin {seed}", file=tell, flush=True)
        try:
            _play_one(seed, folder / "bundle", backend, number % _OWN_WAY == _OWN_WAY // 2)
            print("ok", file=tell, flush=True)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(f"fail {reason}", file=tell, flush=True)


def _told(backend: str, folder: Path, seeds: list[int]) -> Iterator[tuple[int, str]]:
    """Yield each seed with what became of it, from a process that plays them."""
    command = [sys.executable, "-m", "tests.hostile.models", backend, str(folder)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    with subprocess.Popen(
        [*command, *map(str, seeds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        seed = 0
        for line in process.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "begin":
                seed = int(rest)
            elif word in ("ok", "fail"):
                yield seed, rest
                seed = 0
    if seed:
        yield seed, f"our process ended with {process.returncode}"


def _play(tally: Tally, backend: str) -> None:
    from edge_infer.models_tflite.backend import open_backend
    from edge_infer.models_tflite.errors import BackendError

    try:
        open_backend(backend)
    except BackendError as error:
        print(f"    {backend} left out: {error}")
        tally.cases += 1
        return
    seeds = [tally.rng.randrange(1, 1 << 32) for _ in range(tally.count)]
    while seeds:
        folder = Path(tempfile.mkdtemp(prefix="edge-infer-hostile-"))
        played = 0
        try:
            for seed, failure in _told(backend, folder, seeds[:_BATCH]):
                played += 1
                with tally.case(f"seed {seed}"):
                    assert not failure, failure
        finally:
            shutil.rmtree(folder)
        assert played, "the process that plays models does not start"
        seeds = seeds[played:]


def _on_litert(tally: Tally) -> None:
    _play(tally, "litert")


def _on_tflite_runtime(tally: Tally) -> None:
    _play(tally, "tflite-runtime")


SUITES = (
    Suite("models: litert", 2_000, _on_litert),
    Suite("models: tflite-runtime", 2_000, _on_tflite_runtime),
)

if __name__ == "__main__":
    _batch(sys.argv[1], Path(sys.argv[2]), [int(word) for word in sys.argv[3:]])

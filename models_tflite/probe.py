"""Try models that nobody vouches for: loaded and invoked once, in a child process.

tflite-runtime does not verify a flatbuffer: most truncated files crash the process that loads
them, some make it hang. So the first to meet such a file is a process that may die.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.errors import BundleError, ModelError

TIMEOUT_S = 60
"""Enough for one slow reference invocation of a large model on a small board."""
_MEMORY_BYTES = 4 << 30
"""Address space of the child: a damaged shape may ask for anything."""


def probe(models: Mapping[str, bytes], backend: Backend, timeout_s: float = TIMEOUT_S) -> None:
    """Load and invoke each model once in one child process; return if that went well.

    Args:
        models: the bytes of .tflite files, from anywhere, by the names that messages call them.
        backend: the kernels that will run them later.
        timeout_s: time limit for all in s.

    Raises:
        ModelError: in one line, the model, and the interpreter's reason, the crash, or the limit.
    """
    sizes = [str(len(model)) for model in models.values()]
    command = [
        sys.executable,
        "-P",
        "-m",
        "edge_infer.models_tflite.probe",
        backend.name,
        backend.resolver,
    ]
    # The child finds what this process found, wherever the packages lie.
    path = [str(Path(__file__).resolve().parents[1]), *filter(None, sys.path)]
    try:
        child = subprocess.run(
            [*command, *sizes],
            input=b"".join(models.values()),
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        )
    except subprocess.TimeoutExpired as error:
        _fail(models, error.stdout or b"", f"hung {_named(backend)} for {timeout_s:g} s: {_ADVICE}")
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        _fail(models, child.stdout, f"crashed {_named(backend)} ({name}): {_ADVICE}")
    if child.returncode:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:]
        _fail(models, child.stdout, " ".join(last) or f"ended with {child.returncode}")


_ADVICE = "the file is truncated or damaged, get it again"


def _named(backend: Backend) -> str:
    return f"{backend.name} {backend.version}"


def _fail(models: Mapping[str, bytes], progress: bytes, what: str) -> NoReturn:
    """The child writes one byte of progress before each model: the last begun is the culprit."""
    begun = list(models)[max(len(progress) - 1, 0)]
    raise ModelError(f"{begun}: {what}")


def _limit_resources() -> None:
    import resource  # not on every platform, and needed in the child alone

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, _MEMORY_BYTES)
    if sys.maxsize > limit:  # a 32-bit process is limited by itself
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _invoke_once(backend: Backend, model: bytes) -> None:
    interpreter = backend.load(model)
    try:
        interpreter.invoke()
        for output in interpreter.get_output_details():
            interpreter.get_tensor(output["index"])
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ModelError(f"the model does not run: {' '.join(str(error).split())}") from None


def _main(name: str, resolver: str, *sizes: str) -> int:
    _limit_resources()
    try:
        backend = open_backend(name, resolver)
        for size in map(int, sizes):
            sys.stdout.write(".")
            sys.stdout.flush()
            _invoke_once(backend, sys.stdin.buffer.read(size))
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

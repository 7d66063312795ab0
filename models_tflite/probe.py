"""Try a model that nobody vouches for: loaded and invoked once, in a child process.

tflite-runtime does not verify a flatbuffer: most truncated files crash the process that loads
them, some make it hang. So the first to meet such a file is a process that may die.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from models_tflite.backend import Backend, open_backend
from models_tflite.errors import BundleError, ModelError

TIMEOUT_S = 60
"""Enough for one slow reference invocation of a large model on a small board."""
_MEMORY_BYTES = 4 << 30
"""Address space of the child: a damaged shape may ask for anything."""


def probe(model: bytes, backend: Backend, timeout_s: float = TIMEOUT_S) -> None:
    """Load and invoke a model once in a child process; return if that went well.

    Args:
        model: the bytes of a .tflite file, from anywhere.
        backend: the kernels that will run it later.
        timeout_s: time limit in s.

    Raises:
        ModelError: in one line, the interpreter's reason, the crash, or the time limit.
    """
    command = [sys.executable, "-P", "-m", "models_tflite.probe", backend.name, backend.resolver]
    # The child finds what this process found, wherever the packages lie.
    path = [str(Path(__file__).resolve().parents[1]), *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    try:
        child = subprocess.run(
            command, input=model, capture_output=True, timeout=timeout_s, env=environment
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"the model hung {backend.name} {backend.version} for {timeout_s:g} s: the file is "
            "damaged, get it again"
        ) from None
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise ModelError(
            f"the model crashed {backend.name} {backend.version} ({name}): the file is truncated "
            "or damaged, get it again"
        )
    if child.returncode:
        raise ModelError(_reason(child.stdout, child.stderr))


def _reason(stdout: bytes, stderr: bytes) -> str:
    try:
        return str(json.loads(stdout)["error"])
    except (ValueError, KeyError, TypeError):
        last = stderr.decode(errors="replace").strip().splitlines()[-1:]
        return "the model broke its interpreter: " + " ".join(last or ["no reason given"])


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


def _main() -> int:
    _limit_resources()
    try:
        _invoke_once(open_backend(sys.argv[1], sys.argv[2]), sys.stdin.buffer.read())
    except BundleError as error:
        print(json.dumps({"error": str(error)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())

"""A model that nobody vouches for is tried first: loaded and invoked once, in a child process.

tflite-runtime does not verify a flatbuffer: most truncated files crash the process that loads
them, some make it hang. So the first to meet such a file is a process that may die. What ran is
remembered by digest and kernels, in the user's cache or else in memory; for the models that ship
with this package, `bundles/vouched.sha256` stands.
"""

import hashlib
import logging
import os
import platform
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edge_infer.models_tflite import edgetpu
from edge_infer.models_tflite.errors import BackendError, BundleError, ModelError

if TYPE_CHECKING:
    from edge_infer.models_tflite.backend import Backend

_log = logging.getLogger(__name__)

TIMEOUT_S = 60
"""Of each model: enough for one slow reference invocation of a large one on a small board."""
_MEMORY_SHARE = 0.5
"""Of the machine's memory, for the child beyond what its libraries take: a damaged shape may ask
for anything."""
_CACHE_LIMIT_BYTES = 1 << 20
"""Some 8,000 models; then the file begins anew."""
_ADVICE = "the file is truncated or damaged, get it again"
_TPU_OP = "edgetpu-custom-op"


def vouch(models: Iterable[tuple[str, bytes]], backend: "Backend") -> None:
    """Return once every model is known to run; those that are not are tried together.

    Args:
        models: .tflite files from anywhere, each with the name that messages call it by. What is
            known already is not kept, so a generator may go through many.
        backend: the kernels that will run them.

    Raises:
        ModelError: in one line, the model, and the interpreter's reason, the crash, or the limit.
        BackendError: no child process can be started, or it cannot use the backend.
    """
    known, new, keys = known_models(), dict[str, bytes](), list[str]()
    for name, model in models:
        digest = hashlib.sha256(model).hexdigest()
        key = _key(digest, backend)
        if digest not in known and key not in known:
            new[name] = model
            keys.append(key)
    if new:
        level = logging.WARNING if sys.stderr.isatty() else logging.INFO
        _log.log(
            level,
            "%s: %s has not run it on this machine before, so a child process tries it first",
            ", ".join(new), _named(backend),
        )  # fmt: skip
        for name, model in new.items():
            _check_structure(name, model)
        probe(new, backend)
        _remember(keys)


def _check_structure(name: str, model: bytes) -> None:
    """Refuse a file whose offsets leave it, which a child process may survive by chance.

    tflite-runtime reads a file unverified: what lies behind it differs from process to process.
    """
    from edge_infer.models_tflite.flatbuffer import unpack

    try:
        unpack(model)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None
    except BackendError:
        _log.debug("no reader of TFLite files is installed, so %s is tried unseen", name)


def probe(models: Mapping[str, bytes], backend: "Backend", timeout_s: float = TIMEOUT_S) -> None:
    """Load and invoke each model once in one child process, whether known or not.

    Args:
        models: the bytes of .tflite files, by the names that messages call them.
        backend: the kernels that will run them later.
        timeout_s: time limit for each in s, of the clock and of the processor.

    Raises:
        ModelError, BackendError: as `vouch`.
    """
    import subprocess

    _log.info("probing %s under %s in a child process", ", ".join(models), backend.name)
    # An accelerator is one process's: there the child runs what stands around its operator.
    name = None if backend.name.startswith(edgetpu.NAME) else backend.name
    sizes = [str(len(model)) for model in models.values()]
    command = [sys.executable, "-P", "-m", __spec__.name]
    words = [name or "", backend.resolver, str(ceil(timeout_s)), *sizes]
    # The child finds what this process found, wherever the packages lie.
    path = os.pathsep.join(filter(None, sys.path))
    try:
        child = subprocess.run(
            [*command, *words],
            input=b"".join(models.values()),
            capture_output=True,
            timeout=timeout_s * len(models),
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired as error:
        _fail(models, error.stdout or b"", _hung(backend, timeout_s))
    except OSError as error:
        raise BackendError(
            f"{', '.join(models)}: no child process can be started to try it in: {error.strerror}"
        ) from error
    if child.returncode < 0:
        _fail(models, child.stdout, _death(-child.returncode, backend, timeout_s))
    if child.returncode:
        *before, last = child.stderr.decode(errors="replace").strip().splitlines() or [""]
        for line in before:
            _log.debug("the child process: %s", line)
        reason = last or f"the child process ended with {child.returncode}"
        if not child.stdout:
            raise BackendError(f"{_named(backend)} does not start in a child process: {reason}")
        _fail(models, child.stdout, reason)


def _named(backend: "Backend") -> str:
    return f"{backend.name} {backend.version}"


def _hung(backend: "Backend", limit_s: float) -> str:
    return f"hung {_named(backend)} for {limit_s:g} s: {_ADVICE}"


def _death(number: int, backend: "Backend", limit_s: float) -> str:
    import signal

    if number == signal.SIGXCPU:
        return _hung(backend, limit_s)
    return f"crashed {_named(backend)} ({signal.Signals(number).name}): {_ADVICE}"


def _fail(models: Mapping[str, bytes], progress: bytes, what: str) -> NoReturn:
    """The child writes one byte of progress before each model: the last begun is the culprit."""
    begun = list(models)[min(max(len(progress), 1), len(models)) - 1]
    raise ModelError(f"{begun}: {what}")


def _key(digest: str, backend: "Backend") -> str:
    kernels = (backend.name, backend.version, backend.resolver, backend.arch, platform.node())
    return " ".join(["_".join(word.split()) for word in (digest, *kernels)])


@cache
def known_models() -> set[str]:
    """Return digests that are vouched for under any kernels, and digests with their kernels.

    The user's cache is read once a process; `known_models.cache_clear()` has it read again.
    """
    shipped = Path(__file__).with_name("bundles") / "vouched.sha256"
    known = {line.split()[0] for line in shipped.read_text("ascii").splitlines()}
    with suppress(OSError, RuntimeError):
        known |= set(_read_cache().decode(errors="replace").splitlines())
    return known


def _remember(keys: Iterable[str]) -> None:
    """Note what ran; a cache that cannot be written is done without."""
    known_models().update(keys)
    with suppress(OSError, RuntimeError):  # the last where the user has no home
        path = _cache_path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        full = path.exists() and path.stat().st_size > _CACHE_LIMIT_BYTES
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | (os.O_TRUNC if full else os.O_APPEND)
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, "".join(f"{key}\n" for key in keys).encode())
        finally:
            os.close(descriptor)


def _cache_path() -> Path:
    """Return the file; by the XDG Base Directory Specification a relative folder is not valid."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path("~/.cache").expanduser()
    return base / "edge-infer" / "probed"


def _read_cache() -> bytes:
    """Return what the cache holds: nothing where others than the user could have written it."""
    with open(_cache_path(), "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as f:
        found = os.fstat(f.fileno())
        safe = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not (stat.S_ISREG(found.st_mode) and safe):
            return b""
        return f.read(2 * _CACHE_LIMIT_BYTES)


def _limit_memory() -> None:
    import resource  # not on every platform, and needed in the child alone

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    page = os.sysconf("SC_PAGE_SIZE")
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * page
    limit = taken + round(_MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * page)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (min(limit, sys.maxsize), hard))


def _limit_processor(seconds: int) -> None:
    """Give the next model so much time of the processor."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = ceil(time.process_time()) + seconds
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _invoke_once(backend: "Backend", model: bytes, whole: bool) -> None:
    try:
        interpreter = backend.load_vouched(model)
    except ModelError as error:
        if whole or _TPU_OP not in str(error):
            raise
        return
    try:
        interpreter.invoke()
        interpreter.get_input_details()  # which decodes names: they may be no UTF-8
        for output in interpreter.get_output_details():
            interpreter.get_tensor(output["index"])
    except (ValueError, RuntimeError, MemoryError) as error:
        from edge_infer.models_tflite.refusals import refusal_reason  # for these alone

        raise ModelError(f"the model does not run: {refusal_reason(error)}") from None


def main(name: str, resolver: str, seconds: str, *sizes: str) -> int:
    """Be the child process: try each model of standard input; return the exit code.

    Args:
        name: the backend, "" for the one that is installed.
        resolver: its kernels.
        seconds: time limit for each model in s, of the processor.
        sizes: of the models in bytes.
    """
    from edge_infer.models_tflite.backend import open_backend

    try:
        backend = open_backend(name or None, resolver)
        _limit_memory()
        for size in map(int, sizes):
            _limit_processor(int(seconds))
            sys.stdout.write(".")
            sys.stdout.flush()
            _invoke_once(backend, sys.stdin.buffer.read(size), whole=bool(name))
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.DEBUG)  # the parent keeps it for -vv
    sys.exit(main(*sys.argv[1:]))

"""One seam for work: cells that know nothing of each other, on whatever executor there is.

A cell is a function of data that all cells share and of a value of its own, seeds among it: so the
results are the same whatever ran them, and in which order. `InProcess` runs them here, `Processes`
on this computer's cores, `Cluster` (work_cluster.py) on a Dask scheduler's workers.
"""

import copyreg
import hashlib
import multiprocessing
import pickle
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from concurrent.futures.process import ProcessPoolExecutor
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from edge_infer.lab.kept_results import KeptResults
from edge_infer.lab.progress import CountingProgress, Progress, silent
from edge_infer.runtime.errors import RunError

D = TypeVar("D")
C = TypeVar("C")
R = TypeVar("R")
_DEATHS_WITHOUT_A_RESULT = 3
"""In a row: then a cell ends its worker, and would end every other."""
_ONE_AT_A_TIME = threading.RLock()
"""A worker of several threads has one set of shared data, and one interpreter lock anyway."""


def _read_only(found: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(found)


# Read-only maps, as profiles have, travel as what they show.
copyreg.pickle(MappingProxyType, lambda found: (_read_only, (dict(found),)))


class Crew(Protocol):
    """Who works."""

    @property
    def window(self) -> int:
        """Cells that are handed out at once, so that nobody waits for the next one."""
        ...

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """What a worker that died raises."""
        ...

    def executor(self) -> Executor:
        """Return where cells go, another one after workers died."""
        ...

    def share(self, data: Any, pickled: bytes) -> Any:
        """Bring data to the workers, once each; return what stands for them in a call."""
        ...

    def close(self) -> None:
        """Let the workers go, whatever they are at."""
        ...


class CellRunner:
    """Hands out cells.

    Args:
        crew: who works.
        kept: results of before, and where new ones go.
        progress: called with how many are done, and how long the rest will take.
        clock_s: real time.
    """

    def __init__(
        self,
        crew: Crew,
        kept: KeptResults | None = None,
        progress: Progress = silent,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._crew, self._kept, self._progress, self._clock_s = crew, kept, progress, clock_s

    @property
    def is_here(self) -> bool:
        """Whether cells run in this process, one after the other."""
        return isinstance(self._crew, InProcess)

    def map(
        self, function: Callable[[D, C], R], shared: D, cells: Sequence[C], what: str = "cells"
    ) -> list[R]:
        """Return what a function makes of each cell, in their order.

        Args:
            function: of a module, called with the shared data and a cell.
            shared: the same for all cells; travels once a worker.
            cells: small values that `repr` tells apart.
            what: they are, in the plural.

        Raises:
            RunError: a cell ends every worker that takes it up.
            Whatever the function raises.
        """
        pickled = b"" if self.is_here and self._kept is None else pickle.dumps(shared, protocol=5)
        keys = self._keys(function, pickled, cells)
        found: dict[int, R] = {}
        if self._kept is not None:
            found = {i: self._kept.get(key) for i, key in enumerate(keys) if key in self._kept}
        waiting = deque(i for i in range(len(cells)) if i not in found)
        begun, total, deaths = self._clock_s(), len(waiting), 0
        while waiting:
            before = len(found)
            try:
                token = self._crew.share(shared, pickled)
                for index, result in self._round(function, token, cells, waiting):
                    found[index] = result
                    if self._kept is not None:
                        self._kept.put(keys[index], result)
                    done = total - (len(cells) - len(found))
                    self._tell(what, done, total, self._clock_s() - begun)
            except self._crew.lost as error:
                deaths = deaths + 1 if len(found) == before else 1
                self._progress(f"a worker died: {error}")
                if deaths >= _DEATHS_WITHOUT_A_RESULT:
                    raise RunError(
                        f"{deaths} workers died in a row, none with a result: one of the "
                        f"{len(cells) - len(found)} {what} left ends its worker: {error}"
                    ) from error
            waiting = deque(i for i in range(len(cells)) if i not in found)
        return [found[index] for index in range(len(cells))]

    def _round(
        self, function: Callable[..., R], token: Any, cells: Sequence[C], waiting: deque[int]
    ) -> Iterator[tuple[int, R]]:
        """Yield results as they come, until all are there or a worker died."""
        executor = self._crew.executor()
        out: dict[Future[R], int] = {}
        while waiting or out:
            while waiting and len(out) < self._crew.window:
                index = waiting.popleft()
                out[executor.submit(call, function, token, cells[index])] = index
            done, _ = wait(out, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=out.__getitem__):
                yield out.pop(future), future.result()

    def _keys(
        self, function: Callable[..., Any], pickled: bytes, cells: Sequence[Any]
    ) -> list[str]:
        if self._kept is None:
            return []
        begin = hashlib.sha256(pickled)
        begin.update(f"{own_version()} {function.__module__}.{function.__qualname__} ".encode())
        keys = []
        for cell in cells:
            whole = begin.copy()
            whole.update(repr(cell).encode())
            keys.append(whole.hexdigest())
        return keys

    def _tell(self, what: str, done: int, total: int, took_s: float) -> None:
        if total == 1:
            return
        if isinstance(self._progress, CountingProgress):
            self._progress.count(what, done, total)
            return
        left_s = took_s / done * (total - done)
        left = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
        self._progress(f"{done} of {total} {what}, {left} left")

    def close(self) -> None:
        """Let the workers go."""
        self._crew.close()


def own_version() -> str:
    """Return the version of edge-infer that runs here."""
    return metadata.version("edge-infer")


def call(function: Callable[[Any, C], R], token: Any, cell: C) -> R:
    """Run a cell where the shared data are, or are read."""
    with _ONE_AT_A_TIME:
        return function(token.data() if isinstance(token, SharedFile) else token, cell)


class SharedFile:
    """Data in a file, read once by a process that wants them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def data(self) -> Any:
        """Return them."""
        return _read(self._path)


@lru_cache(maxsize=1)
def _read(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


class Here(Executor):
    """Runs what it is given before it returns."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """See Executor."""
        future: Future[R] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class InProcess:
    """Fulfils Crew: cells one after the other, in this process."""

    window = 1
    lost: tuple[type[BaseException], ...] = ()

    def executor(self) -> Executor:
        """See Crew."""
        return Here()

    def share(self, data: Any, pickled: bytes) -> Any:
        """See Crew."""
        return data

    def close(self) -> None:
        """See Crew."""


class Processes:
    """Fulfils Crew: processes on this computer, each begun afresh.

    Args:
        count: how many.
    """

    lost = (BrokenExecutor,)

    def __init__(self, count: int) -> None:
        self._count = count
        self.window = 2 * count
        self._pool: ProcessPoolExecutor | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edge-infer-")
        self._files = 0

    def executor(self) -> Executor:
        """See Crew."""
        if self._pool is None or self._pool._broken:
            self._end()
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, context, _begin)
        return self._pool

    def share(self, data: Any, pickled: bytes) -> Any:
        """See Crew."""
        self._files += 1
        path = Path(self._folder.name) / str(self._files)
        path.write_bytes(pickled)
        return SharedFile(path)

    def close(self) -> None:
        """See Crew."""
        self._end()
        self._folder.cleanup()

    def _end(self) -> None:
        if self._pool is None:
            return
        for process in list((self._pool._processes or {}).values()):
            process.terminate()
        self._pool.shutdown(cancel_futures=True)
        self._pool = None


def _begin() -> None:
    """Leave Ctrl-C to the process that hands out the cells, and end when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    with suppress(ProcessLookupError):
        signal.raise_signal(signal.SIGKILL)


IN_PROCESS = CellRunner(InProcess())
"""What runs cells where nothing else was asked for."""

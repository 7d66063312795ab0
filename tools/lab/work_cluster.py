"""Work on the workers of a Dask scheduler; the one place that knows of Dask (extra `cluster`)."""

from concurrent.futures import CancelledError, Executor
from importlib import import_module
from typing import Any

from edge_infer.lab.work import own_version
from edge_infer.runtime.errors import InputError, RunError

_ANSWER_S = 10
"""How long a scheduler may take to answer."""


class Cluster:
    """Fulfils Crew: the workers of a scheduler.

    Args:
        address: tcp://HOST:PORT.

    Raises:
        InputError: the address is none.
        RunError: Dask is missing, no scheduler answers, it has no workers, or they have another
            edge-infer than this one.
    """

    def __init__(self, address: str) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            raise RunError(
                "a cluster needs Dask: pip install 'edge-infer[cluster]', here and on the workers"
            ) from None
        self.lost: tuple[type[BaseException], ...] = (
            distributed.scheduler.KilledWorker,
            CancelledError,
        )
        check_address(address)
        try:
            self._client = distributed.Client(address, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise RunError(
                f"no scheduler answers at {address}: start it with dask scheduler, and workers "
                f"with dask worker {address} --nthreads 1"
            ) from error
        try:
            self.window = 2 * self._checked_workers(address)
        except BaseException:
            self.close()
            raise

    def executor(self) -> Executor:
        """See Crew."""
        executor: Executor = self._client.get_executor()
        return executor

    def share(self, data: Any, pickled: bytes) -> Any:
        """See Crew."""
        return self._client.scatter(data, broadcast=True, hash=False)

    def close(self) -> None:
        """See Crew."""
        self._client.close()

    def _checked_workers(self, address: str) -> int:
        """Return how many workers there are. Raises RunError unless each is as this computer."""
        versions = self._client.run(_worker_version, on_error="return")
        if not versions:
            raise RunError(
                f"the scheduler at {address} has no workers: dask worker {address} --nthreads 1"
            )
        for worker, found in versions.items():
            if found != own_version():
                told = "no edge-infer that can be imported" if isinstance(found, Exception) else (
                    f"edge-infer {found}"
                )  # fmt: skip
                raise RunError(
                    f"the worker {worker} has {told}, here it is edge-infer {own_version()}: "
                    "results would not be comparable; install the same on all"
                )
        return len(versions)


def check_address(address: str) -> None:
    """Raise InputError unless an address is tcp://HOST:PORT."""
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    if scheme not in ("tcp", "tls") or not host or not port.isdigit() or int(port) > 65_535:
        raise InputError(f"--cluster {address}: write tcp://HOST:8786, as dask scheduler says it")


def _worker_version() -> str:
    return own_version()

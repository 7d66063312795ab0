"""The self-test of a flashed bundle, in a child process: a bad model may crash or hang it."""

import contextlib
import multiprocessing
import time
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from edge_infer.firmware_bridge.children import start_child
from edge_infer.firmware_bridge.image.bundle_file import BundleFolders
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.models_tflite import open_backend, open_bundle
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.self_test import self_test
from edge_infer.runtime.exit_criterion import exit_criteria

TIME_LIMIT_S = 120.0


def run_self_test(connection: Connection, folder: str) -> None:
    """Say "" when the bundle in `folder` passes, else why not. The target of the child."""
    connection.send(_failure(folder))


def _failure(folder: str) -> str:
    try:
        bundle = open_bundle(folder)
        report = self_test(bundle, open_backend(), partial(exit_criteria, bundle.manifest))
    except BundleError as error:
        return str(error)
    return "" if report.passed else "; ".join(report.failures[:3])


class ChildSelfTests:
    """Fulfils SelfTests: one child at a time, for the image that came last."""

    def __init__(self, slots: Slots, folders: BundleFolders) -> None:
        self._slots = slots
        self._folders = folders
        self._digest = b""
        self._found: str | None = None
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._end_s = 0.0

    def start(self, digest: bytes) -> None:
        """See SelfTests."""
        if digest == self._digest:
            return
        self.close()
        image = self._slots.read_other()
        self._digest = digest
        if image is None or image.digest != digest:
            self._found = "its image is not in the other slot"
            return
        try:
            self._spawn(self._folders.folder_of(image))
        except OSError as error:
            self._found = f"it cannot be laid out: {error}"

    def verdict(self, digest: bytes) -> str | None:
        """See SelfTests."""
        if digest != self._digest:
            return None
        if self._process is not None and self._connection is not None:
            self._look(self._process, self._connection)
        return self._found

    def close(self) -> None:
        """End a test that still runs. May be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._digest, self._found = b"", None

    def _spawn(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=run_self_test, args=(theirs, str(folder)), daemon=True
        )
        start_child(self._process)
        theirs.close()
        self._connection = ours
        self._end_s = time.monotonic() + TIME_LIMIT_S

    def _look(self, process: BaseProcess, connection: Connection) -> None:
        if self._found is not None:
            return
        with contextlib.suppress(EOFError, OSError):
            if connection.poll(0):
                self._found = connection.recv()
                return
        if process.exitcode is not None:
            self._found = f"it crashed the interpreter (exit code {process.exitcode})"
        elif time.monotonic() > self._end_s:
            process.kill()
            self._found = f"it took longer than {TIME_LIMIT_S:g} s"

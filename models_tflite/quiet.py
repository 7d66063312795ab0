"""Keeps the interpreters' native start-up notes out of a user's terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_log_hidden() -> Iterator[None]:
    """Send file descriptor 2 to nowhere meanwhile: native code logs there, past sys.stderr.

    What matters comes as an exception; what is hidden is "Created TensorFlow Lite XNNPACK
    delegate for CPU." and the like. Set TF_CPP_MIN_LOG_LEVEL=0 to see it.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all: nothing to hide
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

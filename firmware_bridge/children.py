"""Child processes that a Ctrl-C at the terminal does not reach: the agent decides about it."""

import signal
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess


def start_child(process: BaseProcess) -> None:
    """Start a child that is deaf to SIGINT from its first moment.

    A handler that it sets itself comes too late: it spends its first second on imports.
    """
    resource_tracker.ensure_running()  # else the start below would, and unblock the signal
    found = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, found)

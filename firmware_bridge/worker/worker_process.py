"""The worker as a process of its own: it may hang or crash without the agent."""

import signal
from multiprocessing.connection import Connection

from edge_infer.boards import open_board
from edge_infer.firmware_bridge.worker.worker import EXPECTED, Worker
from edge_infer.firmware_bridge.worker.worker_messages import Failed, WorkerSettings


def run_worker(connection: Connection, settings: WorkerSettings) -> None:
    """Serve requests until the agent closes the pipe. The target of the child process."""
    # Ctrl-C reaches the whole group of processes; only the agent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with open_board(settings.board) as board:
            Worker(connection, board, settings).run()
    except EXPECTED as error:
        connection.send(Failed(0, str(error)))
    except (EOFError, BrokenPipeError):
        pass

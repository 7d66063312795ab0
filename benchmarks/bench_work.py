"""What sharing out work costs: cells of the grid here, on two processes, on two Dask workers.

`python -m benchmarks.bench_work [CELLS]` prints, for each, the wall time, the processor time of
the cells, and that of what hands them out and takes them in, in both processes. On a busy computer
the wall time says nothing, the others do.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from edge_infer.lab.comparison.comparison_document import read_statics
from edge_infer.lab.comparison.comparison_frames import read_frames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.reproduce.eenet_grid import Pair, grid_cell
from edge_infer.lab.work import CellRunner, Crew, InProcess, Processes
from edge_infer.lab.work_cluster import Cluster
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO

PROFILE = "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"
"""Dask samples what its workers do a hundred times a second, which is most of what it costs."""
BOARD = "sim:raspberry-pi-5"


def timed(pairs: Sequence[Pair], cell: tuple[int, Conditions]) -> tuple[float, float]:
    """Run a cell; return its own processor time in s, and that of its process meanwhile."""
    thread, process = time.thread_time(), time.process_time()
    grid_cell(pairs, cell)
    return time.thread_time() - thread, time.process_time() - process


def measured(crew: Crew, pairs: Sequence[Pair], cells: Sequence[tuple[int, Conditions]]) -> str:
    """Run all cells; return what it took."""
    runner = CellRunner(crew)
    try:
        wall, own = time.monotonic(), time.process_time()
        times = runner.map(timed, pairs, cells)
        wall, own = time.monotonic() - wall, time.process_time() - own
    finally:
        runner.close()
    inside, process = (sum(column) for column in zip(*times, strict=True))
    beside = process - inside + (own if not isinstance(crew, InProcess) else own - process)
    return (
        f"wall {wall:6.1f} s   in cells {inside:6.1f} s   beside them {beside:5.2f} s "
        f"({100 * beside / inside:.1f} %)"
    )


@contextmanager
def scheduler() -> Iterator[str]:
    """Start a scheduler with two workers; give out its address."""
    with ExitStack() as held:
        address = _started(held, "Scheduler at:", "scheduler", "--port", "0")
        for _ in range(2):
            _started(held, "Registered to:", "worker", address, "--nthreads", "1")
        yield address


def _started(held: ExitStack, told: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {PROFILE: "False"}
    )
    held.callback(process.terminate)
    assert process.stderr is not None
    return next(line.split()[-1] for line in process.stderr if told in line)


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    bundle, kernels = open_bundle("digits-early-exit"), open_backend()
    frames = read_frames(bundle, kernels, None, 400, FULL_RATIO)
    nets = read_statics(bundle, frames, [], kernels, None, 400, lambda text: None)
    cells = [(0, Conditions(BOARD, load=0.6 + 0.3 * i / count, frames=2_000)) for i in range(count)]
    with scheduler() as address:
        crews: dict[str, Callable[[], Crew]] = {
            "this process": InProcess,
            "two processes": lambda: Processes(2),
            "two Dask workers": lambda: Cluster(address),
        }
        for name, make in crews.items():
            print(f"{name:18}{measured(make(), ((bundle, frames, nets),), cells)}", flush=True)


if __name__ == "__main__":
    main()

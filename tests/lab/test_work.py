"""Cells on every executor: the same to the byte, whatever ran them and whatever died."""

import base64
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import cells

from edge_infer.lab import work_cluster
from edge_infer.lab.kept_results import KeptResults
from edge_infer.lab.work import CellRunner, InProcess, Processes, own_version
from edge_infer.lab.work_cluster import Cluster
from edge_infer.runtime.errors import InputError, RunError

ROOT = Path(__file__).parents[2]
needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask is not installed: pip install -e '.[cluster]'"
)
SHARED = np.arange(1000.0)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two workers, all processes of their own."""
    with ExitStack() as held:
        _, address = started(held, "scheduler", "--host", "127.0.0.1", "--port", "0",
                                   told="Scheduler at:")  # fmt: skip
        for _ in range(2):
            started(held, "worker", address, "--nthreads", "1", told="Registered to:")
        yield address


def started(held: ExitStack, *arguments: str, told: str) -> tuple[subprocess.Popen[str], str]:
    """Start a program of Dask; return it and what stands behind a text that it prints."""
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    held.callback(ended, process)
    assert process.stderr is not None
    for line in process.stderr:
        if told in line:
            return process, line.split()[-1]
    raise AssertionError(f"dask {arguments[0]} ended with {process.wait()}")


def ended(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def drawn(work: CellRunner) -> list[tuple[str, bytes]]:
    try:
        found = work.map(cells.drawn, SHARED, range(12))
        return [(total.hex(), part.tobytes()) for total, part in found]
    finally:
        work.close()


def test_processes_give_what_this_process_gives() -> None:
    assert drawn(CellRunner(InProcess())) == drawn(CellRunner(Processes(2)))


@needs_dask
def test_a_cluster_gives_what_this_process_gives(scheduler: str) -> None:
    assert drawn(CellRunner(InProcess())) == drawn(CellRunner(Cluster(scheduler)))


def test_a_process_that_is_killed_costs_its_cells_only(tmp_path: Path) -> None:
    told: list[str] = []
    work = CellRunner(Processes(2), progress=told.append)
    assert work.map(cells.killed_once, tmp_path / "marker", range(8)) == list(range(8))
    work.close()
    assert any("a worker died" in sentence for sentence in told)


@needs_dask
def test_a_cluster_s_worker_that_is_killed_costs_its_cells_only(
    scheduler: str, tmp_path: Path
) -> None:
    work = CellRunner(Cluster(scheduler))
    assert work.map(cells.killed_once, tmp_path / "marker", range(8)) == list(range(8))
    work.close()
    assert (tmp_path / "marker").exists()


def test_a_cell_that_ends_every_worker_ends_the_run() -> None:
    work = CellRunner(Processes(2))
    with pytest.raises(RunError, match="workers died in a row"):
        work.map(cells.killed_always, None, range(2), "deadly cells")
    work.close()


def test_what_a_cell_raises_is_raised() -> None:
    for crew in (InProcess(), Processes(2)):
        work = CellRunner(crew)
        with pytest.raises(ValueError, match="cell 2 is refused"):
            work.map(cells.refused, None, range(4))
        work.close()


def test_data_travel_once_a_worker(tmp_path: Path) -> None:
    work = CellRunner(Processes(2))
    workers = set(work.map(cells.counted, cells.Counted(tmp_path), range(12)))
    work.close()
    assert {path.name for path in tmp_path.iterdir()} == {str(pid) for pid in workers}
    assert all(path.read_text() == "x" for path in tmp_path.iterdir())


@needs_dask
def test_data_travel_once_a_worker_of_a_cluster(scheduler: str, tmp_path: Path) -> None:
    work = CellRunner(Cluster(scheduler))
    work.map(cells.counted, cells.Counted(tmp_path), range(30))
    work.close()
    times = sum(len(path.read_text()) for path in tmp_path.iterdir())
    assert times <= 4, "once a worker, and Dask's own copies; not once a cell"


def test_progress_says_what_is_left() -> None:
    told: list[str] = []
    time_s = iter(range(0, 400, 100))
    work = CellRunner(InProcess(), None, told.append, lambda: float(next(time_s)))
    work.map(cells.added, 1, range(3), "rows")
    assert told == ["1 of 3 rows, 3 min left", "2 of 3 rows, 2 min left", "3 of 3 rows, 0 s left"]


def test_results_are_kept_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    with KeptResults(path) as kept, pytest.raises(ValueError, match="cell 2"):
        CellRunner(InProcess(), kept).map(cells.refused, None, range(4))
    with path.open("ab") as file:
        file.write(b'{"key": "cut in the mid')
    told: list[str] = []
    with KeptResults(path) as kept:
        assert len(kept) == 2
        whole = CellRunner(InProcess(), kept, told.append).map(cells.refused, None, [0, 1, 3])
        assert whole == [0, 1, 3] and told == [] and len(kept) == 2
        CellRunner(InProcess(), kept).map(cells.refused, "other data", [0])
    with KeptResults(path) as kept:
        assert len(kept) == 4
        array = CellRunner(InProcess(), kept).map(cells.drawn, SHARED, [5])
    with KeptResults(path) as kept:
        again = CellRunner(InProcess(), kept).map(cells.drawn, SHARED, [5])
    assert repr(array) == repr(again)


@pytest.mark.parametrize("content", [b"Dear reader\n", b"{}\n", b"\xff\n", b"no line"])
def test_what_holds_no_results_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kept"
    path.write_bytes(content)
    with pytest.raises(InputError, match="holds no results"):
        KeptResults(path)
    assert path.read_bytes() == content


def test_a_file_of_somebody_else_runs_nothing(tmp_path: Path) -> None:
    path, attack = tmp_path / "kept", pickle.dumps(Runs(tmp_path / "ran"))
    KeptResults(path).close()
    line = f'{{"key": "k", "result": "{base64.b64encode(attack).decode()}"}}\n'
    path.write_bytes(path.read_bytes() + line.encode())
    with pytest.raises(InputError):
        KeptResults(path)
    assert not (tmp_path / "ran").exists()


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_one_run_at_a_time_keeps_results_in_a_file(tmp_path: Path) -> None:
    with KeptResults(tmp_path / "kept"), pytest.raises(RunError, match="another run keeps"):
        KeptResults(tmp_path / "kept")
    with pytest.raises(InputError, match="kept in a file"):
        KeptResults(Path("/dev/null"))


@needs_dask
@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "tcp://x", "http://x:1", "tcp://x:99999"]
)
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(InputError, match="write tcp://HOST:8786"):
        Cluster(address)


@needs_dask
def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_cluster, "_ANSWER_S", 0.2)
    with pytest.raises(RunError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"):
        Cluster("tcp://127.0.0.1:1")


@needs_dask
def test_a_cluster_without_workers_is_told(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distributed.Client.run", lambda *_, **__: {})
    with pytest.raises(RunError, match="has no workers: dask worker"):
        Cluster(scheduler)


@needs_dask
def test_a_cluster_of_another_version_is_refused_with_both(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_cluster, "own_version", lambda: "9.9.9")
    with pytest.raises(RunError, match=rf"has edge-infer {own_version()}, here it is .* 9\.9\.9"):
        Cluster(scheduler)


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RunError, match=r"pip install 'edge-infer\[cluster\]'"):
        Cluster("tcp://127.0.0.1:8786")

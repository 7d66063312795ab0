"""Memory of a switch of the ratio: given back afterwards; if there is none, the old one goes on."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.backends import BACKENDS

ROOT = Path(__file__).parents[2]
REFUSING = """
import json, os, resource, sys
from edge_infer.boards import open_board
from edge_infer.models_tflite import open_backend, open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import Frame

def size_bytes():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmSize"))

def tried(engine, frame, room_bytes):
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes() + room_bytes, resource.RLIM_INFINITY))
    try:
        engine.set_ratio("0.87")
        switched = True
    except RunError as error:
        switched = False
        assert "cannot be loaded" in str(error) and "it goes on at 0.4" in str(error), error
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    record = engine.infer(frame)
    return switched, record.ratio, record.answer, record.confidence

bundle = open_bundle("cifar10-prunable")
frame = Frame(0, bundle.golden().frames[0])
with open_board("sim:raspberry-pi-4b") as board, \\
        Engine(bundle, board, backend=open_backend(sys.argv[1])) as engine:
    engine.set_ratio("0.87")  # the library has grown to what it needs
    engine.infer(frame)
    engine.set_ratio("0.4")
    before = engine.infer(frame)
    print(json.dumps(["0.4", before.answer, before.confidence]), flush=True)
    for room_kb in range(0, 1600, 100):
        child = os.fork()
        if not child:
            print(json.dumps(tried(engine, frame, room_kb * 1000)), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, f"died with {room_kb} kB"
"""


def run_child(program: str, backend: str) -> list[Any]:
    """Return what a program prints, one JSON document a line; memory is a process's own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, backend],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's here")
@pytest.mark.parametrize("name", BACKENDS)
def test_without_memory_the_old_ratio_answers_as_before(name: str) -> None:
    before, *tries = run_child(REFUSING, name)
    refused = [state for switched, *state in tries if not switched]
    assert len(tries) == 16 and 0 < len(refused) < 16
    assert all(state == before for state in refused)
    assert {state[0] for switched, *state in tries if switched} == {"0.87"}


CYCLES = """
import ctypes, gc, json, sys
from edge_infer.boards import open_board
from edge_infer.models_tflite import open_backend, open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame

class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Heap

def kb():
    found = mallinfo2()  # what is allocated, not what the allocator holds back
    return (found.uordblks + found.hblkhd) // 1024

bundle = open_bundle("cifar10-all-in-one")
frame = Frame(0, bundle.golden().frames[0])
with open_board("host") as board, \\
        Engine(bundle, board, backend=open_backend(sys.argv[1])) as engine:
    for cycle in range(-2, 12):
        for ratio in bundle.manifest.ratios:
            engine.set_ratio(ratio)
            engine.infer(frame)
            engine.drain()  # or records and samples are held until they are asked for
        gc.collect()
        if cycle >= 0:  # two cycles to import and allocate what is needed once
            print(json.dumps(kb()))
    print(json.dumps(sum(stage.bytes for stage in bundle.manifest.stages) // 1024))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="asks the GNU C library for what is allocated",
)
@pytest.mark.parametrize("name", BACKENDS)
def test_what_a_switch_takes_is_given_back(name: str) -> None:
    first, second, *_, last, files = run_child(CYCLES, name)
    assert last - second < files / 4, "90 switches later"
    assert last - first < files, "not even one more ratio is held"

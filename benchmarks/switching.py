"""What a change of the pruning ratio costs: time, and resident memory against separate files.

    python benchmarks/switching.py NET.tflite [--backend litert] [--calls 200]

NET.tflite is a prunable file: a stage of a prunable bundle. Times are of materialise, interpreter
and first invocation, and of the processor for all three (on a busy computer the rest of the time
belongs to others); memory is the growth of a fresh process over one that has run the smallest
ratio, first invocation done, and again after the switch back. Prints JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from models_tflite import open_backend
from models_tflite.prunable import PrunableModel


def times_ms(path: Path, backend: str, calls: int) -> dict[str, dict[str, float]]:
    """Return the median and the best decile in ms of each part, by ratio; ratios interleaved."""
    model, kernels = PrunableModel.open(path), open_backend(backend)
    parts: dict[str, list[tuple[float, ...]]] = {ratio: [] for ratio in model.ratios}
    for _ in range(calls):
        for ratio, own in parts.items():
            marks, cpu = [time.perf_counter()], time.process_time()
            content = model.materialise(ratio)
            marks.append(time.perf_counter())
            interpreter = kernels.load(content)
            marks.append(time.perf_counter())
            interpreter.invoke()
            marks.append(time.perf_counter())
            cpu = time.process_time() - cpu
            own.append((marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2], cpu))
            del interpreter, content
    return {ratio: _shown(own) for ratio, own in parts.items()}


def _shown(own: list[tuple[float, ...]]) -> dict[str, float]:
    names = ("materialise", "interpreter", "first_invoke", "processor")
    shown = {n: statistics.median(v) for n, v in zip(names, zip(*own, strict=True), strict=True)}
    totals = sorted(sum(parts[:3]) for parts in own)
    shown |= {"total": statistics.median(totals), "total_p10": totals[len(totals) // 10]}
    return {name: round(1e3 * value, 3) for name, value in shown.items()}


CHILD = """
import sys
from pathlib import Path
from models_tflite import open_backend
from models_tflite.prunable import PrunableModel

def rss():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

kernels, mode, paths = open_backend(sys.argv[1]), sys.argv[2], [Path(p) for p in sys.argv[3:]]
def run(content):
    interpreter = kernels.load(content)
    interpreter.invoke()
    return interpreter
run(Path(paths[0]).read_bytes())
before = rss()
if mode == "separate":
    held = [run(path.read_bytes()) for path in paths[1:]]
    print(rss() - before)
else:
    model = PrunableModel.open(paths[1])
    held = run(model.materialise(mode))
    first = rss() - before
    del held
    for ratio in (*model.ratios, mode):
        held = None
        held = run(model.materialise(ratio))
    print(first, rss() - before)
"""


def memory_kb(path: Path, backend: str) -> dict[str, object]:
    """Return the growth in kB by what a process holds."""
    model = PrunableModel.open(path)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for ratio in model.ratios:
            files.append(Path(folder, ratio))
            files[-1].write_bytes(model.materialise(ratio))
        smallest = files[-1]
        held: dict[str, object] = {
            "all_ratios_loaded": _grown(backend, "separate", smallest, *files)[0],
            "full_width_alone": _grown(backend, "separate", smallest, path)[0],
        }
        for ratio in model.ratios:
            first, after = _grown(backend, ratio, smallest, path)
            held[ratio] = {"first": first, "after_all_switches": after}
    return held


def _grown(backend: str, mode: str, *paths: Path) -> list[int]:
    command = [sys.executable, "-c", CHILD, backend, mode, *map(str, paths)]
    return [int(n) for n in subprocess.check_output(command, text=True).split()]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="What a change of the pruning ratio costs.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--backend", default="litert")
    parser.add_argument("--calls", type=int, default=200)
    asked = parser.parse_args()
    print(json.dumps({
        "file": asked.file.name,
        "backend": asked.backend,
        "bytes": asked.file.stat().st_size,
        "ms": times_ms(asked.file, asked.backend, asked.calls),
        "rss_growth_kb": memory_kb(asked.file, asked.backend),
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()

"""What a change of the pruning ratio costs: time, and resident memory against separate files.

    python benchmarks/switching.py NET.tflite ... [--backend litert] [--calls 200]
    python -m benchmarks.switching --mobilenet-v2 96

NET.tflite is a prunable file: a stage of a prunable bundle; of several, all are switched, as stages
of one net are. `--mobilenet-v2` makes one with random weights and seven random ratios, for frames
of that many pixels a side. Times of materialise, interpreter, first invocation and all three
(`processor`) are of the processor, since on a busy computer the rest of `wall` belongs to others;
memory is the growth of a fresh process over one that has run the smallest ratio, first invocation
done, and again after the switch back. Prints JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from edge_infer.models_tflite import open_backend
from edge_infer.models_tflite.prunable import PrunableModel

PARTS = ("materialise", "interpreter", "first_invoke")


def times_ms(paths: Sequence[Path], backend: str, calls: int) -> dict[str, dict[str, float]]:
    """Return, by ratio, the medians in ms of each part and of all; ratios interleaved."""
    models, kernels = [PrunableModel.open(path) for path in paths], open_backend(backend)
    taken: dict[str, list[tuple[float, ...]]] = {ratio: [] for ratio in models[0].ratios}
    for _ in range(calls):
        for ratio, own in taken.items():
            start, marks = time.perf_counter(), [time.process_time()]
            contents = [model.materialise(ratio) for model in models]
            marks.append(time.process_time())
            interpreters = [kernels.load(content) for content in contents]
            marks.append(time.process_time())
            for interpreter in interpreters:
                interpreter.invoke()
            marks.append(time.process_time())
            wall = time.perf_counter() - start
            own.append((*(b - a for a, b in pairwise(marks)), marks[-1] - marks[0], wall))
            del interpreter, interpreters, contents
    return {ratio: _shown(own) for ratio, own in taken.items()}


def _shown(own: list[tuple[float, ...]]) -> dict[str, float]:
    *parts, processor, wall = zip(*own, strict=True)
    shown = {name: statistics.median(part) for name, part in zip(PARTS, parts, strict=True)}
    shown |= {"processor": statistics.median(processor), "wall": statistics.median(wall)}
    shown["wall_p10"] = sorted(wall)[len(wall) // 10]
    return {name: round(1e3 * value, 3) for name, value in shown.items()}


CHILD = """
import sys
from pathlib import Path
from edge_infer.models_tflite import open_backend
from edge_infer.models_tflite.prunable import PrunableModel

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
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--mobilenet-v2", type=int, metavar="PIXELS")
    parser.add_argument("--backend", default="litert")
    parser.add_argument("--calls", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = asked.files or [_made(Path(folder), asked.mobilenet_v2 or 96)]
        print(json.dumps({
            "files": [file.name for file in files],
            "backend": asked.backend,
            "bytes": sum(file.stat().st_size for file in files),
            "ms": times_ms(files, asked.backend, asked.calls),
            "rss_growth_kb": {file.name: memory_kb(file, asked.backend) for file in files},
        }, indent=1))  # fmt: skip


def _made(folder: Path, pixels: int) -> Path:
    from tests.fakes.sized_nets import mobilenet_v2, with_seven_ratios

    path = folder / f"mobilenet-v2-{pixels}.tflite"
    path.write_bytes(with_seven_ratios(mobilenet_v2(pixels)))
    return path


if __name__ == "__main__":
    main()

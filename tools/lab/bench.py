"""What the runtime itself costs on this computer, in real time.

Each frame runs twice in turn, once through a bare loop over the same interpreters (set_tensor,
invoke, get_tensor) and once through the engine, and the difference is taken frame by frame: so
the figure holds on a machine whose speed drifts. Every stage runs on every frame.
"""

import dataclasses
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.lab.sink_bench import sinks_us
from edge_infer.models_tflite import Backend, Bundle, load_stages
from edge_infer.models_tflite.stage import LoadedStage
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.exit_criterion import exit_criterion
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.problem import plan_problem, predicted_exits
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.policies.joint_policy import joint_governor, ratio_contexts
from edge_infer.runtime.predictor import SoftmaxPredictor, carried_predictor
from edge_infer.runtime.records import ExitDecision, Frame, StageResult
from edge_infer.runtime.stage_costs import works_of

COLD_START = """
import time; begin = time.perf_counter_ns()
from edge_infer import Engine, Frame, open_board, open_bundle
bundle = open_bundle({bundle!r})
with open_board("host") as board, Engine(bundle, board) as engine:
    engine.infer(Frame(0, bundle.golden().frames[0]))
print(time.perf_counter_ns() - begin)
"""
PROCESSES = {
    "import": ("-c", "import edge_infer"),
    "version": ("-m", "edge_infer", "--version"),
    "help": ("-m", "edge_infer", "--help"),
    "run_one_frame": ("-m", "edge_infer", "run", "{bundle}", "{frame}"),
}
"""What a new process is asked for, by the name of its figure."""
STARTS = 5
"""Processes of each kind; the median counts."""
BOARD = "sim:raspberry-pi-5"
"""Whose clocks are planned with; a lookup costs the same for all."""
DEADLINE_NS = 100_000_000
MISS_BOUND = 0.01


def bench(bundle: Bundle, name: str, backend: Backend, threads: int, runs: int) -> dict[str, Any]:
    """Measure what the runtime adds to the interpreters it drives.

    Args:
        bundle: an open bundle.
        name: what a new process opens it by.
        backend: the kernels.
        threads: interpreter threads.
        runs: frames to time.

    Returns:
        What `edge-infer bench --json` prints (schemas/bench.schema.json).
    """
    with (
        open_board("host") as host,
        Engine(without_exits(bundle), host, backend=backend, threads=threads) as engine,
    ):
        bare_ns, engine_ns = interleaved_ns(engine, bundle.golden().frames, runs)
    plans, joint = plan_us(bundle, backend, runs), joint_plan_us(bundle, backend, runs)
    return {
        "bundle": bundle.manifest.name,
        "backend": backend.info.document(),
        "stages": len(bundle.manifest.stages),
        "runs": runs,
        "bare_us": _quartiles(bare_ns / 1000),
        "engine_us": _quartiles(engine_ns / 1000),
        "overhead_us": _quartiles((engine_ns - bare_ns) / 1000),
        "ratio": float(np.median(engine_ns / bare_ns)),
        "decision_us": {str(classes): decision_us(classes) for classes in (10, 1000)},
        "plan_us": None if plans is None else _quartiles(plans),
        "joint_plan_us": None if joint is None else _quartiles(joint),
        "sinks_us": sinks_us(bundle, backend, threads, runs),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cold_start_ms": _cold_start_ms(name),
        "start_up_cpu_ms": _start_ups_ms(name, bundle.golden().frames[:1]),
    }


def without_exits(bundle: Bundle) -> Bundle:
    """Return the bundle with exits that are never taken, so that every stage runs."""
    thresholds = {
        ratio: dataclasses.replace(
            chosen,
            criterion="score-margin",
            values=(math.inf,) * len(chosen.values),
        )
        for ratio, chosen in bundle.manifest.thresholds.items()
    }
    return dataclasses.replace(
        bundle, manifest=dataclasses.replace(bundle.manifest, thresholds=thresholds)
    )


def interleaved_ns(
    engine: Engine, frames: NDArray[Any], runs: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ns per frame of the bare loop and of the engine."""
    bare = bare_loop(engine.stages)
    clock = time.perf_counter_ns
    times = np.empty((2, runs), np.int64)
    for run in range(-runs // 20, runs):
        data = frames[run % len(frames)]
        frame = Frame(run, data)
        prepared = [stage.prepare(data) if stage.prepare else () for stage in engine.stages]
        for which in ((0, 1), (1, 0))[run % 2]:
            begin = clock()
            if which:
                engine.infer(frame)
            else:
                bare(prepared)
            if run >= 0:
                times[which, run] = clock() - begin
        if run % 100 == 0:
            engine.drain()
    return times[0], times[1]


Prepared = Sequence[Sequence[NDArray[Any]]]


def bare_loop(stages: Sequence[LoadedStage]) -> Callable[[Prepared], None]:
    """Return the least Python that runs all stages: what the engine is measured against.

    It takes the ready input of each stage that reads the frame, and nothing for the others.
    """
    calls = []
    for stage in stages:
        interpreter = stage.interpreter
        inputs = [detail["index"] for detail in interpreter.get_input_details()]
        outputs = [detail["index"] for detail in interpreter.get_output_details()]
        features = [outputs[index] for index in stage.spec.features]
        calls.append(
            (
                inputs,
                outputs[stage.spec.scores.output],
                features,
                interpreter.set_tensor,
                interpreter.invoke,
                interpreter.get_tensor,
            )
        )

    def run(prepared: Prepared) -> None:
        values: Sequence[NDArray[Any]] = ()
        for ready, call in zip(prepared, calls, strict=True):
            inputs, scores, features, set_tensor, invoke, get_tensor = call
            for index, value in zip(inputs, ready or values, strict=True):
                set_tensor(index, value)
            invoke()
            get_tensor(scores)
            values = [get_tensor(index) for index in features]

    return run


def decision_us(classes: int) -> float:
    """Return the median time of one exit decision on int8 scores."""
    scores = np.random.default_rng(0).integers(-128, 128, (64, classes), np.int8)
    judge = exit_criterion("score-margin", 1)
    times = np.empty(2000, np.int64)
    for run in range(len(times)):
        row = scores[run % len(scores)]
        begin = time.perf_counter_ns()
        judge(row)
        times[run] = time.perf_counter_ns() - begin
    return float(np.median(times)) / 1000


def _cold_start_ms(bundle: str) -> float:
    """Return the median of three fresh processes: import, open, load, first answer."""
    code = COLD_START.format(bundle=bundle)
    times = [
        int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    return sorted(times)[1] / 1e6


def _quartiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"p{rank}": float(np.percentile(values, rank)) for rank in (25, 50, 75, 95)}


def _start_ups_ms(bundle: str, frame: NDArray[Any]) -> dict[str, float]:
    """Return the processor time of each kind of new process in ms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.npy"
        np.save(path, frame)
        return {
            what: _start_up_ms([word.format(bundle=bundle, frame=path) for word in words])
            for what, words in PROCESSES.items()
        }


def _start_up_ms(words: Sequence[str]) -> float:
    """Return the processor time of a new process in ms: the median of some."""
    command = [sys.executable, *words]
    times = []
    for _ in range(STARTS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return 1000 * sorted(times)[STARTS // 2]


def plan_us(bundle: Bundle, backend: Backend, runs: int) -> NDArray[np.float64] | None:
    """Return the times in us of `runs` plans, over the golden frames in turn.

    A plan is made between the first stage and the second: so there is none on the path of a
    single-stage model, nor without an exit predictor to ask, and None is returned.
    """
    if len(bundle.manifest.stages) == 1:
        return None
    predictor = carried_predictor(bundle.manifest)
    if predictor is None:
        return None
    return _timed(_governor(bundle, predictor), bundle, backend, runs)


def joint_plan_us(bundle: Bundle, backend: Backend, runs: int) -> NDArray[np.float64] | None:
    """Return the times in us of `runs` joint plans: as `plan_us`, with the choice of the ratio.

    None for a bundle that has no ratios, or does not tell what they lose.
    """
    try:
        ratio_contexts(bundle.manifest)
    except PolicyError:
        return None
    with open_board(BOARD) as board:
        settings = PolicySettings(deadline_ns=DEADLINE_NS, arrivals=Periodic(1e9 / DEADLINE_NS))
        context = PolicyContext(bundle, board, settings)
        governor = joint_governor("planned-joint", context, True, MISS_BOUND, MISS_BOUND)
    return _timed(governor, bundle, backend, runs, chooses_ratio=True)


def _timed(
    governor: PlannedGovernor,
    bundle: Bundle,
    backend: Backend,
    runs: int,
    chooses_ratio: bool = False,
) -> NDArray[np.float64]:
    """Time what is decided after the first stage, and before it if the ratio is."""
    first = load_stages(bundle, backend)[0]
    assert first.prepare is not None  # a first stage reads the frame
    rows = [first.run(first.prepare(data)) for data in bundle.golden().frames]
    stay, goes_on = ExitDecision(False, 0, 0.0), len(bundle.manifest.stages) > 1
    times = np.empty(runs, np.int64)
    for run in range(runs):
        frame = Frame(run, rows[run % len(rows)], 0, DEADLINE_NS)
        result = StageResult(0, frame.data, 1000)
        begin = time.perf_counter_ns()
        governor.first_point(frame, 0, 0)
        if not chooses_ratio:
            begin = time.perf_counter_ns()
        if goes_on:
            governor.next_point(frame, result, stay)
        times[run] = time.perf_counter_ns() - begin
    return times / 1000


def _governor(bundle: Bundle, predictor: SoftmaxPredictor) -> PlannedGovernor:
    works = works_of(bundle)
    with open_board(BOARD) as board:
        table = board.cost_table(works)
    assert table is not None  # simulated boards have one
    names, distribution = [work.name for work in works], predicted_exits(predictor)
    problem = plan_problem(table, names, table.points, distribution, DEADLINE_NS, (DEADLINE_NS,))
    return PlannedGovernor(
        "planned", problem, MISS_BOUND, lambda frame, scores: predictor.bin_of(scores)
    )

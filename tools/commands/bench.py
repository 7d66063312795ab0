"""`edge-infer bench`: what the runtime itself costs on this computer.

Each frame runs twice in turn, once through a bare loop over the same interpreters (set_tensor,
invoke, get_tensor) and once through the engine, and the difference is taken frame by frame: so
the figure holds on a machine whose speed drifts. Every stage runs on every frame.
"""

import dataclasses
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.commands.options import (
    backend_option,
    json_option,
    option,
    resolver_option,
    threads_option,
)
from edge_infer.commands.quantities import time_text
from edge_infer.commands.render import emit, table
from edge_infer.lab.bench_plan import joint_plan_us, plan_us
from edge_infer.models_tflite import Bundle, open_backend, open_bundle
from edge_infer.models_tflite.stage import LoadedStage
from edge_infer.runtime.engine import Engine, backend_document
from edge_infer.runtime.exit_criterion import exit_criterion
from edge_infer.runtime.records import Frame

COLD_START = """
import time; begin = time.perf_counter_ns()
from edge_infer import Engine, Frame, open_board, open_bundle
bundle = open_bundle({bundle!r})
with open_board("host") as board, Engine(bundle, board) as engine:
    engine.infer(Frame(0, bundle.golden().frames[0]))
print(time.perf_counter_ns() - begin)
"""


@click.command("bench", short_help="Measure the runtime's own cost on this computer.")
@click.argument("bundle")
@option("--runs", type=click.IntRange(100), default=3000, show_default=True, help="Frames to time.")
@backend_option
@resolver_option
@threads_option
@json_option
def bench_command(
    bundle: str, runs: int, backend: str | None, resolver: str, threads: int, as_json: bool
) -> None:
    """Measure what the runtime adds to the interpreters it drives, on this computer.

    BUNDLE is a folder or the name of a bundle that ships with edge-infer. All figures are
    measured here and now, in real time.
    """
    opened = open_bundle(bundle)
    chosen = open_backend(backend, resolver)
    with (
        open_board("host") as host,
        Engine(_without_exits(opened), host, backend=chosen, threads=threads) as engine,
    ):
        bare_ns, engine_ns = _interleaved(engine, opened.golden().frames, runs)
    plans, joint = plan_us(opened, chosen, runs), joint_plan_us(opened, chosen, runs)
    difference_us = (engine_ns - bare_ns) / 1000
    document = {
        "bundle": opened.manifest.name,
        "backend": dict(backend_document(chosen)),
        "stages": len(opened.manifest.stages),
        "runs": runs,
        "bare_us": _quartiles(bare_ns / 1000),
        "engine_us": _quartiles(engine_ns / 1000),
        "overhead_us": _quartiles(difference_us),
        "ratio": float(np.median(engine_ns / bare_ns)),
        "decision_us": {str(classes): _decision_us(classes) for classes in (10, 1000)},
        "plan_us": None if plans is None else _quartiles(plans),
        "joint_plan_us": None if joint is None else _quartiles(joint),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cold_start_ms": _cold_start_ms(bundle),
    }
    emit(as_json, document, _report(document))


def _without_exits(bundle: Bundle) -> Bundle:
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


def _interleaved(
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
            engine.settle()
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


def _decision_us(classes: int) -> float:
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


def _report(document: dict[str, Any]) -> str:
    heading = ["us per inference", "p25", "p50", "p75", "p95"]
    names = {"bare_us": "bare loop", "engine_us": "engine", "overhead_us": "overhead"}
    rows = [
        [name, *(f"{value:.1f}" for value in document[key].values())] for key, name in names.items()
    ]
    backend = document["backend"]
    return "\n".join(
        [
            f"{document['bundle']}, all {document['stages']} stages, {document['runs']} frames, "
            f"{backend['name']} {backend['version']} ({backend['resolver']}, {backend['arch']}), "
            "measured on this computer",
            "",
            table(rows, heading),
            "",
            f"engine / bare loop  {document['ratio']:.3f}",
            f"one exit decision   {document['decision_us']['10']:.2f} us for 10 classes, "
            f"{document['decision_us']['1000']:.2f} us for 1,000",
            f"one plan            {_plan_text(document['plan_us'], 'nothing to predict')}",
            f"one joint plan      {_plan_text(document['joint_plan_us'], 'no ratios to choose')}",
            f"memory              {document['memory_mib']:.0f} MiB at most (resident)",
            f"cold start          {time_text(document['cold_start_ms'] * 1000)} from a new process "
            "to the first answer",
        ]
    )


def _plan_text(quartiles: dict[str, float] | None, why_none: str) -> str:
    if quartiles is None:
        return f"none: {why_none}"
    return f"{quartiles['p50']:.2f} us, p95 {quartiles['p95']:.2f} us"

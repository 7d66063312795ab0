"""`edge-infer bench`: what the runtime itself costs on this computer."""

import io
import statistics
import time
from typing import Any

import click

from edge_infer.boards import open_board
from edge_infer.commands.live_figures import SECONDS, LiveFigures
from edge_infer.commands.live_view import EVERY_S, WIDTH, live_picture
from edge_infer.commands.options import (
    backend_option,
    json_option,
    option,
    resolver_option,
    threads_option,
)
from edge_infer.commands.quantities import time_text
from edge_infer.commands.render import emit, table
from edge_infer.lab.bench import bench
from edge_infer.models_tflite import Bundle, open_backend, open_bundle
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame


@click.command("bench", short_help="Measure the runtime's own cost on this computer.")
@click.argument("bundle")
@option(
    "--runs",
    type=click.IntRange(100, 10**7),
    default=3000,
    show_default=True,
    help="Frames to time.",
)
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
    chosen, opened = open_backend(backend, resolver), open_bundle(bundle)
    document = bench(opened, bundle, chosen, threads, runs)
    document["live_view"] = live_view_cost(opened)
    emit(as_json, document, _report(document))


def live_view_cost(bundle: Bundle) -> dict[str, float]:
    """Return the processor time of a drawing of `run --live`, and its share of a core."""
    from rich.console import Console

    manifest, frames = bundle.manifest, bundle.golden().frames
    reader = AnswerReader(manifest)
    figures = LiveFigures([stage.name for stage in manifest.stages])
    console = Console(file=io.StringIO(), width=WIDTH, force_terminal=True)
    times = []
    with open_board("host") as board, Engine(bundle, board, keeps_scores=True) as engine:
        for second in range(SECONDS):
            figures.write(engine.infer(Frame(second, frames[second % len(frames)])))
            figures.power_w.add(second * 10**9, 3 + second % 7)
            begin_ns = time.thread_time_ns()
            console.print(live_picture(manifest.name, reader, figures, plain=False))
            times.append(time.thread_time_ns() - begin_ns)
    drawing_us = statistics.median(times) / 1000
    return {"drawing_us": drawing_us, "core_percent": drawing_us / EVERY_S / 10_000}


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
            *_sink_lines(document["sinks_us"]),
            f"live view           {_live_text(document['live_view'])}",
            f"memory              {document['memory_mib']:.0f} MiB at most (resident)",
            f"cold start          {time_text(document['cold_start_ms'] * 1000)} from a new process "
            "to the first answer",
            f"start-up            {_start_up_text(document['start_up_cpu_ms'])} (processor time)",
        ]
    )


def _sink_lines(added: dict[str, dict[str, float]]) -> list[str]:
    return [
        f"{('sink ' + name.replace('_', ' ')).ljust(20)}{figures['p50']:+.2f} us an inference "
        f"(median), p99 {figures['p99']:+.2f} us, frames back to back"
        for name, figures in added.items()
    ]


def _live_text(cost: dict[str, float]) -> str:
    return (
        f"{time_text(cost['drawing_us'])} of processor time a drawing, "
        f"{cost['core_percent']:.2f} % of a core at {1 / EVERY_S:g} a second"
    )


def _plan_text(quartiles: dict[str, float] | None, why_none: str) -> str:
    if quartiles is None:
        return f"none: {why_none}"
    return f"{quartiles['p50']:.2f} us, p95 {quartiles['p95']:.2f} us"


def _start_up_text(cpu_ms: dict[str, float]) -> str:
    said = {
        "import": "import edge_infer",
        "version": "--version",
        "help": "--help",
        "run_one_frame": "run of one frame",
    }
    return ", ".join(f"{text} {time_text(cpu_ms[key] * 1000)}" for key, text in said.items())

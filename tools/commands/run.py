"""`edge-infer run`: a bundle on a board, frames in, answers with their energy out."""

from collections.abc import Sized
from contextlib import ExitStack
from pathlib import Path

import click
from click.core import ParameterSource

from edge_infer.boards.closing import Closing
from edge_infer.boards.gpio import FORMS
from edge_infer.boards.registry import SIMULATED
from edge_infer.commands.budget_options import (
    battery_option,
    budget_uw,
    hours_option,
    power_budget_option,
)
from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.exit_codes import FAILURE, INTERRUPTED, OK
from edge_infer.commands.found_board import (
    board_option,
    board_to_open,
    shown_board,
    shown_policy,
)
from edge_infer.commands.options import (
    backend_option,
    ideal_option,
    json_option,
    operator_key_option,
    option,
    queue_option,
    resolver_option,
    threads_option,
)
from edge_infer.commands.quantities import RATE, Duration, Number
from edge_infer.commands.recording import Recording
from edge_infer.commands.render import warn
from edge_infer.commands.run_engine import Kernels, checked_labels, open_engine
from edge_infer.commands.run_loop import RunEnd, run_loop
from edge_infer.commands.run_options import PolicyText, RunPolicy, policy_help
from edge_infer.commands.run_report import run_report
from edge_infer.commands.sink_openers import RunNames, open_sinks
from edge_infer.commands.sink_options import SinkOptions, sink_options
from edge_infer.commands.source_options import (
    SourceOptions,
    has_own_clock,
    named_input,
    open_input,
    source_options,
)
from edge_infer.commands.steady_options import SteadyOptions, steady_options
from edge_infer.runtime.answers import MOST_TOLD, AnswerReader
from edge_infer.runtime.arrivals import BackToBack, Periodic
from edge_infer.runtime.event_loop import LONGEST_WAIT_NS, EventLoop
from edge_infer.runtime.first_answers import FirstAnswers
from edge_infer.runtime.frame_reader import LoopCounts
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.run_watch import RunWatch
from edge_infer.runtime.sinks.sink_set import STATE_EVERY_NS
from edge_infer.runtime.summary import RunSummary, run_document

METERED_DURATION_NS = 10_000_000_000
"""A meter of 1,000 samples a second needs some seconds of board time to see small inferences."""


@click.command("run", short_help="Answer frames with a bundle on a board.")
@click.argument("bundle")
@click.argument("input", required=False, type=str)
@board_option
@ideal_option
@option(
    "--policy",
    default="performance",
    show_default=True,
    type=PolicyText(),
    help=policy_help(),
)
@option("--rate", type=RATE, help="Frames per second.  [default: back to back]")
@option("--deadline", type=Duration(), help="Time from arrival to the due answer, as 20ms.")
@option(
    "--duration",
    type=Duration(),
    help="Repeat the input until this much board time has passed, and finish the pass; a camera or "
    "pipe ends then.  "
    "[default: one pass; 10s for a bundle's own samples on a board with a meter]",
)
@option(
    "--frames", type=click.IntRange(1, 10**12), help="Answer this many frames, repeating the input."
)
@queue_option
@backend_option
@resolver_option
@threads_option
@option(
    "--warmup",
    type=click.IntRange(0, 10**6),
    default=0,
    show_default=True,
    help="Run this many inferences first, which nothing counts.",
)
@option(
    "--ratio",
    default="1.0",
    show_default=True,
    help="Pruning ratio, as the bundle names it; nearest:0.6 for the nearest it has.",
)
@option(
    "--target", type=Duration(), help="Time of an answer that stable-latency keeps to, as 20ms."
)
@option(
    "--misses",
    type=Number(0, 1),
    default=0.01,
    show_default=True,
    help="Share of frames that planned policies may let miss their deadline.",
)
@option(
    "--loss",
    type=Number(0, 100),
    default=1.0,
    show_default=True,
    help="Percentage points that planned-joint may lose by pruning ratios, and planned-leaving by "
    "where it leaves, on average.",
)
@power_budget_option
@battery_option
@hours_option
@option(
    "--cost-table",
    type=click.Path(path_type=Path),
    help="Plan with a table that measure wrote.  [default: the board's model]",
)
@option("--source", "origin", help="The same as INPUT, for those who like names: camera.")
@source_options
@steady_options
@option(
    "--marker",
    help=f"GPIO line that is high while an inference runs, for an external meter: {FORMS}.",
)
@operator_key_option
@sink_options
@json_option
@click.pass_context
def run_command(
    ctx: click.Context,
    bundle: str,
    input: str | None,
    board: str,
    ideal: bool,
    policy: str,
    rate: float | None,
    deadline: int | None,
    duration: int | None,
    frames: int | None,
    queue: int,
    backend: str | None,
    resolver: str,
    threads: int,
    warmup: int,
    ratio: str,
    target: int | None,
    misses: float,
    loss: float,
    power_budget: int | None,
    battery: int | None,
    hours: float | None,
    cost_table: Path | None,
    origin: str | None,
    reading: SourceOptions,
    steady: SteadyOptions,
    marker: str | None,
    operator_key: Path | None,
    going: SinkOptions,
    as_json: bool,
) -> None:
    """Answer frames with a bundle on a board, and say what each answer cost.

    BUNDLE is a folder or the name of a bundle that ships with edge-infer. INPUT is an .npy, .npz
    or IDX file, an image, a folder of images (one subfolder a class) or of raw .bin files with
    y_labels.csv, a video, camera (camera:1, v4l2:/dev/video0), or - for frames on standard input
    (raw, Y4M, MJPEG); without it, the bundle's own samples.
    """
    going.refuse_mixed_output(as_json)
    board, opened = board_to_open(ctx, board), open_named_bundle(bundle)
    steady.check(opened)
    input = named_input(input, origin if input is None or _typed(ctx, "origin") else None)
    source = open_input(opened, input, reading, rate)
    arrivals = BackToBack() if rate is None else Periodic(rate)
    kernels = Kernels(backend, resolver, threads, ratio, warmup)
    watched = going.live and hours is None  # then a battery is no budget: its hours are shown
    budget = budget_uw(power_budget, None if watched else battery, hours)
    chosen = RunPolicy(policy, target, misses, loss, budget, cost_table)
    chosen.refuse(
        name for name in ctx.params if _typed(ctx, name) and not (watched and name == "battery")
    )
    with ExitStack() as stack:
        if isinstance(source, Closing):
            stack.enter_context(source)
        end, reader = RunEnd(), AnswerReader(opened.manifest, going.top)
        sinks = stack.enter_context(
            open_sinks(
                going,
                reader,
                end,
                RunNames(
                    opened.manifest,
                    shown_board(board),
                    shown_policy(board, policy),
                    battery,
                    frames or (None if input is None or duration else _length(source)),
                ),
                lines=going.answers and not as_json,
                frames_wait=_frames_wait(board, source, rate),
            )
        )
        place = open_engine(
            stack, opened, board, chosen, kernels, arrivals, deadline, marker, operator_key, ideal,
            sinks.sampled if sinks.wants_power else None,
        )  # fmt: skip
        engine = place.engine
        counts = LoopCounts()
        watch = RunWatch(
            opened.manifest,
            counts,
            in_order=not source.repeatable,
            exits_as_calibrated=place.exits_as_calibrated,
        )
        summary = RunSummary(engine.exit_names, place.overhead_table, place.overhead_known, watch)
        first = FirstAnswers(counts, None if going.answers and as_json else MOST_TOLD)
        recording = Recording(place, counts, summary, first, sinks, source)
        end.loop = loop = EventLoop(
            steady.around(engine, engine.timebase, opened),
            engine.timebase,
            source,
            BackToBack() if has_own_clock(source) else arrivals,
            recording.emit,
            drained=recording.drained,
            deadline_ns=deadline,
            queue_limit=queue,
            max_frames=frames,
            duration_ns=_duration(duration, input, place.metered),
            counts=counts,
            longest_wait_ns=STATE_EVERY_NS if sinks.wants_state else LONGEST_WAIT_NS,
        )
        failure = run_loop(loop, place.pass_time)
        recording.close(loop)
        document = run_document(
            place.identity,
            summary,
            engine.energy(),
            engine.residency_ns,
            loop.counts,
            deadline,
            source.skipped,
            interrupted=loop.stopping,
        )
        document |= {"calibration": place.calibration(), "input": source.document()}
        document |= steady.document(summary) | chosen.budget_document(document["energy"])
        told = [*(f"skipped: {line}" for line in source.skipped), *source.warnings()]
        verdict = checked_labels(watch, place, source, counts)
        document["labels_check"] = verdict.document()
        document["answers"] = recording.answers(reader)
        document["sinks"] = sinks.document()
        document["board_state"] = place.board_state()
    for line in (*told, *place.refusals(), *([verdict.text] if verdict.doubtful else ())):
        warn(line)
    if summary.inferences or failure is None:
        going.report(as_json, document, run_report(document))
        going.write_page(sinks, opened, source, document)
    if failure is not None:
        raise failure
    if end.reader_left:
        raise BrokenPipeError
    if any(one["error"] and one["dropped"] for one in document["sinks"]):
        ctx.exit(FAILURE)
    ctx.exit(INTERRUPTED if loop.stopping else OK)


def _frames_wait(board: str, source: Source, rate: float | None) -> bool:
    """Return whether a frame loses nothing by waiting: time stands still, or it is not due."""
    return board.startswith(SIMULATED) or (source.repeatable and rate is None)


def _typed(ctx: click.Context, name: str) -> bool:
    """Return True for what stands on the command line: a default of a file may be for others."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _duration(asked_ns: int | None, path: str | None, metered: bool) -> int:
    if asked_ns is not None:
        return asked_ns
    return METERED_DURATION_NS if path is None and metered else 0


def _length(source: Source) -> int | None:
    """Return how many frames a source has, None where nobody knows."""
    return len(source) if isinstance(source, Sized) else None

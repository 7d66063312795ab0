"""`edge-infer compare`: every policy on the same frames and arrivals, side by side."""

from pathlib import Path
from typing import Literal

import click

from edge_infer.boards.simulated.truth import DISTURBED, IDEAL
from edge_infer.commands.budget_options import (
    battery_option,
    budget_uw,
    hours_option,
    power_budget_option,
)
from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.compare_report import compare_report, save_plot
from edge_infer.commands.options import (
    Threads,
    backend_option,
    ideal_option,
    json_option,
    load_option,
    option,
    queue_option,
    replayed_option,
    resolver_option,
    sensitivity_option,
    static_option,
    time_scale_option,
)
from edge_infer.commands.quantities import RATE, SEED, Duration, Number
from edge_infer.commands.render import check_picture, emit, note, warn
from edge_infer.commands.run_options import PolicyText, policy_help
from edge_infer.commands.work_options import WorkOptions, work_options
from edge_infer.lab.comparison.comparison import NETS
from edge_infer.lab.comparison.comparison_document import compare
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.costs.board_costs import with_classic
from edge_infer.lab.replay.costs import Disturbance
from edge_infer.models_tflite.backend import open_backend
from edge_infer.runtime.stage_costs import measured_table


@click.command("compare", short_help="Compare policies on the same frames and arrivals.")
@click.argument("bundle")
@option("--board", default="sim:raspberry-pi-5", show_default=True, help="A simulated board.")
@ideal_option
@option(
    "--workload",
    default="periodic",
    show_default=True,
    help="Arrivals: back-to-back, periodic, poisson, bursty or trace:FILE (CSV, seconds).",
)
@load_option
@option("--rate", type=RATE, help="Arrival rate in frames per second, instead of a load.")
@option("--deadline", type=Duration(), help="Time from arrival to answer.  [default: mean gap]")
@replayed_option
@option(
    "--images",
    type=click.IntRange(2),
    default=2_000,
    show_default=True,
    help="Images to score, at most; the frames are drawn from them.",
)
@option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data set; its test side is used.  [default: the bundle's samples]",
)
@option(
    "--policy",
    "policies",
    type=PolicyText(),
    multiple=True,
    help=f"{policy_help()} Also {' and '.join(NETS)}: the net without exits, and at its best "
    "ratio. May be repeated.  [default: all]",
)
@option(
    "--misses",
    type=Number(0, 1),
    default=0.01,
    show_default=True,
    help="Share of frames that may miss their deadline.",
)
@option(
    "--threads",
    type=Threads(),
    default="1,2,4",
    show_default=True,
    help="Thread counts that policies may choose from.",
)
@time_scale_option
@option(
    "--late",
    type=click.Choice(["run", "drop"]),
    default="run",
    show_default=True,
    help="What to do with a frame that is past its deadline; it counts as missed.",
)
@queue_option
@option(
    "--slowdown",
    type=Number(0.25, 8),
    default=1.0,
    show_default=True,
    help="The board is that much slower than its cost table, from --disturb-at on.",
)
@option(
    "--cap", type=click.IntRange(1, 10**6), help="Highest clock in MHz given from --disturb-at on."
)
@option(
    "--disturb-at", type=click.IntRange(0, 10**9), help="Frame.  [default: a quarter of --frames]"
)
@option("--seed", type=SEED, default=0, show_default=True, help="Of the frames and arrivals.")
@option(
    "--loss",
    type=Number(0, 100),
    default=1.0,
    show_default=True,
    help="Percentage points that planned-joint and pruning may lose by ratios, and planned-leaving "
    "by where it leaves, on average.",
)
@option(
    "--target",
    type=Duration(),
    help="Time of an answer that stable-latency keeps to.  [default: the deadline]",
)
@static_option
@sensitivity_option
@option("--cost-table", type=click.Path(path_type=Path), help="A table that measure wrote.")
@option("--strict", is_flag=True, help="Fail if no operating point can meet the deadline.")
@option("--plot", type=click.Path(path_type=Path), help="Write a picture: .png, .svg or .pdf.")
@work_options
@power_budget_option
@battery_option
@hours_option
@backend_option
@resolver_option
@json_option
def compare_command(
    bundle: str,
    board: str,
    ideal: bool,
    workload: str,
    load: float,
    rate: float | None,
    deadline: int | None,
    frames: int,
    images: int,
    data: Path | None,
    policies: tuple[str, ...],
    misses: float,
    threads: tuple[int, ...],
    time_scale: float,
    late: Literal["run", "drop"],
    queue: int,
    slowdown: float,
    cap: int | None,
    disturb_at: int | None,
    seed: int,
    loss: float,
    target: int | None,
    static: tuple[str, ...],
    sensitivity: bool,
    cost_table: Path | None,
    strict: bool,
    plot: Path | None,
    work: WorkOptions,
    power_budget: int | None,
    battery: int | None,
    hours: float | None,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Compare policies on one board, with the same frames and the same arrivals for all.

    Every stage's scores are computed once and replayed; time and energy come from the board's
    cost table, switches and waits included. No frame that a predictor was fitted on is compared on.
    """
    check_picture(plot)
    opened, kernels = open_named_bundle(bundle), open_backend(backend, resolver)
    own_table = None
    if cost_table is not None:
        measured = measured_table(cost_table, opened, board, str(kernels.info))
        own_table = with_classic(measured, opened)
    conditions = Conditions(
        board, workload, load, rate, deadline, frames=frames, seed=seed, miss_bound=misses,
        threads=threads, time_scale=time_scale, late=late, queue=queue, strict=strict,
        budget_uw=budget_uw(power_budget, battery, hours), loss_points=loss,
        target_ns=target, disturbances=_disturbances(slowdown, cap, disturb_at, frames),
        truth=IDEAL if ideal else DISTURBED,
    )  # fmt: skip
    with work.open() as running:
        document = compare(
            opened, conditions, policies, data=data, images=images, backend=kernels,
            table=own_table, static=[open_named_bundle(name) for name in static] or None,
            sensitivity=sensitivity, progress=note, work=running,
        )  # fmt: skip
    for message in document["warnings"]:
        warn(message)
    if plot is not None:
        save_plot(document, plot)
    emit(as_json, document, compare_report(document))


def _disturbances(
    slowdown: float, cap_mhz: int | None, at: int | None, frames: int
) -> tuple[Disturbance, ...]:
    if slowdown == 1.0 and cap_mhz is None:
        if at is not None:
            raise click.UsageError("--disturb-at goes with --slowdown or --cap: what is to change?")
        return ()
    at = frames // 4 if at is None else at
    return (Disturbance(at, slowdown, None if cap_mhz is None else cap_mhz * 1000),)

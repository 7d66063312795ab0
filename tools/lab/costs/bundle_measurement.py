"""Measure what the stages of a bundle cost on a board, at each ratio, and a change of ratio."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.lab.costs.cost_measurement import CostMeasurement, Invoke
from edge_infer.lab.costs.visits import VisitLog
from edge_infer.lab.progress import Progress, silent
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.stage import LoadedStage, load_stages
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.exit_criterion import Criterion, exit_criteria
from edge_infer.runtime.ratio_loader import RatioLoader
from edge_infer.runtime.stage_costs import all_works, row_name, switch_work

Invokes = dict[tuple[str, int], Invoke]
"""By row of the cost table and threads."""
_USUAL_THREADS = 1, 2, 4


def measure_costs(
    bundle: Bundle,
    backend: Backend,
    board: Board,
    threads: Sequence[int] = (),
    progress: Progress = silent,
    log: VisitLog | None = None,
) -> CostTable:
    """Measure a cost table.

    Args:
        bundle: an open bundle.
        backend: its kernels; of a simulated board the simulation is measured, and nothing runs.
        board: open, with a clock; energies need a meter.
        threads: thread counts to try; 1, 2 and 4 as far as the board has cores if empty.
        progress: called with each round.
        log: notes the visits, and marks them for a meter outside.

    Raises:
        PolicyError: more threads than the board has cores.
        BusError: the meter fails for good.
    """
    measurement = _measurement(bundle, backend, board, threads, progress)
    if log is not None:
        measurement.log = log
    manifest = bundle.manifest
    return replace(
        measurement.run(),
        bundle=f"{manifest.name} {manifest.version}",
        backend=str(backend.info),
    )


def _measurement(
    bundle: Bundle, backend: Backend, board: Board, threads: Sequence[int], progress: Progress
) -> CostMeasurement:
    cpu = board.profile.cpu
    fit = [n for n in threads or _USUAL_THREADS if threads or cpu is None or n <= cpu.cores]
    if cpu is not None and max(fit) > cpu.cores:
        raise PolicyError(
            f"{board.name} has {cpu.cores} cores, too few for {max(fit)} threads: give fewer"
        )
    if board.simulated:
        return _of_simulation(bundle, board, fit, progress)
    invokes: Invokes = {}
    bare_ns: dict[tuple[str, int], Callable[[], int]] = {}
    for count in fit:
        for ratio in bundle.manifest.ratios:
            _add_stages(bundle, backend, board, ratio, count, invokes, bare_ns)
        if bundle.manifest.prunable is not None:
            name = switch_work(bundle.manifest, FULL_RATIO).name
            invokes[name, count] = _changing(bundle, backend, count)
            bare_ns[name, count] = lambda: 0

    def overhead_ns(stage: str, point: OperatingPoint, time_ns: float) -> int:
        return max(0, round(time_ns - bare_ns[stage, point.threads]()))

    return CostMeasurement(board, invokes, overhead_ns, progress=progress)


def _of_simulation(
    bundle: Bundle, board: Board, threads: Sequence[int], progress: Progress
) -> CostMeasurement:
    works = all_works(bundle)
    if bundle.manifest.prunable is not None:
        works = (*works, switch_work(bundle.manifest, FULL_RATIO))
    modelled = board.cost_table(works)
    assert modelled is not None  # every simulated board has one
    invokes = {(work.name, count): _spending(board, work) for count in threads for work in works}

    def overhead_ns(stage: str, point: OperatingPoint, time_ns: float) -> int:
        return modelled.row(stage, point).overhead_ns

    return CostMeasurement(board, invokes, overhead_ns, progress=progress)


def _spending(board: Board, work: Work) -> Invoke:
    def spend(point: OperatingPoint) -> None:
        board.spend(work, point)

    return spend


def _add_stages(
    bundle: Bundle,
    backend: Backend,
    board: Board,
    ratio: str,
    threads: int,
    invokes: Invokes,
    bare_ns: dict[tuple[str, int], Callable[[], int]],
) -> None:
    """Add the stages of a ratio: what runs each, and what times its invocation alone."""
    loaded = load_stages(bundle, backend, threads, ratio=ratio)
    inputs = _inputs(bundle, loaded)
    judges = exit_criteria(bundle.manifest, ratio)
    for index, stage in enumerate(loaded):
        row = row_name(bundle.manifest.stages[index].name, ratio), threads
        last = index == len(loaded) - 1
        invokes[row] = _running(stage, judges[index], inputs[index], last)
        bare_ns[row] = _bare(stage, board)


def _inputs(bundle: Bundle, loaded: list[LoadedStage]) -> list[Any]:
    """Return what each stage takes for the first golden vector."""
    frame = bundle.golden().frames[0]
    found: list[Any] = []
    handed: Any = ()
    for stage in loaded:
        inputs = handed if stage.prepare is None else stage.prepare(frame)
        found.append(inputs)
        stage.run(inputs)
        handed = stage.features()
    return found


def _running(stage: LoadedStage, judge: Criterion, inputs: Any, last: bool) -> Invoke:
    def run(point: OperatingPoint) -> None:
        judge(stage.run(inputs))
        if not last:
            stage.features()

    return run


def _changing(bundle: Bundle, backend: Backend, count: int) -> Invoke:
    """Return what a change of ratio does: to each ratio in turn, as the engine does it."""
    loader, ratios = RatioLoader(bundle, backend, (count,)), cycle(bundle.manifest.ratios)

    def change(point: OperatingPoint) -> None:
        loader.load(next(ratios))

    return change


def _bare(stage: LoadedStage, board: Board) -> Callable[[], int]:
    """Return a function that times the invocation alone, the best of a few."""

    def best() -> int:
        now_ns, times = board.timebase.now_ns, []
        for _ in range(20):
            begin_ns = now_ns()
            stage.interpreter.invoke()
            times.append(now_ns() - begin_ns)
        return min(times)

    return best

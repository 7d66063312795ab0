"""Frames run for real on the board itself, metered, beside what the model says of the same frames.

What every `reproduce PAPER --live` shares; which nets run, and what a paper claims of them, is the
paper's own module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from numpy.typing import NDArray

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_model import modelled_cost_table
from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import BoardProfile
from edge_infer.lab.costs.board_costs import bundle_works, net_cost
from edge_infer.lab.reproduce.paper import Better, claim
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.build import NO_EXITS, write_bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.board_watch import BoardWatch
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.records import Frame, InferenceRecord

FRAMES = 1000
"""Of each run, so that a meter of some hundred reads a second sees a good deal of it."""
DRAIN_EVERY = 32
WARMUP = 3


@dataclass(frozen=True)
class LiveRun:
    """One net under one policy, run for real."""

    name: str
    stages: Sequence[str]
    """Names of its stages' rows in a cost table, in order."""
    records: Sequence[InferenceRecord]
    totals: EnergyTotals | None
    warnings: Sequence[str]
    """What heat, a weak supply or another program did to the board meanwhile."""

    @property
    def time_us(self) -> float:
        """Mean time from the take-up of a frame to its answer."""
        return fmean(record.end_ns - record.start_ns for record in self.records) / 1000

    @property
    def net_uj(self) -> float | None:
        """Net energy of an inference, waits included; None where no meter saw it."""
        if self.totals is None or self.totals.origin not in ("measured", "simulated"):
            return None
        return self.totals.net_nj / len(self.records) / 1000

    @property
    def net_uncertainty_uj(self) -> float | None:
        """Half width of `net_uj` at about 95 %; None where nothing bounds it."""
        if self.net_uj is None or self.totals is None or self.totals.net_uncertainty_nj is None:
            return None
        return self.totals.net_uncertainty_nj / len(self.records) / 1000


def run_live(
    name: str,
    net: Bundle,
    board: Board,
    backend: Backend,
    data: Sequence[Any],
    stages: Sequence[str],
    *,
    policy: str | Governor = "performance",
    ratio: str = FULL_RATIO,
    period_ns: int | None = None,
    **options: Any,
) -> LiveRun:
    """Run frames through an engine of its own.

    Args:
        name: of the run.
        net: what runs.
        board: open.
        backend: its kernels.
        data: the frames, each as the first stage takes it.
        stages: names of the net's rows in a cost table.
        policy: as `Engine` takes it.
        ratio: the pruning ratio.
        period_ns: a frame arrives so often, due before the next, the board idle in between; one
            straight after the other, never due, if None.
        **options: for the policy.

    Raises:
        BoardError: clock or meter fail.
    """
    records: list[InferenceRecord] = []
    with Engine(net, board, policy=policy, ratio=ratio, backend=backend, warmup=WARMUP,
                **options) as engine:  # fmt: skip
        watch = BoardWatch(board, lambda: engine.asked_khz)
        begin_ns = board.timebase.now_ns()
        for index, frame in enumerate(data):
            if period_ns is None:
                records.append(engine.infer(Frame(index, frame, board.timebase.now_ns())))
            else:
                at_ns = begin_ns + index * period_ns
                board.timebase.sleep_until_ns(at_ns)
                records.append(engine.infer(Frame(index, frame, at_ns, at_ns + period_ns)))
                engine.rest()
            if index % DRAIN_EVERY == 0:
                watch.look(board.timebase.now_ns())
                engine.drain()
        if period_ns is not None:
            board.timebase.sleep_until_ns(begin_ns + len(data) * period_ns)
        engine.finish()
        return LiveRun(name, stages, records, engine.energy(), watch.warnings())


def live_model(
    bundle: Bundle, board: Board, profile: BoardProfile | None
) -> tuple[CostTable | None, list[str]]:
    """Return what the model says of the bundle on the board, or why it says nothing."""
    works, clocks = bundle_works(bundle), board.clock.supported_khz()
    if profile is None:
        table = board.cost_table(works)
        lacks = f"{board.name} has no model: --profile takes the one of boards survey"
        return table, [] if table is not None else [lacks]
    if not all(clocks):
        return None, [f"{board.name} does not tell its clock: the model of a profile needs it"]
    try:
        return modelled_cost_table(profile, works, board.name, (1,), clocks), []
    except ProfileError as error:
        return None, [str(error)]


def live_frames(bundle: Bundle, count: int) -> list[Any]:
    """Return the bundle's samples in turn, or its golden vectors where it carries none."""
    samples = bundle.samples()
    return in_turn(bundle.golden().frames if samples is None else samples[0], count)


def in_turn(found: Sequence[Any] | NDArray[Any], count: int) -> list[Any]:
    """Return so many, from the start again where there are fewer."""
    return [found[index % len(found)] for index in range(count)]


def plain_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write the last exit's net alone, at full width, as a bundle of one stage; return it."""
    draft = replace(
        redraft(bundle), calibration=None, kinds=("single",), stages=[plain_net(bundle)],
        thresholds={FULL_RATIO: NO_EXITS}, predictor=None, ratios=(FULL_RATIO,),
    )  # fmt: skip
    return write_bundle(folder / "plain", draft)


def live_part(
    board: Board, frames: int, model: str | None, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the document's part `live`.

    Args:
        board: that it ran on.
        frames: of each run.
        model: name of the profile that the model is made from, None without a model.
        rows: of `live_row`, with what else a paper says of a run.
    """
    return {
        "board": board.name,
        "simulated": board.simulated,
        "frames": frames,
        "model": model,
        "rows": list(rows),
    }


def live_row(run: LiveRun, table: CostTable | None) -> dict[str, Any]:
    """Return a run beside what the model says of it."""
    modelled = None if table is None else _modelled(run, table)
    return {
        "what": run.name,
        "inferences": len(run.records),
        "time_us": run.time_us,
        "model_time_us": None if modelled is None else modelled[0],
        "net_uj": run.net_uj,
        "net_uncertainty_uj": run.net_uncertainty_uj,
        "model_net_uj": None if modelled is None else modelled[1],
        "origin": None if run.totals is None else run.totals.origin,
    }


def _modelled(run: LiveRun, table: CostTable) -> tuple[float, float] | None:
    """Return the model's mean time in us and net energy in uJ, at the same exits and points.

    None where the table has no row of a clock that ran. Changes of clock are in neither.
    """
    costs = [key for r in run.records for key in zip(run.stages, r.points, strict=False)]
    if not all(key in table.rows for key in costs):
        return None
    rows = [net_cost(table.rows[key], table.idle_reference_uw) for key in costs]
    count = len(run.records) * 1000
    return sum(row.time_ns for row in rows) / count, sum(row.energy_nj for row in rows) / count


def clock_origin(board: Board) -> str:
    """Return the origin of what needs no meter: times, answers, misses."""
    return "simulated" if board.simulated else "measured"


def saving_claim(
    name: str, board: Board, ours: LiveRun, rival: LiveRun,
    claimed: tuple[float | None, str, Better], **conditions: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the claim on a run's saving of a rival's net energy; none where no meter saw both."""
    mine, theirs, totals = ours.net_uj, rival.net_uj, ours.totals
    if mine is None or theirs is None or totals is None or theirs <= 0:
        return []
    value, unit, better = claimed
    saving = 100 * (1 - mine / theirs)
    return [claim(name, board.name, value, saving, unit, better, totals.origin, None,
                  **conditions)]  # fmt: skip


def run_warnings(runs: Sequence[LiveRun]) -> list[str]:
    """Return what went wrong with the board in runs, and whether no meter saw any."""
    found = list(dict.fromkeys(f"{run.name}: {text}" for run in runs for text in run.warnings))
    if all(run.net_uj is None for run in runs):
        found.append("no meter saw these runs: times alone, and no claim on energy")
    return found

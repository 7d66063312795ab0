"""EENet's figures on the board itself: the same frames run for real, metered, beside the model's.

Periodic frames, deadline = period, as in `eenet`. The classic net runs as a bundle of its own, at
the top clock; its measured time sets the period.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_model import modelled_cost_table
from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import BoardProfile
from edge_infer.lab.costs.board_costs import CLASSIC, bundle_works, net_cost
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.eenet import CLAIMED
from edge_infer.lab.reproduce.paper import claim
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.build import NO_EXITS, write_bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.records import Frame, InferenceRecord

PACED = 30
"""Classic inferences that the period is taken from."""
EARLY, PLANNED = "early exit", "planned"
DRAIN_EVERY = 32


@dataclass(frozen=True)
class LiveRun:
    """One net under one policy, run for real."""

    name: str
    records: Sequence[InferenceRecord]
    totals: EnergyTotals | None

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


def live_eenet(
    bundle: Bundle,
    board: Board,
    backend: Backend,
    *,
    frames: int = 300,
    load: float = 0.6,
    profile: BoardProfile | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the document of `reproduce eenet --live --json`.

    Args:
        bundle: with early exits.
        board: open.
        backend: its kernels.
        frames: to run under each policy: the bundle's samples in turn, or its golden vectors.
        load: arrival rate as a share of what the classic net does at the top clock.
        profile: what the model is made from; the board's own profile if None.
        progress: called with what runs.

    Raises:
        InputError: the bundle has no early exits.
        BoardError: clock or meter fail.
    """
    if len(bundle.manifest.stages) < 2:
        raise InputError(f"{bundle.manifest.name} is one net without early exits: give another")
    table, warnings = _model(bundle, board, profile)
    data = _frames(bundle, frames)
    with tempfile.TemporaryDirectory() as folder:
        plain = _plain(bundle, Path(folder))
        progress("the classic net sets the period")
        period_ns = round(_classic_ns(plain, board, backend, data) / load)
        runs = {}
        for name, net, policy in ((CLASSIC, plain, "performance"), (EARLY, bundle, "performance"),
                                  (PLANNED, bundle, "planned")):  # fmt: skip
            if policy == "planned" and (table is None or len(board.clock.supported_khz()) < 2):
                warnings.append("planned was not run: it needs a cost model and several clocks")
                continue
            progress(f"{name}: {frames} frames")
            runs[name] = _run(name, net, board, backend, data, period_ns, policy, table)
    if all(run.net_uj is None for run in runs.values()):
        warnings.append("no meter saw these runs: times alone, and no claim on energy")
    return {
        "paper": "EENet, DAC 2023",
        "bundle": bundle.manifest.name,
        "static": [],
        "claims": _claims(runs, board, load),
        "warnings": warnings,
        "live": {
            "board": board.name,
            "simulated": board.simulated,
            "frames": frames,
            "period_us": period_ns / 1000,
            "model": None if table is None else (profile or board.profile).name,
            "rows": [_row(run, bundle, table) for run in runs.values()],
        },
    }


def _model(
    bundle: Bundle, board: Board, profile: BoardProfile | None
) -> tuple[CostTable | None, list[str]]:
    """Return what the model says of the bundle on the board, or why it says nothing."""
    works, clocks = bundle_works(bundle), board.clock.supported_khz()
    if profile is None:
        table = board.cost_table(works)
        lacks = f"{board.name} has no model: --profile takes the one of boards survey"
        return table, [] if table is not None else [lacks]
    try:
        return modelled_cost_table(profile, works, board.name, (1,), clocks), []
    except ProfileError as error:
        return None, [str(error)]


def _frames(bundle: Bundle, count: int) -> list[Any]:
    samples = bundle.samples()
    found = list(bundle.golden().frames) if samples is None else list(samples[0])
    return [found[index % len(found)] for index in range(count)]


def _plain(bundle: Bundle, folder: Path) -> Bundle:
    draft = replace(
        redraft(bundle), calibration=None, kinds=("single",), stages=[plain_net(bundle)],
        thresholds={FULL_RATIO: NO_EXITS}, predictor=None, ratios=(FULL_RATIO,),
    )  # fmt: skip
    return write_bundle(folder / "plain", draft)


def _classic_ns(plain: Bundle, board: Board, backend: Backend, data: Sequence[Any]) -> float:
    with Engine(plain, board, backend=backend, warmup=3) as engine:
        records = [engine.infer(frame) for frame in islice(data, PACED)]
    return fmean(record.end_ns - record.start_ns for record in records)


def _run(
    name: str, net: Bundle, board: Board, backend: Backend, data: Sequence[Any], period_ns: int,
    policy: str, table: CostTable | None,
) -> LiveRun:  # fmt: skip
    """Run frames as they arrive, the board idle in between."""
    options: dict[str, Any] = {}
    if policy == "planned":
        options = {"deadline_ns": period_ns, "arrivals": Periodic(1e9 / period_ns)}
        options |= {"cost_table": table}
    records: list[InferenceRecord] = []
    with Engine(net, board, policy=policy, backend=backend, warmup=3, **options) as engine:
        begin_ns = board.timebase.now_ns()
        for index, frame in enumerate(data):
            at_ns = begin_ns + index * period_ns
            board.timebase.sleep_until_ns(at_ns)
            records.append(engine.infer(Frame(index, frame, at_ns, at_ns + period_ns)))
            engine.rest()
            if index % DRAIN_EVERY == 0:
                engine.drain()
        board.timebase.sleep_until_ns(begin_ns + len(data) * period_ns)
        engine.finish()
        return LiveRun(name, records, engine.energy())


def _claims(runs: Mapping[str, LiveRun], board: Board, load: float) -> list[dict[str, Any]]:
    best = runs.get(PLANNED, runs[EARLY])
    pairs = {"net_saving_vs_classic_percent": runs[CLASSIC]}
    if PLANNED in runs:
        pairs["net_saving_vs_early_exit_percent"] = runs[EARLY]
    found = []
    for name, rival in pairs.items():
        ours, theirs, totals = best.net_uj, rival.net_uj, best.totals
        if ours is None or theirs is None or totals is None or theirs <= 0:
            continue
        claimed, unit, better = CLAIMED[name]
        saving = 100 * (1 - ours / theirs)
        found.append(
            claim(
                name,
                board.name,
                claimed,
                saving,
                unit,
                better,
                totals.origin,
                load=load,
                time_scale=1.0,
            )
        )
    missed = 100 * fmean(record.missed for record in best.records)
    claimed, unit, better = CLAIMED["deadline_misses_percent"]
    origin = "simulated" if board.simulated else "measured"
    found.append(claim("deadline_misses_percent", board.name, claimed, missed, unit, better,
                       origin, load=load, time_scale=1.0))  # fmt: skip
    return found


def _row(run: LiveRun, bundle: Bundle, table: CostTable | None) -> dict[str, Any]:
    totals = run.totals
    modelled = None if table is None else _modelled(run, bundle, table)
    uncertainty = None if run.net_uj is None or totals is None else totals.net_uncertainty_nj
    return {
        "what": run.name,
        "inferences": len(run.records),
        "time_us": run.time_us,
        "model_time_us": None if modelled is None else modelled[0],
        "net_uj": run.net_uj,
        "net_uncertainty_uj": None
        if uncertainty is None
        else uncertainty / len(run.records) / 1000,
        "model_net_uj": None if modelled is None else modelled[1],
        "misses_percent": 100 * fmean(record.missed for record in run.records),
        "origin": None if totals is None else totals.origin,
    }


def _modelled(run: LiveRun, bundle: Bundle, table: CostTable) -> tuple[float, float] | None:
    """Return the model's mean time in us and net energy in uJ, at the same exits and points.

    None where the table has no row of a clock that ran. Changes of clock are in neither.
    """
    stages = [stage.name for stage in bundle.manifest.stages]
    names = [CLASSIC] if run.name == CLASSIC else stages
    costs = [key for r in run.records for key in zip(names, r.points, strict=False)]
    if not all(key in table.rows for key in costs):
        return None
    rows = [net_cost(table.rows[key], table.idle_reference_uw) for key in costs]
    count = len(run.records) * 1000
    return sum(row.time_ns for row in rows) / count, sum(row.energy_nj for row in rows) / count

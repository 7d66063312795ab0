"""What a comparison came to, as one document (schemas/compare.schema.json)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.simulated.truth import IDEAL
from edge_infer.lab.comparison.comparison import CLASSIC_POLICY, NETS, Comparison
from edge_infer.lab.comparison.comparison_frames import (
    ComparisonFrames,
    read_frames,
    read_ratios,
    read_static,
)
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.comparison.replays import PRUNING, PrunedNet
from edge_infer.lab.comparison.sensitivity import all_intervals
from edge_infer.lab.comparison.static_nets import StaticNet, static_nets
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.errors import InputError, RunError
from edge_infer.runtime.policies.policy import find_policy

SETTLING, SETTLED = 50, 2000
"""Frames after a disturbance in which a policy may find its way, and those after them."""


BY_RATIO = ("planned-joint", PRUNING, "stable-latency")
"""Policies, up to a colon, that frames are scored at every ratio for."""


def compare(
    bundle: Bundle,
    conditions: Conditions,
    policies: Sequence[str] = (),
    *,
    data: Path | None = None,
    images: int = 2_000,
    backend: Backend | None = None,
    table: CostTable | None = None,
    static: Sequence[Bundle] | None = None,
    sensitivity: bool = False,
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> dict[str, Any]:
    """Compare policies on one board, with the same frames and the same arrivals for all.

    Every stage's scores are computed once and replayed; time and energy come from the board's cost
    table, switches and waits included. No frame that a predictor was fitted on is compared on.

    Args:
        bundle: an open bundle.
        conditions: of board and workload, and what may be lost.
        policies: as `edge-infer compare` takes them; all there are if none is named.
        data: folder of a data set, whose test side is used; the bundle's samples if None.
        images: to score, at most; frames are drawn from them.
        backend: the platform's default if None.
        table: measured costs, with the classic net (`with_classic`); the board's model if None.
        static: also what static nets come to: this bundle's exits alone, and these bundles' at all
            their ratios. None for none.
        sensitivity: also how far the figures hang on those that nobody settled.
        progress: called with what is scored and replayed.
        work: runs the policies, and the boards of the sensitivity.

    Returns:
        What `edge-infer compare --json` prints (schemas/compare.schema.json).

    Raises:
        RunError: there are no frames, the conditions contradict each other or do not fit.
        PolicyError: a policy is unknown, or something that it needs is not known here.
        BoardError: the board is unknown.
    """
    kernels = backend or open_backend()
    scored = read_frames(bundle, kernels, data, images, FULL_RATIO, progress, work)
    narrower = {}
    if not policies or any(policy.partition(":")[0] in BY_RATIO for policy in policies):
        narrower = read_ratios(bundle, kernels, data, images, progress, work)
    if table is not None and (static is not None or sensitivity):
        raise RunError(
            "a measured cost table is of this bundle alone, as it is: static nets and "
            "--sensitivity need a simulated board's model; leave --cost-table out"
        )
    nets = []
    if static is not None:
        nets = read_statics(bundle, scored, static, kernels, data, images, progress, work)
    comparison = Comparison(bundle, scored, conditions, table, narrower, progress, statics=nets)
    chosen = policies or comparison.policies()
    document = compare_document(comparison, comparison.run(chosen, work))
    if sensitivity:
        document["sensitivity"] = _sensitivity(comparison, chosen, work)
    return document


def read_statics(
    bundle: Bundle,
    scored: ComparisonFrames,
    others: Sequence[Bundle],
    backend: Backend,
    data: Path | None,
    images: int,
    progress: Progress,
    work: CellRunner = IN_PROCESS,
) -> list[StaticNet]:
    """Return a bundle's own exits alone, and other bundles' nets at all their ratios.

    Raises:
        InputError: the frames have no labels, or another bundle has other classes.
    """
    if scored.frames.labels is None:
        raise InputError("static nets are compared by accuracy: the frames have no labels")
    nets = static_nets(bundle, scored.frames, FULL_RATIO, bundle.manifest.name)
    for other in others:
        for ratio in other.manifest.ratios:
            frames = read_static(bundle, other, backend, data, images, ratio, progress, work)
            nets += static_nets(other, frames, ratio, other.manifest.name)
    return nets


def _sensitivity(
    comparison: Comparison, policies: Sequence[str], work: CellRunner
) -> list[dict[str, Any]]:
    """Return the interval of each policy's saving against the classic net."""
    names = (CLASSIC_POLICY, *(p for p in policies if p != CLASSIC_POLICY))
    profile = load_profile(comparison.conditions.board.removeprefix("sim:"))
    found = all_intervals(
        lambda boards: work.map(_savings, comparison, [(b, names) for b in boards], "boards"),
        profile,
    )
    return [{"policy": name, **interval} for name, interval in found.items()]


def _savings(
    comparison: Comparison, cell: tuple[BoardProfile, tuple[str, ...]]
) -> dict[str, float]:
    """Return what policies save against the classic net on a board with other figures, in %."""
    profile, names = cell
    results = {r.policy: r.net_nj for r in comparison.on(profile).run(names)}
    classic = results.pop(CLASSIC_POLICY)
    return {policy: 100 * (1 - nj / classic) for policy, nj in results.items()}


def compare_document(comparison: Comparison, results: Sequence[ReplayResult]) -> dict[str, Any]:
    """Return everything about a comparison as plain values."""
    conditions = comparison.conditions
    by_name = {result.policy: result for result in results}
    classic, oracle = by_name.get(CLASSIC_POLICY), by_name.get("oracle")
    rows = [_row(comparison, result, classic, oracle) for result in results]
    best = best_row(rows, "baseline")
    best_fixed = best_row([r for r in rows if r["policy"].startswith(FIXED)], "baseline")
    return {
        "bundle": comparison.bundle.manifest.name,
        "board": conditions.board,
        "simulated": comparison.table.board.startswith("sim:"),
        "ideal": conditions.truth == IDEAL,
        "origin": energy_origin(comparison),
        "notes": list(comparison.table.notes),
        "warnings": comparison.warnings,
        "workload": {
            "name": conditions.workload,
            "rate_hz": comparison.rate_hz,
            "load": comparison.classic_ns / comparison.period_ns,
            "frames": conditions.frames,
            "late": conditions.late,
            "queue": conditions.queue,
            "seed": conditions.seed,
        },
        "deadline_us": comparison.deadline_ns / 1000,
        "miss_bound": conditions.miss_bound,
        "time_scale": conditions.time_scale,
        "threads": sorted({point.threads for point in comparison.points}),
        "frames_from": comparison.scored.source,
        "input": dict(comparison.scored.read),
        "fitted_on": comparison.scored.fitted_on,
        "idle_reference_mw": comparison.table.idle_reference_uw / 1000,
        "policies": rows,
        "best_baseline": best and best["policy"],
        "best_fixed": best_fixed and best_fixed["policy"],
        "best_fixed_over_oracle": best_fixed and best_fixed["over_oracle"],
        "best_pruned": comparison.pruned and _pruned(comparison.pruned),
        "disturbed_at": comparison.disturbed_at,
        "calibration": comparison.states,
        "static": _static(comparison, by_name),
    }


def _static(comparison: Comparison, results: Mapping[str, ReplayResult]) -> dict[str, Any] | None:
    """Return what the static nets come to, and what `planned` saves against the best of them."""
    document = comparison.static()
    if document is None:
        return None
    planned = results.get("planned")
    for kind in ("best", "best_equal_estimate"):
        best = document[kind]
        if best is not None:
            ours = planned and _saving(planned.net_nj_per_inference, 1e3 * best["net_uj"])
            document[kind] = {**best, "planned_saves_percent": ours}
    return document


FIXED = ("fixed:", "performance", "powersave")
"""How the names of policies with one operating point begin."""


def best_row(rows: Sequence[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    """Return the row of least net energy of a kind that keeps the bound on misses."""
    fit = [row for row in rows if row["kind"] == kind and row["meets_bound"]]
    return min(fit, key=lambda row: float(row["net_uj_per_inference"]), default=None)


def _row(
    comparison: Comparison,
    result: ReplayResult,
    classic: ReplayResult | None,
    oracle: ReplayResult | None,
) -> dict[str, Any]:
    net_nj, latency = result.net_nj_per_inference, result.latency_us
    answered = result.answered
    p50, p99 = np.percentile(latency, (50, 99)) if answered else (None, None)
    return {
        "policy": result.policy,
        "kind": _kind(result.policy),
        "net_uj_per_inference": net_nj / 1000,
        "gross_uj_per_inference": result.gross_nj / answered / 1000 if answered else None,
        "net_saving_percent": _saving(net_nj, classic.net_nj_per_inference if classic else None),
        "gross_saving_percent": _saving(result.gross_nj, classic.gross_nj if classic else None),
        "misses": result.misses,
        "dropped": result.dropped,
        "miss_percent": 100 * result.miss_rate,
        "meets_bound": result.miss_rate <= comparison.conditions.miss_bound,
        "latency_us": {
            "p50": None if p50 is None else float(p50),
            "p99": None if p99 is None else float(p99),
        },
        "switches": result.switches,
        "ratio_switches": result.ratio_switches,
        "ratios": dict(sorted(result.ratios.items(), reverse=True)),
        "accuracy": None if result.correct is None or not answered else result.correct / answered,
        "exits": result.exits,
        "over_oracle": None if oracle is None else net_nj / oracle.net_nj_per_inference,
        "after_disturbance": _after(result, comparison.disturbed_at),
        "frequency_residency": {
            str(khz): ns / result.wall_ns for khz, ns in sorted(result.residency_ns.items())
        },
    }


def _pruned(net: PrunedNet) -> dict[str, Any]:
    point = net.point
    return {"ratio": net.ratio, "clock_khz": point.clock_khz, "threads": point.threads}


def _after(result: ReplayResult, frame: int | None) -> dict[str, Any] | None:
    """Return the misses while a policy finds its way after a disturbance, and from then on."""
    if frame is None:
        return None
    settling = result.missed[frame : frame + SETTLING]
    settled = result.missed[frame + SETTLING : frame + SETTLING + SETTLED]
    return {
        "settling_misses": sum(settling),
        "settled_frames": len(settled),
        "settled_miss_percent": 100 * sum(settled) / len(settled) if settled else None,
    }


def energy_origin(comparison: Comparison) -> str:
    """Say what the energies rest on: the weakest of what the table's rows rest on."""
    if comparison.table.synthetic:
        return "synthetic"
    return comparison.table.switch.origin if comparison.table.bundle else "modelled"


def _kind(policy: str) -> str:
    if policy == CLASSIC_POLICY:
        return "classic"
    if policy in NETS:
        return "baseline"
    return find_policy(policy)[0].kind


def _saving(nj: float, of_nj: float | None) -> float | None:
    return 100 * (1 - nj / of_nj) if of_nj else None

"""The two figures of EENet (DAC 2023) beside ours, on every board; what each part earns.

The paper's body was not at hand: 63.8 % saved against the classic net and 21.5 % against early
exit are from its abstract, 72.9 % is its sibling's (Predictive Exit, AAAI 2023). Its board, load
and deadlines are not known; ours are stated: periodic frames, deadline = period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.simulated.truth import DISTURBED, IDEAL
from edge_infer.lab.comparison.comparison import CLASSIC_POLICY, Comparison
from edge_infer.lab.comparison.comparison_document import (
    FIXED,
    best_row,
    compare_document,
    energy_origin,
    read_statics,
)
from edge_infer.lab.comparison.comparison_frames import ComparisonFrames, read_frames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.comparison.sensitivity import all_intervals, moved_to
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.replay.costs import Disturbance
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.reproduce.eenet_grid import Pair, grid_cells
from edge_infer.lab.reproduce.paper import Better, claim, simulated_boards
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle, open_bundle, shipped_names
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.errors import InputError

POLICIES = (CLASSIC_POLICY, "performance", "powersave", "planned-blind", "planned", "oracle")
STEPS = (
    (CLASSIC_POLICY, "classic net, top clock", False),
    ("performance", "+ early exit", False),
    ("best fixed", "+ one clock, chosen in hindsight", False),
    ("planned-blind", "+ a clock for each stage", False),
    ("planned", "+ exit prediction", False),
    ("planned", "+ threads", True),
    ("planned-perfect", "with a perfect predictor", True),
    ("oracle", "oracle", True),
)
"""Policy, words, and whether thread counts are free."""
THREADS = (1, 2, 4)
SLOWER = 1.25
"""Times those of the cost table: the board on which feedback is judged."""
FEEDBACK = (
    ("planned-uncalibrated", "board 25 % slower, uncalibrated"),
    ("planned", "+ calibration"),
)


TRUTH = replace(IDEAL, jitter=DISTURBED.jitter, tail=DISTURBED.tail)
"""Behind the boards: times of single invocations scatter and are held up as on a real board, since
a deadline that fits by microseconds is none. What a board is off by as a whole is left to the
ranges of `sensitivity`, not to one draw."""
LOADS = (0.3, 0.45, 0.6, 0.75, 0.9, 0.95)
"""Of a sweep."""
CLAIMED: dict[str, tuple[float | None, str, Better]] = {
    "net_saving_vs_classic_percent": (63.8, "%", "higher"),
    "net_saving_vs_early_exit_percent": (21.5, "%", "higher"),
    "deadline_misses_percent": (1.0, "%", "lower"),
    "net_energy_vs_oracle": (1.05, "", "lower"),
    "accuracy_loss_points": (1.0, "points", "lower"),
    "accuracy_images": (None, "images", "higher"),
    "net_saving_vs_classic_best_clock_percent": (None, "%", "higher"),
    "net_saving_vs_best_static_percent": (None, "%", "higher"),
    "net_saving_vs_static_of_equal_estimate_percent": (None, "%", "higher"),
    "net_saving_by_prediction_percent": (None, "%", "higher"),
    "net_saving_vs_powersave_early_exit_percent": (None, "%", "higher"),
    "powersave_early_exit_misses_percent": (None, "%", "lower"),
    "gross_saving_vs_classic_percent": (None, "%", "higher"),
    "gross_saving_vs_early_exit_percent": (None, "%", "higher"),
}
"""By id: what the paper claims (or the project asks for), its unit, and on which side it is met."""
OF_ACCURACY = ("accuracy_loss_points", "accuracy_images")
"""What no figure of a board moves."""


def reproduce_eenet(
    bundle: Bundle,
    data: Path | None = None,
    boards: Sequence[str] = (),
    *,
    load: float = 0.6,
    sweep: bool = False,
    frames: int = 20_000,
    images: int = 5_000,
    threads: tuple[int, ...] = (1,),
    time_scale: float = 1.0,
    static: Sequence[Bundle] | None = None,
    sensitivity: bool = False,
    ideal: bool = False,
    ablation: bool = False,
    grid: Sequence[Bundle] | None = None,
    backend: Backend | None = None,
    progress: Progress = silent,
    work: CellRunner = IN_PROCESS,
) -> dict[str, Any]:
    """Return the document of `reproduce eenet --json` (schema of that name).

    Args:
        bundle: with early exits.
        data: folder of the data sets; the bundle's samples if None.
        boards: names of boards with a cost table; every simulated one if empty.
        load: arrival rate as a share of what the classic net can do at the top clock.
        sweep: all of `LOADS` instead.
        frames: to replay.
        images: to score, at most; half of them are compared on.
        threads: thread counts that policies may choose from.
        time_scale: stage times and energies times this: synthetic.
        static: rivals beside the bundle's own exits alone; the single nets that ship with the same
            classes if None.
        sensitivity: also how far each figure hangs on figures of the board that nobody settled.
        ideal: boards take to the nanosecond what their tables say.
        ablation: also what each part of the governor earns.
        grid: also every board, workload and deadline; of these bundles too, on their own samples
            if they have any. None for no grid.
        backend: to run the stages with; the default if None.
        progress: called with what is scored.
        work: runs boards, loads and cells.

    Raises:
        RunError: there are no frames, or a board offers none of the threads.
        InputError: the bundle has no early exits.
        SourceMissingError: there is no such folder.
    """
    if len(bundle.manifest.stages) < 2:
        raise InputError(f"{bundle.manifest.name} is one net without early exits: give another")
    kernels, names = backend or open_backend(), boards or simulated_boards()
    main = bundle, read_frames(bundle, kernels, data, images, FULL_RATIO, progress, work)
    others = rivals(bundle) if static is None else static
    nets = read_statics(*main, others, kernels, data, images, progress, work)
    document: dict[str, Any] = {
        "paper": "EENet, DAC 2023",
        "bundle": bundle.manifest.name,
        "static": [net.name for net in nets],
        "claims": [],
        "warnings": [],
    }
    conditions = [
        Conditions(
            name, load=each, frames=frames, threads=threads, time_scale=time_scale,
            truth=IDEAL if ideal else TRUTH,
        )
        for name in names
        for each in (LOADS if sweep else (load,))
    ]  # fmt: skip
    ours = (*main, nets)
    told = work.map(board_figures, ours, conditions, "boards and loads")
    for each, (figures, origin, warnings) in zip(conditions, told, strict=True):
        moved = _moved(ours, each, figures, work) if sensitivity else {}
        document["claims"] += _claims(each, figures, origin, moved)
        document["warnings"] += warnings
    if ablation:
        cells = [
            Conditions(name, load=load, frames=frames, threads=threads, time_scale=time_scale)
            for name in names
        ]
        rows = work.map(_ablation_rows, main, cells, "boards, part by part")
        document["ablation"] = [row for board in rows for row in board]
    if grid is not None:
        pairs: list[Pair] = [ours]
        for other in grid:
            own = data if other.samples() is None else None
            scored = read_frames(other, kernels, own, images, FULL_RATIO, progress, work)
            rival = read_statics(other, scored, rivals(other), kernels, own, images, progress, work)
            pairs.append((other, scored, rival))
        document["grid"] = grid_cells(pairs, names, time_scale, work)
    return document


def rivals(bundle: Bundle) -> list[Bundle]:
    """Return the plain nets that ship with the same classes as a bundle."""
    shipped = [open_bundle(name) for name in shipped_names()]
    classes = set(bundle.manifest.labels)
    return [
        other
        for other in shipped
        if "single" in other.manifest.kinds
        and set(other.manifest.labels) == classes
        and other.manifest.name != bundle.manifest.name
    ]


def board_figures(ours: Pair, conditions: Conditions) -> tuple[dict[str, float], str, list[str]]:
    """Return the figures of one board and load, where they are from, and what is odd."""
    bundle, frames, nets = ours
    comparison = Comparison(bundle, frames, conditions, statics=nets)
    figures = _figures(comparison)
    return figures, energy_origin(comparison), comparison.warnings


def _moved(
    ours: Pair, conditions: Conditions, figures: Mapping[str, float], work: CellRunner
) -> dict[str, dict[str, Any]]:
    """Return how far each figure hangs on figures of the board that nobody settled."""
    bundle, frames, nets = ours
    comparison = Comparison(bundle, frames, conditions, statics=nets)
    profile = load_profile(conditions.board.removeprefix("sim:"))
    found = all_intervals(
        lambda boards: work.map(figures_on, comparison, boards, f"boards as {conditions.board}"),
        profile,
    )
    # Over fewer frames a figure is another one; how far it moves is what counts.
    return {name: moved_to(figures[name], found[name]) for name in found if name in figures}


def figures_on(comparison: Comparison, profile: BoardProfile) -> dict[str, float]:
    """Return the figures on a board with other figures."""
    return _figures(comparison.on(profile))


def _claims(
    conditions: Conditions, figures: Mapping[str, float], origin: str,
    moved: Mapping[str, dict[str, Any]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the claims for one board and load."""
    return [
        claim(
            name, conditions.board, claimed, figures[name], unit, better,
            "measured" if name in OF_ACCURACY else origin,
            None if name in OF_ACCURACY else moved.get(name),
            load=conditions.load or 0.0, time_scale=conditions.time_scale,
        )
        for name, (claimed, unit, better) in CLAIMED.items()
        if name in figures
    ]  # fmt: skip


def _figures(comparison: Comparison) -> dict[str, float]:
    """Return every figure by its id; those without a rival that keeps the bound are left out."""
    results = {result.policy: result for result in comparison.run(POLICIES)}
    ours, classic = results["planned"], results[CLASSIC_POLICY]
    early_exit, powersave = results["performance"], results["powersave"]
    found = {
        "net_saving_vs_classic_percent": _saving(ours, classic),
        "net_saving_vs_early_exit_percent": _saving(ours, early_exit),
        "deadline_misses_percent": 100 * ours.miss_rate,
        "net_energy_vs_oracle": _ratio(ours, results["oracle"]),
        "net_saving_by_prediction_percent": _saving(ours, results["planned-blind"]),
        "net_saving_vs_powersave_early_exit_percent": _saving(ours, powersave),
        "powersave_early_exit_misses_percent": 100 * powersave.miss_rate,
        "gross_saving_vs_classic_percent": _gross_saving(ours, classic),
        "gross_saving_vs_early_exit_percent": _gross_saving(ours, early_exit),
    }
    static = comparison.static()
    return found if static is None else found | _against_static(comparison, ours, static)


def _against_static(
    comparison: Comparison, ours: ReplayResult, static: dict[str, Any]
) -> dict[str, float]:
    name, rows = comparison.bundle.manifest.name, static["nets"]
    whole = [net for net in comparison.statics if net.name == name]
    found = {
        "accuracy_loss_points": 100 * (whole[0].accuracy - static["accuracy"]),
        "accuracy_images": float(static["images"]),
    }
    for figure, row in (
        ("classic_best_clock", next((row for row in rows if row["net"] == name), None)),
        ("best_static", static["best"]),
        ("static_of_equal_estimate", static["best_equal_estimate"]),
    ):
        if row is not None:
            saved = 100 * (1 - ours.net_nj_per_inference / (1e3 * row["net_uj"]))
            found[f"net_saving_vs_{figure}_percent"] = saved
    return found


def _saving(ours: ReplayResult, theirs: ReplayResult) -> float:
    return 100 * (1 - _ratio(ours, theirs))


def _ratio(ours: ReplayResult, theirs: ReplayResult) -> float:
    return ours.net_nj_per_inference / theirs.net_nj_per_inference


def _gross_saving(ours: ReplayResult, theirs: ReplayResult) -> float:
    return 100 * (1 - ours.gross_nj / theirs.gross_nj)


def _ablation_rows(
    main: tuple[Bundle, ComparisonFrames], conditions: Conditions
) -> list[dict[str, Any]]:
    """Return what each part of the governor earns on one board: the parts added one by one."""
    bundle, frames = main
    documents = {}
    for free in (False, True):
        own = replace(conditions, threads=THREADS if free else (1,))
        comparison = Comparison(bundle, frames, own)
        needed = [policy for policy, _, own_free in STEPS if own_free == free]
        names = [p for p in comparison.policies() if p in needed or p.startswith(FIXED)]
        documents[free] = compare_document(comparison, comparison.run(names))
    rows, before = [], None
    for policy, words, free in STEPS:
        row = _row(documents[free], policy)
        if row is None:
            continue
        net_uj = row["net_uj_per_inference"]
        rows.append({
            "board": conditions.board, "step": words, "policy": row["policy"],
            "net_uj_per_inference": net_uj, "miss_percent": row["miss_percent"],
            "earned_percent": None if before is None else 100 * (1 - net_uj / before),
        })  # fmt: skip
        before = net_uj
    return rows + _feedback_rows(bundle, frames, conditions)


def _feedback_rows(
    bundle: Bundle, frames: ComparisonFrames, conditions: Conditions
) -> list[dict[str, Any]]:
    """Return what feedback does on a board that is slower than its table: it buys misses off."""
    own = replace(conditions, threads=(1,), disturbances=(Disturbance(0, SLOWER),))
    comparison = Comparison(bundle, frames, own)
    results = comparison.run([policy for policy, _ in FEEDBACK])
    document = compare_document(comparison, results)
    return [
        {
            "board": conditions.board, "step": words, "policy": policy,
            "net_uj_per_inference": row["net_uj_per_inference"],
            "miss_percent": row["miss_percent"], "earned_percent": None,
        }
        for (policy, words), row in zip(FEEDBACK, document["policies"], strict=True)
    ]  # fmt: skip


def _row(document: dict[str, Any], policy: str) -> dict[str, Any] | None:
    rows = document["policies"]
    if policy == "best fixed":
        fixed = [row for row in rows if row["policy"].startswith(FIXED)]
        return best_row(fixed, "baseline")
    return next((row for row in rows if row["policy"] == policy), None)

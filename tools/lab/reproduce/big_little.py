"""The MNIST figures of BL-DNN (CODES+ISSS 2015) beside ours.

The paper's abstract claims 94.1 % less energy at 0.12 points of accuracy lost on MNIST. Its nets,
its board and its energy model are not known, so its saving is read as the execution of the nets:
invocations, without decision and runtime overhead. The saving end to end stands beside it.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.lab.comparison.sensitivity import intervals
from edge_infer.lab.costs.board_costs import ExitCosts, NetCost, board_table, exit_costs, net_cost
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.replay.scored_frames import scored_bundle
from edge_infer.lab.reproduce.live_run import plain_bundle
from edge_infer.lab.reproduce.paper import claim, read_data
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.manifest_text import to_document
from edge_infer.models_tflite.stage import load_stages
from edge_infer.models_tflite.stage_spec import Stage
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import RunError, SourceMissingError
from edge_infer.runtime.records import Frame

BOARDS = ("sim:raspberry-pi-4b", "sim:raspberry-pi-5")
SAVING_PERCENT, LOSS_POINTS = 94.1, 0.12
"""BL-DNN's abstract, MNIST."""
DATA = "mnist"
PAPER = "BL-DNN, CODES+ISSS 2015"
_BIG = "big"
"""Names of the big nets that a recipe trained side by side begin so."""


def reproduce_big_little(
    bundle: Bundle,
    data: Path | None = None,
    boards: Sequence[str] = BOARDS,
    *,
    timed: int = 2000,
    sensitivity: bool = False,
    backend: Backend | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the document of `reproduce big-little --json` (schema of that name).

    Args:
        bundle: a little/big pair.
        data: folder of the data set, whose test side is used; the bundle's samples if None.
        boards: names of boards with a cost table.
        timed: images to measure times with on this computer; none if 0.
        sensitivity: also how far the savings hang on figures of the board that nobody settled.
        backend: to run it with; the default if None.
        progress: called with what is under way.

    Raises:
        RunError: the bundle is no pair, or the data set has no test side.
        SourceMissingError: there is no such folder, or the bundle carries no samples.
    """
    stages = len(bundle.manifest.stages)
    if stages != 2:
        raise RunError(f"{bundle.manifest.name} has {stages} stages: wants a little/big pair")
    backend = backend or open_backend()
    frames, labels = labelled_images(bundle, data)
    progress(f"running both nets on {len(frames)} images")
    answers = cascade_answers(bundle, backend, frames, labels)
    figures = [board_figures(bundle, name, answers) for name in boards]
    return {
        "paper": PAPER,
        "bundle": bundle.manifest.name,
        "claims": [
            row
            for each in figures
            for row in _claims(
                each,
                answers.loss_points,
                _intervals(bundle, each["board"], answers) if sensitivity else {},
            )
        ],
        "answers": to_document(answers) | {"loss_points": answers.loss_points},
        "boards": figures,
        "host": _host_times(bundle, backend, frames[:timed]) if timed else None,
    }


def labelled_images(bundle: Bundle, data: Path | None) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Return images and labels of the data set's test side, or the bundle's samples.

    Raises:
        SourceMissingError: there is no such folder, or the bundle carries no samples.
    """
    if data is not None:
        _, test = read_data(data, DATA)
        return list(test.images), test.labels
    samples = bundle.samples()
    if samples is None:
        raise SourceMissingError(f"{bundle.manifest.name} carries no samples: give --data DIR")
    return list(samples[0]), samples[1]


SAVINGS = {
    "mnist_net_energy_saving_percent": ("execution_saving_percent", SAVING_PERCENT),
    "mnist_net_energy_saving_end_to_end_percent": ("end_to_end_saving_percent", SAVING_PERCENT),
    "mnist_saving_vs_best_static_percent": ("saving_vs_best_static_percent", None),
}
"""Id: the figure of a board, and what the paper claims of it."""


def _claims(
    figures: dict[str, Any], loss_points: float, found: Mapping[str, Any]
) -> list[dict[str, Any]]:
    board, origin = figures["board"], figures["origin"]
    rows = [
        claim(name, board, claimed, figures[key], "%", "higher", origin, found.get(key))
        for name, (key, claimed) in SAVINGS.items()
        if figures[key] is not None
    ]
    loss = claim(
        "mnist_accuracy_loss_points", board, LOSS_POINTS, loss_points, "", "lower",
        "measured",
    )  # fmt: skip
    return [rows[0], loss, *rows[1:]]


def _intervals(bundle: Bundle, board: str, answers: "CascadeAnswers") -> dict[str, Any]:
    def figures(profile: BoardProfile) -> dict[str, float]:
        found = board_figures(bundle, board, answers, profile)
        return {key: found[key] for key, _ in SAVINGS.values() if found[key] is not None}

    return intervals(figures, load_profile(board.removeprefix("sim:")))


@dataclass(frozen=True)
class CascadeAnswers:
    """Answers of a two-stage bundle to labelled frames."""

    little: float
    """Share of right answers of the little net alone."""
    big: float
    cascade: float
    shares: tuple[float, float]
    """Answered by the little net, and escalated to the big one."""
    frames: int

    @property
    def loss_points(self) -> float:
        """Accuracy lost against the big net, in percentage points."""
        return 100 * (self.big - self.cascade)


def cascade_answers(
    bundle: Bundle, backend: Backend, frames: Sequence[NDArray[Any]], labels: NDArray[Any]
) -> CascadeAnswers:
    """Run both nets on every frame and judge by the bundle's thresholds."""
    scores = run_all(load_stages(bundle, backend), frames)
    judged = scored_bundle(bundle, scores, labels)
    right = np.array([rows.argmax(axis=1) == labels for rows in scores])
    little, big = judged.exit_shares
    return CascadeAnswers(
        little=float(right[0].mean()),
        big=float(right[1].mean()),
        cascade=float(right[judged.exits, np.arange(len(labels))].mean()),
        shares=(little, big),
        frames=len(labels),
    )


def board_figures(
    bundle: Bundle, board: str, answers: CascadeAnswers, profile: BoardProfile | None = None
) -> dict[str, Any]:
    """Return what the cascade saves on a board, against its own big net and the other sizes.

    Sizes that the recipe trained beside the big one are known by their MACs: they are priced as
    the big net with every operator scaled to those, which is close, since only their width differs.
    """
    own = bundle.manifest.stages[-1]
    nets = bundle.manifest.provenance.get("nets", {})
    sizes = {name: net for name, net in nets.items() if name.startswith(_BIG)}
    scaled = {name: _scaled(own, name, net["macs"] / own.macs) for name, net in sizes.items()}
    table = board_table(bundle, board, tuple(scaled.values()), profile)
    costs = exit_costs(bundle, table)
    priced = {
        name: costs.plain if net["macs"] == own.macs
        else net_cost(table.row(name, costs.point), table.idle_reference_uw)
        for name, net in sizes.items()
    }  # fmt: skip
    ours = costs.expected(answers.shares)
    best = _best_static(answers, costs, priced, sizes)
    return {
        "board": board,
        "clock_khz": costs.point.clock_khz,
        "origin": costs.origin,
        "little_execution_uj": costs.exits[0].execution_nj / 1000,
        "big_execution_uj": costs.plain.execution_nj / 1000,
        "little_net_uj": costs.exits[0].energy_nj / 1000,
        "big_net_uj": costs.plain.energy_nj / 1000,
        **_savings(ours, costs.plain),
        "best_static": best and best[0],
        "saving_vs_best_static_percent": best and 100 * (1 - ours.energy_nj / best[1]),
        "against": [
            {"net": name, "macs": net["macs"], "test_accuracy_percent": net["test"],
             "shipped": net["macs"] == own.macs}
            | _savings(ours, priced[name])
            for name, net in sizes.items()
        ],
    }  # fmt: skip


def _savings(ours: NetCost, theirs: NetCost) -> dict[str, float]:
    return {
        "execution_saving_percent": 100 * (1 - ours.execution_nj / theirs.execution_nj),
        "end_to_end_saving_percent": 100 * (1 - ours.energy_nj / theirs.energy_nj),
    }


def _best_static(
    answers: CascadeAnswers, costs: ExitCosts, priced: Mapping[str, NetCost],
    sizes: Mapping[str, Any],
) -> tuple[str, float] | None:  # fmt: skip
    """Return the cheapest static net of at least the cascade's accuracy, and its net energy in nJ.

    A size that the recipe trained, or little and big mixed by chance; by the estimates alone, since
    of the other sizes no answers are kept.
    """
    options = [
        (name, priced[name].energy_nj)
        for name, net in sizes.items()
        if net["test"] / 100 >= answers.cascade
    ]
    if answers.big >= answers.cascade:
        options.append(("big", costs.plain.energy_nj))
    if answers.little < answers.cascade < answers.big:
        share = (answers.cascade - answers.little) / (answers.big - answers.little)
        mixed = (1 - share) * costs.exits[0].energy_nj + share * costs.plain.energy_nj
        options.append((f"{share:.0%} big, {1 - share:.0%} little by chance", mixed))
    elif answers.little >= answers.cascade:
        options.append(("little", costs.exits[0].energy_nj))
    return min(options, key=lambda option: option[1], default=None)


def _scaled(stage: Stage, name: str, share: float) -> Work:
    """Return a net with a share of another's multiply-accumulates, as work."""
    # A width of w times the channels is about w^2 of the multiply-accumulates, w of the elements.
    ops = tuple(
        OpWork(
            op.op, round(op.macs * share), round(op.elements * share**0.5),
            round(op.channels * share**0.5), op.taps, round(op.inputs * share**0.5),
        )
        for op in stage.ops
    )  # fmt: skip
    return Work(name, ops, decides=False, dtype=stage.arithmetic)


def _host_times(
    bundle: Bundle, backend: Backend, frames: Sequence[NDArray[Any]]
) -> dict[str, float]:
    """Measure the cascade and the big net alone on this computer, frame by frame in turn.

    Both run through the same runtime, so the figure is end to end.

    Returns:
        Mean times in us, and the saving in per cent.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = plain_bundle(bundle, Path(folder))
        with (
            open_board("host") as board,
            Engine(bundle, board, backend=backend) as cascade,
            Engine(plain, board, backend=backend) as big,
        ):
            spent_ns = [[_timed(engine, *at) for engine in (cascade, big)]
                        for at in enumerate(frames)]  # fmt: skip
    ours, theirs = (float(mean) / 1000 for mean in np.mean(spent_ns, axis=0))
    return {"cascade_us": ours, "big_us": theirs, "saving_percent": 100 * (1 - ours / theirs)}


def _timed(engine: Engine, number: int, frame: NDArray[Any]) -> int:
    start_ns = time.perf_counter_ns()
    engine.infer(Frame(number, frame))
    return time.perf_counter_ns() - start_ns

"""Figures of a little/big cascade: its answers, its cost on boards, its time on this computer."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.boards.work import OpWork, Work
from edge_infer.lab.costs.board_costs import ExitCosts, NetCost, board_table, exit_costs, net_cost
from edge_infer.lab.replay.scored_frames import score_frames, scored_bundle
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.build import NO_EXITS, write_bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame

BIG = "big"
"""Names of the big nets that a recipe trained side by side begin so."""


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
    scores = score_frames(load_stages(bundle, backend), frames)
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


def board_figures(bundle: Bundle, board: str, answers: CascadeAnswers) -> dict[str, Any]:
    """Return what the cascade saves on a board, against its own big net and the other sizes.

    Sizes that the recipe trained beside the big one are known by their MACs: they are priced as
    the big net with every operator scaled to those, which is close, since only their width differs.
    """
    costs = exit_costs(bundle, board_table(bundle, board))
    ours = costs.expected(answers.shares)
    nets = bundle.manifest.provenance.get("nets", {})
    sizes = {name: net for name, net in nets.items() if name.startswith(BIG)}
    own = bundle.manifest.stages[-1]
    return {
        "board": board,
        "clock_khz": costs.point.clock_khz,
        "origin": costs.origin,
        "little_execution_uj": costs.exits[0].execution_nj / 1000,
        "big_execution_uj": costs.plain.execution_nj / 1000,
        "little_net_uj": costs.exits[0].energy_nj / 1000,
        "big_net_uj": costs.plain.energy_nj / 1000,
        **_savings(ours, costs.plain),
        "against": [
            {"net": name, "macs": net["macs"], "test_accuracy_percent": net["test"],
             "shipped": net["macs"] == own.macs}
            | _savings(ours, _price(bundle, board, net["macs"] / own.macs, costs))
            for name, net in sizes.items()
        ],
    }  # fmt: skip


def _savings(ours: NetCost, theirs: NetCost) -> dict[str, float]:
    return {
        "execution_saving_percent": 100 * (1 - ours.execution_nj / theirs.execution_nj),
        "end_to_end_saving_percent": 100 * (1 - ours.energy_nj / theirs.energy_nj),
    }


def _price(bundle: Bundle, board: str, share: float, costs: ExitCosts) -> NetCost:
    """Return the cost of the big net with `share` of its multiply-accumulates."""
    if share == 1:
        return costs.plain
    stage = bundle.manifest.stages[-1]
    # A width of w times the channels is about w^2 of the multiply-accumulates, w of the elements.
    ops = tuple(
        OpWork(op.op, round(op.macs * share), round(op.elements * share**0.5)) for op in stage.ops
    )
    work = Work("scaled", ops, decides=False, dtype=stage.arithmetic)
    with open_board(board) as opened:
        table = opened.cost_table([work])
    assert table is not None  # the bundle's own stages have costs on this board
    return net_cost(table.row(work.name, costs.point), table.idle_reference_uw)


def host_times(
    bundle: Bundle, backend: Backend, frames: Sequence[NDArray[Any]]
) -> dict[str, float]:
    """Measure the cascade and the big net alone on this computer, frame by frame in turn.

    Both run through the same runtime, so the figure is end to end.

    Returns:
        Mean times in us, and the saving in per cent.
    """
    with tempfile.TemporaryDirectory() as folder:
        alone = replace(
            redraft(bundle),
            kinds=("single",),
            stages=[plain_net(bundle)],
            thresholds={FULL_RATIO: NO_EXITS},
            predictor=None,
        )
        plain = write_bundle(Path(folder) / "plain", alone)
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

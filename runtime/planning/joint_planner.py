"""The joint planner: the pruning ratio of a frame, the clock of each stage, and where it leaves.

A frame at a ratio is a frame as `Planner` knows it, with its own times, energies and exits; so
the joint plan is one more choice, made when a frame is taken up: at which ratio. The ratio in force
is part of the state, since changing it costs time and energy. The accuracy that a ratio loses has a
price, the Lagrange multiplier of a bound on the mean loss (`loss_price` finds it), as misses have.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.planning.age_grid import age_grid_ns, even_grid_ns
from edge_infer.runtime.planning.frame_sweep import (
    CHANGED,
    ENERGY,
    LOSS,
    Array,
    FrameSweep,
    total_of,
)
from edge_infer.runtime.planning.plan import JointPlan, Plan
from edge_infer.runtime.planning.planner import Planner
from edge_infer.runtime.planning.problem import PlanProblem

STEPS = 200
"""Even steps of age up to the deadline: fewer than for clocks alone, with more to choose from."""


class JointPlanner(Planner):
    """Solves a problem that has narrower ratios.

    Arrays are [cost, ratio in force, clock, age]; energy has the price of the loss in it.
    """

    # A ratio that is better by little, but for the frame that a change of it makes late, is found
    # slowly if at all: more sweeps do not pay, and an extrapolation stops short of it.
    most_sweeps, longest_extrapolation = 150, 0.0

    def __init__(self, problem: PlanProblem, steps: int = STEPS) -> None:
        every = (problem, *problem.narrower)
        # The ages that every ratio can lead to would be too many: those of the full width.
        grid_of = age_grid_ns if steps >= STEPS else even_grid_ns
        ages_ns = grid_of(problem, steps)
        super().__init__(problem, steps, ages_ns)
        self._paths = [FrameSweep(one, steps, ages_ns) for one in every]
        switch_ns = np.array(problem.ratio_switch_ns)[:, None]
        self._after_ratio = self._index(self._ages + switch_ns)
        self._ratio_nj = np.array(problem.ratio_switch_net_nj, float)[:, None]

    def zeros(self) -> Array:
        """Return the values to start from when no plan is at hand: all 0."""
        return np.zeros(
            (CHANGED + 1, len(self._paths), len(self.problem.clocks_khz), len(self._ages))
        )

    def sweep(self, values: Array, penalty_nj: float) -> tuple[Array, Any]:
        """Go back one frame: from the values before the next one to those before this one."""
        price_nj = self.problem.loss_price_nj
        stays, tables = [], []
        for index, path in enumerate(self._paths):
            before, table = path.sweep(values[:, index], penalty_nj)
            before[ENERGY] += price_nj * path.problem.loss_points
            before[LOSS] += path.problem.loss_points
            stays.append(before)
            tables.append(table)
        found, chosen = self._choose_ratio(np.stack(stays, axis=1), penalty_nj)
        return found, (tables, chosen)

    def _choose_ratio(self, stays: Array, penalty_nj: float) -> tuple[Array, NDArray[np.uint8]]:
        """Return the least cost [cost, ratio in force, clock, age], and the ratio it is reached at.

        Args:
            stays: cost at each ratio without a change to it: [cost, ratio, clock, age].
            penalty_nj: on each late answer.
        """
        changes = np.take_along_axis(stays, self._after_ratio[None, None], axis=-1)
        changes[ENERGY] += self._ratio_nj
        found, chosen = np.empty_like(stays), []
        for own in range(len(self._paths)):
            options = changes.copy()
            options[:, own] = stays[:, own]
            which = total_of(options, penalty_nj).argmin(axis=0)
            found[:, own] = np.take_along_axis(options, which[None, None], axis=1)[:, 0]
            chosen.append(which)
        return found, np.array(chosen, np.uint8)

    def plan(self, penalty_nj: float, rates: Array, tables: Any, values: Array) -> Plan:
        """Return the plan that the last sweep stands for."""
        by_ratio, chosen = tables
        net_nj, loss_points = self.net_nj(rates), float(rates[LOSS])

        def of(index: int) -> Plan:
            first, later, idle = by_ratio[index]
            return Plan(
                self._paths[index].problem, self.ages_ns, penalty_nj, net_nj, float(rates[1]),
                first, later, idle, values[:, index],
            )  # fmt: skip

        paths = tuple(of(index) for index in range(len(self._paths)))
        first = paths[0]
        return JointPlan(
            self.problem, self.ages_ns, penalty_nj, net_nj, float(rates[1]),
            first.first, first.later, first.idle, values, loss_points, float(rates[CHANGED]),
            paths, chosen,
        )  # fmt: skip

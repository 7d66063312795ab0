"""The power of each activity, learned from samples that each cover a mix of them.

A sample is the mean over its conversion: sample = sum over activities of share * power + noise.
Least squares over many samples gives the powers; the cost table is the prior (ridge regression,
which is the posterior mean under normal noise and a normal prior). So an activity that samples
tell apart is corrected, and one that they do not keeps its modelled power.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.stage_costs import row_name

PRIOR_SPREAD = 0.3
"""Standard deviation of a modelled power above idle, as a share of it: what a model of a board
that was never measured may well be off by."""
LEAST_SPREAD_UW = 1000
"""So that a board of which nothing is known, not even its idle power, can be learned."""
FIRST_BATCH, LAST_BATCH = 16, 1024
"""Samples between two solutions, more and more of them; a solution costs about 50 us."""


class Activity(NamedTuple):
    """What the board was doing: a stage (its index), a switch, or waiting."""

    kind: int | Literal["idle", "switch"]
    point: OperatingPoint
    ratio: str = FULL_RATIO
    """Of a stage."""


class ActivityPower:
    """Power in uW by activity, corrected as samples come in."""

    def __init__(self, table: CostTable | None, stages: Sequence[str], idle_uw: int) -> None:
        self._table = table
        self._stages = stages
        self.idle_uw = idle_uw
        self._index: dict[Activity, int] = {}
        self._prior_uw: list[float] = []
        self._prior_deviation_uw: list[float] = []
        self._power_uw: list[float] = []
        self._batch: list[tuple[Mapping[Activity, float], int]] = []
        self._normal = np.zeros((0, 0))
        self._moment = np.zeros(0)
        self._covariance: NDArray[np.float64] = np.zeros((0, 0))
        self._deviation_uw: list[float] = []
        self._count = 0
        self._residual_squares = 0.0

    def __getitem__(self, activity: Activity) -> float:
        index = self._index.get(activity)
        return self._power_uw[self._add(activity) if index is None else index]

    @property
    def residual_uw(self) -> float:
        """Root mean square of samples about the fit: how far one sample is from its mix."""
        if not self._count:
            return 0.02 * self.idle_uw
        return math.sqrt(self._residual_squares / self._count)

    def residual(self, shares: Mapping[Activity, float], power_uw: int) -> float:
        """Return a sample's power minus what its mix of activities is expected to draw, in uW.

        Args:
            shares: the share of the conversion that each activity filled; what is missing to 1
                counts as idle.
            power_uw: the sample.
        """
        idle_share = 1.0 - sum(shares.values())
        expected_uw = sum(self[activity] * share for activity, share in shares.items())
        return power_uw - expected_uw - idle_share * self.idle_uw

    def learn(self, shares: Mapping[Activity, float], power_uw: int) -> None:
        """Take a sample: the share of its conversion that each activity filled, summing to 1."""
        if sum(shares.values()) < 0.999:
            # Part of the conversion lies outside what was recorded (the start of a run).
            return
        self._residual_squares += self.residual(shares, power_uw) ** 2
        self._count += 1
        self._batch.append((shares, power_uw))
        if len(self._batch) >= min(LAST_BATCH, max(FIRST_BATCH, self._count // 4)):
            self._solve()

    def deviation_uw(self, activity: Activity) -> float:
        """Return the standard deviation of an activity's power, in uW."""
        index = self._index.get(activity)
        return self._deviation_uw[self._add(activity) if index is None else index]

    def mean_error_uw(self, shares: Mapping[Activity, float]) -> float:
        """Return the standard error of the power of a mix, in uW; shares may be negative."""
        if len(self._covariance) < len(self._prior_uw):
            self._solve()
        mix = np.zeros(len(self._prior_uw))
        for activity, share in shares.items():
            mix[self._index[activity]] = share
        return math.sqrt(max(0.0, float(mix @ self._covariance @ mix)))

    def _add(self, activity: Activity) -> int:
        index = self._index[activity] = len(self._prior_uw)
        prior_uw = self._modelled_uw(activity)
        known = prior_uw is not None
        power_uw = float(self.idle_uw) if prior_uw is None else prior_uw
        above_uw = max(power_uw - self.idle_uw, 0.1 * power_uw, LEAST_SPREAD_UW)
        self._prior_uw.append(power_uw)
        self._power_uw.append(power_uw)
        self._prior_deviation_uw.append(PRIOR_SPREAD * above_uw if known else above_uw + power_uw)
        self._deviation_uw.append(self._prior_deviation_uw[-1])
        return index

    def _modelled_uw(self, activity: Activity) -> float | None:
        """Return what the cost table says, or None if it says nothing."""
        table, point = self._table, activity.point
        if table is None:
            return float(self.idle_uw) if activity.kind == "idle" else None
        if activity.kind == "idle":
            extra_uw = table.idle_uw.get(point.clock_khz, table.idle_reference_uw)
            return float(self.idle_uw + extra_uw - table.idle_reference_uw)
        if activity.kind == "switch":
            return 1e6 * table.switch.energy_nj / max(1, table.switch.time_ns)
        row = table.rows.get((row_name(self._stages[activity.kind], activity.ratio), point))
        return float(row.power_uw) if row else None

    def _solve(self) -> None:
        count = len(self._prior_uw)
        mix = np.zeros((len(self._batch), count))
        power_uw = np.empty(len(self._batch))
        for row, (shares, sample_uw) in enumerate(self._batch):
            for activity, share in shares.items():
                mix[row, self._index[activity]] = share
            power_uw[row] = sample_uw
        self._batch.clear()
        grown = count - len(self._moment)
        self._normal = np.pad(self._normal, ((0, grown), (0, grown))) + mix.T @ mix
        self._moment = np.pad(self._moment, (0, grown)) + mix.T @ power_uw

        prior_uw = np.array(self._prior_uw)
        weight = np.array(self._prior_deviation_uw) ** -2.0
        noise = max(self.residual_uw, 1.0) ** 2
        self._covariance = np.linalg.inv(self._normal / noise + np.diag(weight)).astype(np.float64)
        solved = self._covariance @ (self._moment / noise + prior_uw * weight)
        # A mix that hardly varies can push one power up and its neighbour below zero.
        self._power_uw = np.maximum(solved, 0.01 * prior_uw).tolist()
        self._deviation_uw = np.sqrt(np.diag(self._covariance)).tolist()

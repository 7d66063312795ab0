"""The power of each activity, learned from samples that each cover a mix of them.

A sample is the mean over its conversion: sample = sum over activities of share * power + noise.
Least squares over many samples gives the powers; the cost table is the prior (ridge regression,
which is the posterior mean under normal noise and a normal prior). So an activity that samples
tell apart is corrected, and one that they do not keeps its modelled power.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.accounting.uncertainty import FAR, MEDIAN_TO_DEVIATION
from edge_infer.runtime.stage_costs import row_name

PRIOR_SPREAD = 0.3
"""Standard deviation of a modelled power above idle, as a share of it: what a model of a board
that was never measured may well be off by."""
PARTS, PART_SPREAD = 6, 0.15
"""Parts of equal length that a stage has a power each in, and by what share of the power above
idle they differ (one standard deviation): operators differ, and a conversion that is about as long
as a stage sees its middle more often whole than its ends."""
LEAST_NOISE = 1e-4
"""Of a sample, as a share of idle power: no meter is better, and equations stay solvable."""
LEAST_SPREAD_UW = 1000
"""So that a board of which nothing is known, not even its idle power, can be learned."""
LEAST_BATCH, MOST_BATCH = 16, 1024
"""Samples between two solutions, more and more of them; a solution costs about 100 us."""
BLOCK = 64
"""Samples whose errors may go together: other processes run for some 10 ms."""


class Activity(NamedTuple):
    """What the board was doing: a stage (its index), a switch, or waiting."""

    kind: int | Literal["idle", "switch"]
    point: OperatingPoint
    ratio: str = FULL_RATIO
    """Of a stage."""
    part: int | None = None
    """Of a stage: its number from 0 on; None stands for the whole of it."""


@lru_cache(maxsize=4096)
def parts_of(activity: Activity) -> tuple[Activity, ...]:
    """Return the parts of a whole stage; of anything else itself."""
    if not isinstance(activity.kind, int) or activity.part is not None:
        return (activity,)
    return tuple(activity._replace(part=part) for part in range(PARTS))


class ActivityPower:
    """Power in uW by activity, corrected as samples come in."""

    def __init__(self, table: CostTable | None, stages: Sequence[str], idle_uw: int) -> None:
        self._table = table
        self._stages = stages
        self.idle_uw = idle_uw
        self._index: dict[Activity, int] = {}
        self._whole_uw: dict[Activity, float] = {}
        self._deviation_uw: dict[Activity, float] = {}
        self._prior_uw = np.zeros(0)
        self._reach_uw = np.zeros(0)
        """Standard deviation of the prior, by column."""
        self._weight: NDArray[np.float64] = np.zeros((0, 0))
        """Inverse of the prior's covariance."""
        self._power_uw = np.zeros(0)
        self._batch: list[tuple[Mapping[Activity, float], int]] = []
        self._normal = np.zeros((0, 0))
        self._moment = np.zeros(0)
        self._scores: NDArray[np.float64] = np.zeros((0, 0))
        """Sum over blocks of the outer product of their errors, by activity."""
        self._covariance: NDArray[np.float64] = np.zeros((0, 0))
        self._count = 0
        self._residual_squares = 0.0
        self._weighed = self._weighed_squares = 0.0
        self.solved = False
        """Whether the samples that there were have corrected the powers yet."""

    def __getitem__(self, activity: Activity) -> float:
        """Return the power of an activity; of a whole stage, the mean of its parts."""
        known_uw = self._whole_uw.get(activity)
        if known_uw is None:
            mine = [self._column(part) for part in parts_of(activity)]
            known_uw = self._whole_uw[activity] = float(self._power_uw[mine].mean())
        return known_uw

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
        for activity in shares:
            self._column(activity)
        self._batch.append((shares, power_uw))
        due = self._count // 4 if self._count else MOST_BATCH
        if len(self._batch) >= min(MOST_BATCH, max(LEAST_BATCH, due)):
            self.solve()

    def deviation_uw(self, activity: Activity) -> float:
        """Return the standard deviation of an activity's power, in uW."""
        known_uw = self._deviation_uw.get(activity)
        if known_uw is None:
            known_uw = self._deviation_uw[activity] = self.mean_error_uw({activity: 1.0})
        return known_uw

    def mean_error_uw(self, shares: Mapping[Activity, float]) -> float:
        """Return the standard error of the power of a mix, in uW; shares may be negative."""
        columns = [
            (self._column(part), share / len(parts_of(activity)))
            for activity, share in shares.items()
            for part in parts_of(activity)
        ]
        if len(self._covariance) < len(self._prior_uw):
            self.solve()
        mix = np.zeros(len(self._prior_uw))
        for column, share in columns:
            mix[column] += share
        return math.sqrt(max(0.0, float(mix @ self._covariance @ mix)))

    def _column(self, activity: Activity) -> int:
        """Return the column of what is no whole stage; a new one comes with all its parts."""
        column = self._index.get(activity)
        if column is None:
            self._add(activity._replace(part=None))
            column = self._index[activity]
        return column

    def _add(self, activity: Activity) -> None:
        parts, prior_uw = parts_of(activity), self._modelled_uw(activity)
        known = prior_uw is not None
        power_uw = float(self.idle_uw) if prior_uw is None else prior_uw
        above_uw = max(power_uw - self.idle_uw, 0.1 * power_uw, LEAST_SPREAD_UW)
        spread_uw = PRIOR_SPREAD * above_uw if known else above_uw + power_uw
        own_uw = PART_SPREAD * above_uw if len(parts) > 1 else 0.0
        count = len(parts)
        covariance = np.full((count, count), spread_uw**2) + np.eye(count) * own_uw**2
        for part in parts:
            self._index[part] = len(self._index)
        self._prior_uw = np.append(self._prior_uw, np.full(count, power_uw))
        self._power_uw = np.append(self._power_uw, np.full(count, power_uw))
        self._reach_uw = np.append(self._reach_uw, np.full(count, spread_uw))
        self._weight = _enlarged(self._weight, count)
        self._weight[-count:, -count:] = np.linalg.inv(covariance)

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

    def solve(self) -> None:
        """Learn from the samples at hand; the first MOST_BATCH of them are waited for otherwise."""
        count = len(self._prior_uw)
        mix = np.zeros((len(self._batch), count))
        power_uw = np.empty(len(self._batch))
        for row, (shares, sample_uw) in enumerate(self._batch):
            for activity, share in shares.items():
                mix[row, self._column(activity)] = share
            power_uw[row] = sample_uw
        self.solved = True
        self._count += len(self._batch)
        self._batch.clear()
        grown = count - len(self._moment)
        weights = self._weights(mix, power_uw - mix @ self._power_uw)
        weighed = mix.T * weights
        self._normal = _enlarged(self._normal, grown) + weighed @ mix
        self._moment = np.append(self._moment, np.zeros(grown))
        self._moment += weighed @ (power_uw - mix @ self._prior_uw)

        noise = self.noise_uw**2
        inverse = np.linalg.inv(self._normal / noise + self._weight)
        solved = self._prior_uw + inverse @ (self._moment / noise)
        error_uw = power_uw - mix @ solved
        self._residual_squares += float(error_uw @ error_uw)
        self._scores = _enlarged(self._scores, grown)
        self._scores += _block_scores(mix, weights * error_uw)
        # Cluster-robust (Liang and Zeger, Biometrika 73, 1986): neighbouring samples err alike.
        self._covariance = inverse @ (self._scores / noise**2 + self._weight) @ inverse
        self._power_uw = np.maximum(solved, 0.01 * self._prior_uw)
        self._whole_uw.clear()
        self._deviation_uw.clear()

    def _weights(
        self, mix: NDArray[np.float64], error_uw: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the weight of each sample, less than 1 for far ones (Huber, 1964).

        Another process that runs for some milliseconds adds nearly a watt. Far is what lies beyond
        the noise and what the activities' powers may be off by.
        """
        size_uw = np.abs(error_uw)
        usual_uw = MEDIAN_TO_DEVIATION * float(np.median(size_uw)) if len(size_uw) else 0.0
        limit_uw = FAR * max(usual_uw, 1.0) + mix @ self._reach_uw
        weights: NDArray[np.float64] = limit_uw / np.maximum(size_uw, limit_uw)
        self._weighed += float(weights.sum())
        self._weighed_squares += float(weights @ error_uw**2)
        return weights

    @property
    def noise_uw(self) -> float:
        """Standard deviation of a sample that counts whole."""
        least_uw2 = (LEAST_NOISE * self.idle_uw) ** 2 + 1.0
        mean_uw2 = self._weighed_squares / self._weighed if self._weighed else 0.0
        return math.sqrt(max(mean_uw2, least_uw2))


def _enlarged(matrix: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Return a square matrix with that many more rows and columns of zeros."""
    return np.pad(matrix, ((0, by), (0, by)))


def _block_scores(mix: NDArray[np.float64], error_uw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over blocks of samples of the outer product of shares times errors."""
    starts = np.arange(0, len(mix), BLOCK)
    if not len(starts):
        return np.zeros((mix.shape[1], mix.shape[1]))
    blocks: NDArray[np.float64] = np.add.reduceat(mix * error_uw[:, None], starts)
    return blocks.T @ blocks

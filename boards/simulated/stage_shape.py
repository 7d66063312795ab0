"""The power of a stage over its time: operator after operator, integrated exactly."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import NamedTuple

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.simulated.truth import Truth, drawn


class StageShape:
    """Power above idle in uW over the time of a stage, piecewise constant.

    Args:
        times_ns: length of each piece, 1 or more.
        powers_uw: of each piece.
    """

    def __init__(self, times_ns: Sequence[int], powers_uw: Sequence[int]) -> None:
        self._begins_ns = [0, *accumulate(times_ns)]
        self._powers_uw = [*powers_uw, 0]
        energies = (ns * uw for ns, uw in zip(times_ns, powers_uw, strict=True))
        self._energies_fj = [0, *accumulate(energies)]
        self.time_ns = self._begins_ns[-1]
        self.energy_fj = self._energies_fj[-1]

    def until_fj(self, passed_ns: int, length_ns: int) -> int:
        """Return the energy of the first `passed_ns` of an invocation that takes `length_ns`."""
        at_ns = passed_ns * self.time_ns // length_ns
        piece = bisect_right(self._begins_ns, at_ns) - 1
        fj = self._energies_fj[piece] + (at_ns - self._begins_ns[piece]) * self._powers_uw[piece]
        return fj * length_ns // self.time_ns


class ShapedPower(NamedTuple):
    """A part of an invocation on the trace of the board's power."""

    shape: StageShape
    base_uw: int
    """Power beneath: what the board draws without the stage."""
    begun_ns: int
    """How much of the invocation had passed before this part."""
    length_ns: int
    """Of the whole invocation."""

    def energy_fj(self, passed_ns: int) -> int:
        """Return the energy of the first `passed_ns` of this part."""
        begun_ns, length_ns = self.begun_ns, self.length_ns
        until_fj = self.shape.until_fj
        before_fj = until_fj(begun_ns, length_ns) if begun_ns else 0
        return self.base_uw * passed_ns + until_fj(begun_ns + passed_ns, length_ns) - before_fj


def flat(time_ns: int, above_uw: int) -> StageShape:
    """Return the shape of a stage that draws the same from its beginning to its end."""
    return StageShape((time_ns,), (above_uw,))


def stage_shape(
    model: CostModel,
    work: Work,
    point: OperatingPoint,
    time_ns: int,
    above_uw: int,
    truth: Truth,
    random: Random,
) -> StageShape:
    """Return a stage operator by operator, as the cost model prices each, and off by `truth`.

    Args:
        model: of the board.
        work: the stage.
        point: where it runs.
        time_ns: true mean time of the stage.
        above_uw: its true mean power above idle.
        truth: how much operators differ.
        random: what they differ by is drawn from it.
    """
    if not truth.operator_power and truth.memory_bound == 1:
        return flat(time_ns, above_uw)
    whole_ns = model.row(work, point).time_ns
    around = model.row(replace(work, ops=()), point).time_ns
    pieces = [(around, drawn(random, truth.operator_power))]
    for op in work.ops:
        own_ns = model.row(replace(work, ops=(op,)), point).time_ns - around
        factor = drawn(random, truth.operator_power)
        pieces.append((own_ns, factor * (truth.memory_bound if _waits(op) else 1)))
    return _scaled(pieces, time_ns / max(1, whole_ns), time_ns, above_uw)


def _scaled(
    pieces: Sequence[tuple[int, float]], stretch: float, time_ns: int, above_uw: int
) -> StageShape:
    """Return pieces (time, relative power) as a shape of that length and mean power."""
    times_ns, parts, left_ns = [], [], time_ns
    for own_ns, part in pieces:
        ns = min(left_ns, round(own_ns * stretch))
        if ns > 0:
            times_ns.append(ns)
            parts.append(part)
            left_ns -= ns
    if left_ns or not times_ns:
        times_ns.append(max(1, left_ns))
        parts.append(1.0)
    mean = sum(ns * part for ns, part in zip(times_ns, parts, strict=True)) / sum(times_ns)
    return StageShape(times_ns, [round(above_uw * part / mean) for part in parts])


def _waits(op: OpWork) -> bool:
    """Return True for an operator that moves more than it computes."""
    return not op.macs or op.op in ("DEPTHWISE_CONV_2D", "FULLY_CONNECTED")

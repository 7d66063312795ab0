"""Visits: something runs for a moment, and is timed and metered.

A typical value is a median over short blocks: other processes, which come and go, fall out of it.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from edge_infer.boards.power import UNUSABLE, PowerSample, SampleFlag
from edge_infer.lab.survey.errors import HotError, SurveyError
from edge_infer.lab.survey.rig import Invoke, Rig

BLOCK_NS = 20_000_000
"""Two periods of the mains' ripple, some twenty conversions of an INA219."""
LEAST_BLOCKS = 5
LEAST_SAMPLES = 4
"""Of a block, for a meter that is slower."""
TIMED_NS, MOST_TIMED, LEAST_TIMED = 60_000_000, 150, 15
WARM_UP = 3
TRIES = 3
UNSTEADY = 0.015
"""Blocks of one visit that differ by more saw something else run."""
MANY = 20
"""Blocks, of which some may be otherwise: the median does not move."""
COOLS_K, COOLING_NS, LOOK_NS = 5, 600_000_000_000, 1_000_000_000
"""How far below the limit work goes on, how long is waited for that, and between two looks."""


class Metered(NamedTuple):
    """A stretch of time with its samples."""

    power_uw: float
    """Typical."""
    spread_uw: float
    """Standard error of it, by the blocks."""
    bus_mv: float
    samples: int
    invocations: int
    time_ns: float
    """Typical time of an invocation; 0 without any."""
    steady: bool
    """Whether the blocks agree: no other process ran for long."""


def timed_ns(rig: Rig, invoke: Invoke, name: str) -> list[int]:
    """Return the times of some invocations, after a warm-up, while nothing capped the clock."""
    for _ in range(TRIES):
        cool(rig)
        times = _times(rig, invoke, TIMED_NS, MOST_TIMED)
        rig.raw.times_ns(name, times)
        if not rig.board.thermometer.throttled():
            return times
    raise SurveyError("the board caps its clock however long it rests: cool it, look at its supply")


def metered(rig: Rig, invoke: Invoke | None, name: str, blocks: int = 5) -> Metered:
    """Return power and time while something runs again and again; of an idle board with None.

    The meter must run. Raises SurveyError: it gave no samples, its shunt is at its limit, or the
    clock is capped however long the board rests.
    """
    last = None
    for _ in range(TRIES):
        cool(rig)
        found = _metered(rig, invoke, max(blocks, LEAST_BLOCKS), name)
        if found is not None and (found.steady or blocks >= MANY):
            return found
        last = found or last
    if last is not None:  # whatever else runs here does not pause
        return last
    raise SurveyError("the board caps its clock however long it rests: cool it, look at its supply")


def cool(rig: Rig) -> None:
    """Wait while the board is too hot, or caps its clock. Raises HotError after ten minutes."""
    thermometer, until_ns = rig.board.thermometer, rig.now_ns() + COOLING_NS
    limit = rig.stop_at_millicelsius
    while thermometer.throttled() or (thermometer.millicelsius() or 0) >= limit:
        limit = rig.stop_at_millicelsius - COOLS_K * 1000
        if rig.now_ns() >= until_ns:
            raise HotError(
                f"the board is at {(thermometer.millicelsius() or 0) / 1000:.1f} degC and caps its "
                "clock after ten minutes of rest: cool it, look at its supply, then --resume"
                if thermometer.throttled()
                else f"the board stays above {limit / 1000:g} degC at rest: cool it, or give "
                "--stop-at a higher limit, then --resume"
            )
        rig.wait_ns(LOOK_NS)


def _times(rig: Rig, invoke: Invoke, length_ns: int, most: int) -> list[int]:
    now_ns = rig.board.timebase.now_ns
    for _ in range(WARM_UP):
        invoke()
    times: list[int] = []
    start_ns = before_ns = now_ns()
    while len(times) < most and (before_ns - start_ns < length_ns or len(times) < LEAST_TIMED):
        invoke()
        after_ns = now_ns()
        times.append(after_ns - before_ns)
        before_ns = after_ns
    return times


def _metered(rig: Rig, invoke: Invoke | None, blocks: int, name: str) -> Metered | None:
    """Return a stretch; None where the clock was capped in it."""
    meter, now_ns = rig.meter, rig.board.timebase.now_ns
    assert meter is not None  # asked for where there is one
    for _ in range(WARM_UP if invoke else 0):
        assert invoke is not None
        invoke()
    meter.drain(now_ns())
    block_ns, times = BLOCK_NS, []
    start_ns = before_ns = now_ns()
    samples: list[PowerSample] = []
    kept: list[list[int]] = []
    while len(kept) < blocks:
        if before_ns - start_ns > blocks * block_ns * 50:
            break
        end_ns = before_ns + block_ns
        while before_ns < end_ns:
            if invoke is None:
                rig.wait_ns(end_ns - before_ns)
                before_ns = now_ns()
                continue
            invoke()
            after_ns = now_ns()
            times.append(after_ns - before_ns)
            before_ns = after_ns
        new = meter.drain(before_ns)
        _check_shunt(new)
        samples += new
        kept = _blocks(samples, start_ns, block_ns)
    rig.raw.samples(meter, samples)
    if times:
        rig.raw.times_ns(name, times)
    _check_supply(samples)
    if rig.board.thermometer.throttled():
        return None
    if len(kept) < blocks:
        raise SurveyError(
            f"the meter gave {len(samples)} samples in {block_ns * blocks / 1e6:g} ms"
        )
    means = [math.fsum(block) / len(block) for block in kept]
    typical = median(means)
    spread = 1.4826 * median(abs(mean - typical) for mean in means)
    bus = [sample.bus_mv for sample in samples]
    return Metered(
        typical, spread * 1.25 / math.sqrt(len(means)), math.fsum(bus) / len(bus), len(samples),
        len(times), median(times) if times else 0.0, max(means) - min(means) <= UNSTEADY * typical,
    )  # fmt: skip


def _blocks(samples: Sequence[PowerSample], start_ns: int, block_ns: int) -> list[list[int]]:
    """Return the powers of whole blocks; a slow meter's blocks are as long as it needs."""
    blocks: list[list[int]] = []
    begins_ns = start_ns
    current: list[int] = []
    for sample in samples:
        if sample.timestamp_ns - sample.interval_ns < start_ns or sample.flags & UNUSABLE:
            continue
        if sample.timestamp_ns >= begins_ns + block_ns and len(current) >= LEAST_SAMPLES:
            blocks.append(current)
            current, begins_ns = [], sample.timestamp_ns
        current.append(sample.power_uw)
    return blocks


def _check_shunt(samples: Sequence[PowerSample]) -> None:
    """Raise SurveyError where the shunt is at its limit: the load is off with it."""
    saturated = sum(bool(sample.flags & SampleFlag.SATURATED) for sample in samples)
    if saturated:
        raise SurveyError(
            f"the shunt stood at the end of its range in {saturated} of {len(samples)} samples: "
            "the load is off again. Take a smaller shunt, or a greater shunt_range_mv"
        )


def _check_supply(samples: Sequence[PowerSample]) -> None:
    """Raise SurveyError where the meter sees no supply."""
    odd = sum(bool(sample.flags & SampleFlag.BUS_RANGE) for sample in samples)
    if odd > len(samples) // 2:
        raise SurveyError(
            f"the meter sees a bus voltage of {samples[-1].bus_mv} mV, which no supply has: "
            "connect VIN- to the board's side of the supply, and its ground"
        )

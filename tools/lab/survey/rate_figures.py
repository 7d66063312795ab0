"""Figures of speed: cycles of operators, invocations and threads, from the times of a survey.

cycles = invoke + (start + instructions of the kernel at its shape) * cycles each
with n threads: cycles - invoke = kernel * (1 - p + p / n) + sync
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.boards.kernel_counts import KernelCounts, kernel_counts_names, load_kernel_counts
from edge_infer.lab.survey.estimate import Estimate, least_squares, mean_of
from edge_infer.lab.survey.operator_models import DTYPES, OperatorModel, operator_models
from edge_infer.lab.survey.rates import LOWEST

CONV = "CONV_2D"
"""The kind that cycles_per_kinstruction is of; others are told against it."""
XNNPACK = "xnnpack-"


@dataclass(frozen=True)
class Rates:
    """What the times of a survey come to."""

    counts: KernelCounts
    invoke_cycles: Estimate
    cycles_per_kinstruction: Mapping[tuple[str, str], Estimate]
    """By arithmetic and operator."""
    parallel: Estimate | None
    """Share that threads divide; None where one was tried."""
    sync_cycles: Mapping[str, Estimate]
    """By arithmetic."""
    left: float
    """Standard deviation of what the model leaves, relative: what a shape is off by."""
    kernel_cycles: Mapping[str, float]
    """By model: on one thread, the invocation left out."""
    slower_clock: Estimate | None
    """Cycles at the lowest clock over those at the highest."""

    def ops_permille(self, dtype: str) -> dict[str, Estimate]:
        """Return each operator's time against what its count and a convolution's cycles give."""
        base = self.cycles_per_kinstruction[dtype, CONV]
        return {
            op: _ratio(each, base).times(1000)
            for (kind, op), each in self.cycles_per_kinstruction.items()
            if kind == dtype and op != CONV
        }


def rates_of(found: Mapping[str, Any], core: str) -> Rates | None:
    """Return the figures of a survey's times; None where nothing was measured on one thread.

    Args:
        found: the step's units.
        core: name of the core whose kernels were counted, as in kernels/; the counts that fit the
            times best where it is not known.
    """
    found = {name: unit for name, unit in found.items() if unit["khz"]}  # else no cycles are known
    single = _of_threads(found, 1)
    if not single:
        return None
    names = [n for n in kernel_counts_names() if n.startswith(XNNPACK)]
    names = [n for n in names if n == f"{XNNPACK}{core}"] or names
    fits = [_single(load_kernel_counts(name), single) for name in names]
    counts, estimates, left, kinds = min(fits, key=lambda fit: fit[2])
    invoke = _at_least_0(estimates[0])
    kernels = {
        name: max(1.0, _cycles(unit, name) - invoke.value)
        for unit in single
        for name in unit["times_ns"]
    }
    parallel, sync = _threads(found, invoke.value, kernels)
    rates = dict(zip(kinds, map(_at_least_0, estimates[1:]), strict=True))
    return Rates(counts, invoke, rates, parallel, sync, left, kernels, _slower(found))


def _single(counts: KernelCounts, units: Sequence[Any]) -> Any:
    """Fit invocation and cycles of every kind of operator to times on one thread."""
    seen = [(unit, model) for unit in units for model in _models_in(unit)]
    kinds = sorted({(model.work.dtype, model.op.op) for _, model in seen})
    rows, values = [], []
    for unit, model in seen:
        instructions = counts.start + counts.op(model.work.dtype, model.op.op).instructions(
            model.op
        )
        kind = (model.work.dtype, model.op.op)
        rows.append([1.0, *(instructions / 1000 if each == kind else 0.0 for each in kinds)])
        values.append(_cycles(unit, model.name))
    estimates, left = least_squares(rows, values, values)
    return counts, estimates, left, kinds


def _threads(
    found: Mapping[str, Any], invoke: float, kernels: Mapping[str, float]
) -> tuple[Estimate | None, dict[str, Estimate]]:
    """Fit the share that threads divide, and what an operator's threads cost."""
    dtypes = [d for d in DTYPES if any(u["dtype"] == d for u in found.values())]
    rows, values, scales, groups = [], [], [], []
    for unit in found.values():
        n = unit["threads"]
        for model in _models_in(unit) if n > 1 else ():
            kernel, cycles = kernels.get(model.name), _cycles(unit, model.name)
            if kernel is None:
                continue
            rows.append([-kernel * (1 - 1 / n), *(float(d == unit["dtype"]) for d in dtypes)])
            values.append(cycles - invoke - kernel)
            scales.append(cycles)
            groups.append(model.name)
    if not rows:
        return None, {}
    (parallel, *sync), _ = least_squares(rows, values, scales, groups)
    bounded = Estimate(*(min(1.0, max(0.0, each)) for each in parallel))
    return bounded, {d: _at_least_0(each) for d, each in zip(dtypes, sync, strict=True)}


def _slower(found: Mapping[str, Any]) -> Estimate | None:
    """Return the cycles at the lowest clock over those at the highest, over the models."""
    low = next((u for name, u in found.items() if name.endswith(LOWEST)), None)
    high = found.get("int8 x 1")
    if low is None or high is None:
        return None
    return mean_of([_cycles(low, n) / _cycles(high, n) for n in low["times_ns"]])


def _of_threads(found: Mapping[str, Any], threads: int) -> list[Any]:
    return [u for name, u in found.items() if u["threads"] == threads and LOWEST not in name]


def _models_in(unit: Mapping[str, Any]) -> list[OperatorModel]:
    return [model for model in operator_models() if model.name in unit["times_ns"]]


def _cycles(unit: Mapping[str, Any], name: str) -> float:
    cycles: float = unit["times_ns"][name] * unit["khz"] / 1e6
    return cycles


def _ratio(one: Estimate, other: Estimate) -> Estimate:
    value = one.value / other.value
    half = value * ((one.half / one.value) ** 2 + (other.half / other.value) ** 2) ** 0.5
    return Estimate(value, value - half, value + half)


def _at_least_0(estimate: Estimate) -> Estimate:
    return Estimate(*(max(0.0, each) for each in estimate))

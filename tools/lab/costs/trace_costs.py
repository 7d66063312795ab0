"""Energies of a cost table from an outside meter's trace, by the visits of the measurement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_infer.boards.cost_table import CostOrigin, CostRow, CostTable, OperatingPoint
from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.trace import Numbers, Trace, Window
from edge_infer.lab.costs.visits import Visit
from edge_infer.lab.traces.clock_fit import ClockFit, fit_clock
from edge_infer.lab.traces.marks import marked_spans
from edge_infer.lab.traces.window_energy import window_energies

UNMETERED = "no meter:"
"""How the note of a table begins whose energies nothing measured."""


@dataclass(frozen=True, slots=True)
class TracedCosts:
    """A table with a trace's energies, and how the two were brought together."""

    table: CostTable
    clock: ClockFit | None
    visits: int


def costs_from_trace(
    table: CostTable, visits: Sequence[Visit], trace: Trace, channel: str | None
) -> TracedCosts:
    """Return a table of times with the energies of a trace.

    Args:
        table: of the times that the visits gave.
        visits: in the order in which they ran.
        trace: taken meanwhile.
        channel: digital channel of the trace that marks the visits, as `marks.FORMS`; None where
            the board's clock is the trace's.

    Raises:
        TraceError: nothing says that the trace was measured.
        DamagedTraceError: marks and visits do not fit, or a row has no visit in the trace.
    """
    origin = _origin(trace, table)
    spans_ns = np.array([(visit.start_ns, visit.end_ns) for visit in visits], np.int64)
    clock = None
    if channel is not None:
        clock = fit_clock(marked_spans(trace, channel), spans_ns, trace.step_s, trace.name)
    spans = spans_ns / 1e9 if clock is None else clock.trace_s(spans_ns)
    powers = _Powers(trace, visits, spans)
    idle_uw = {khz: round(1e6 * powers.of("idle", "", khz)[0]) for khz in table.idle_uw}
    rows = {key: _row(row, *powers.of("stage", *key), origin) for key, row in table.rows.items()}
    switch = table.switch
    if switch.time_ns:
        power_w, _ = powers.of("switch", "", None)
        switch = replace(switch, energy_nj=round(power_w * switch.time_ns), origin=origin)
    drift = "" if clock is None else f", its clock {clock.drift_ppm:+.1f} ppm off"
    notes = [note for note in table.notes if not note.startswith(UNMETERED)]
    notes.append(f"energies from {trace.name} ({trace.format}), {powers.used} visits{drift}")
    found = replace(
        table,
        rows=rows,
        switch=switch,
        idle_uw=idle_uw,
        idle_reference_uw=idle_uw[min(idle_uw)],
        notes=tuple(notes),
    )
    return TracedCosts(found, clock, powers.used)


class _Powers:
    """Mean powers of the visits that count and lie in the trace."""

    def __init__(self, trace: Trace, visits: Sequence[Visit], spans: Numbers) -> None:
        inside = (spans[:, 0] >= trace.start_s) & (spans[:, 1] <= trace.end_s)
        chosen = [n for n, visit in enumerate(visits) if visit.kept and inside[n]]
        self._trace = trace
        self._visits = [visits[n] for n in chosen]
        self.used = len(chosen)
        starts, ends = spans[chosen, 0], spans[chosen, 1]
        windows = [Window(float(a), float(b), 1) for a, b in zip(starts, ends, strict=True)]
        energies_j = window_energies(trace, windows).gross_j if windows else np.zeros(0)
        self._powers_w = energies_j / (ends - starts)

    def of(self, kind: str, stage: str, at: OperatingPoint | int | None) -> tuple[float, float]:
        """Return mean and spread in W of the visits of one kind. Raises DamagedTraceError."""
        found = [
            float(power)
            for visit, power in zip(self._visits, self._powers_w, strict=True)
            if (visit.kind, visit.stage) == (kind, stage)
            and at in (None, visit.point, visit.point.clock_khz)
        ]
        if not found:
            raise DamagedTraceError(
                f"{self._trace.name} covers no visit of {stage or kind} at {at}: record from "
                "before measure begins to after its end"
            )
        return float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else 0.0


def _row(row: CostRow, power_w: float, spread_w: float, origin: CostOrigin) -> CostRow:
    # W times ns is nJ.
    return replace(
        row,
        energy_nj=round(power_w * row.time_ns),
        energy_spread_nj=round(spread_w * row.time_ns),
        origin=origin,
    )


def _origin(trace: Trace, table: CostTable) -> CostOrigin:
    simulated = table.switch.origin == "simulated"
    if trace.origin == "unknown":
        raise TraceError(f"{trace.name}: nothing says that an instrument took it: give --measured")
    if trace.origin not in ("measured", "simulated") or simulated != (trace.origin == "simulated"):
        raise TraceError(
            f"the visits are of a {'simulated' if simulated else 'real'} board, {trace.name} is "
            f"{trace.origin}: that trace is of something else"
        )
    return "simulated" if simulated else "measured"

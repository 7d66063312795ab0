"""An inference, its energy and the energy of a run, from the runtime's records to the wire's.

Times stay the device's.
"""

from typing import Any, cast

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.power import Origin
from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.wire.edge import Energy, EnergyRow, Record
from edge_infer.runtime.accounting.account import EnergyTotals, IdleReference
from edge_infer.runtime.records import InferenceEnergy, InferenceRecord


def wire_record(record: InferenceRecord) -> Record:
    """Return the record without its energy, which is known later."""
    predicted = record.exit_probabilities
    return Record(
        number=record.number,
        answer=int(record.answer),
        exit=record.exit,
        confidence=float(record.confidence),
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        stage_start_ns=record.stage_start_ns,
        stage_end_ns=record.stage_end_ns,
        points=tuple((p.clock_khz, p.threads, p.level) for p in record.points),
        switches=record.switches,
        invoke_ns=record.invoke_ns,
        ratio=record.ratio,
        probabilities=None if predicted is None else tuple(float(p) for p in predicted),
    )


def inference_record(record: Record, offset_ns: int) -> InferenceRecord:
    """Return the record with `offset_ns` added to its times; it arrived when it started.

    Raises FrameError when its operating points are none.
    """
    return InferenceRecord(
        number=record.number,
        answer=record.answer,
        exit=record.exit,
        confidence=record.confidence,
        arrival_ns=record.start_ns + offset_ns,
        start_ns=record.start_ns + offset_ns,
        end_ns=record.end_ns + offset_ns,
        stage_start_ns=tuple(ns + offset_ns for ns in record.stage_start_ns),
        stage_end_ns=tuple(ns + offset_ns for ns in record.stage_end_ns),
        points=tuple(_operating_point(point) for point in record.points),
        switches=record.switches,
        invoke_ns=record.invoke_ns,
        ratio=record.ratio,
        exit_probabilities=record.probabilities,
    )


def _operating_point(point: tuple[Any, ...]) -> OperatingPoint:
    """Return what a clock, a number of threads and a level say. Raises FrameError."""
    kinds = (int, int, str)
    if not 1 <= len(point) <= len(kinds) or any(
        type(part) is not kind for part, kind in zip(point, kinds, strict=False)
    ):
        raise FrameError(f"the device sent no operating point: {list(point)!r}"[:200])
    return OperatingPoint(*point)


def energy_row(record: InferenceRecord) -> EnergyRow:
    """Return the energy of an inference, with its number."""
    energy = record.energy
    if energy is None:
        return (record.number, None, 0, 0, None, 0.0)
    return (
        record.number,
        energy.origin,
        energy.gross_nj,
        energy.net_nj,
        energy.uncertainty_nj,
        float(energy.apportioned_share),
    )


def inference_energy(row: EnergyRow) -> InferenceEnergy | None:
    """Return what `energy_row` was given."""
    _, origin, gross_nj, net_nj, uncertainty_nj, share = row
    return None if origin is None else InferenceEnergy(
        cast(Origin, origin), gross_nj, net_nj, uncertainty_nj, share
    )  # fmt: skip


def wire_energy(totals: EnergyTotals) -> Energy:
    """Return the board's energy figures."""
    return Energy(
        origin=totals.origin,
        start_ns=totals.start_ns,
        end_ns=totals.end_ns,
        gross_nj=totals.gross_nj,
        idle_uw=totals.idle_reference.power_uw,
        idle_error_uw=totals.idle_reference.standard_error_uw,
        gross_error_nj=totals.gross_uncertainty_nj,
        net_error_nj=totals.net_uncertainty_nj,
        share=float(totals.apportioned_share),
        samples=totals.samples,
        lost=totals.lost,
        saturated=totals.saturated,
        sampler_busy_ns=totals.sampler_busy_ns,
    )


def energy_totals(energy: Energy) -> EnergyTotals:
    """Return what `wire_energy` was given."""
    return EnergyTotals(
        origin=cast(Origin, energy.origin),
        start_ns=energy.start_ns,
        end_ns=energy.end_ns,
        gross_nj=energy.gross_nj,
        idle_reference=IdleReference(energy.idle_uw, energy.idle_error_uw),
        gross_uncertainty_nj=energy.gross_error_nj,
        net_uncertainty_nj=energy.net_error_nj,
        apportioned_share=energy.share,
        samples=energy.samples,
        lost=energy.lost,
        saturated=energy.saturated,
        sampler_busy_ns=energy.sampler_busy_ns,
    )

"""An inference record as the body of a message, and back. Times stay the device's."""

from typing import Any

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp.message import Body
from edge_infer.runtime.accounting.account import EnergyTotals, IdleReference
from edge_infer.runtime.records import InferenceEnergy, InferenceRecord


def to_body(record: InferenceRecord) -> Body:
    """Return the record without its energy, which is known later."""
    body: Body = {
        "n": record.number,
        "answer": int(record.answer),
        "exit": record.exit,
        "confidence": float(record.confidence),
        "start": record.start_ns,
        "end": record.end_ns,
        "starts": list(record.stage_start_ns),
        "ends": list(record.stage_end_ns),
        "points": [[p.clock_khz, p.threads, p.level] for p in record.points],
        "switches": record.switches,
        "invoke": record.invoke_ns,
        "ratio": record.ratio,
    }
    if record.exit_probabilities is not None:
        body["probabilities"] = [float(p) for p in record.exit_probabilities]
    return body


def from_body(body: Body, offset_ns: int) -> InferenceRecord:
    """Return the record with `offset_ns` added to its times; it arrived when it started.

    Raises FrameError when `body` is none.
    """
    try:
        return InferenceRecord(
            number=body["n"],
            answer=body["answer"],
            exit=body["exit"],
            confidence=body["confidence"],
            arrival_ns=body["start"] + offset_ns,
            start_ns=body["start"] + offset_ns,
            end_ns=body["end"] + offset_ns,
            stage_start_ns=tuple(ns + offset_ns for ns in body["starts"]),
            stage_end_ns=tuple(ns + offset_ns for ns in body["ends"]),
            points=tuple(OperatingPoint(*point) for point in body["points"]),
            switches=body["switches"],
            invoke_ns=body["invoke"],
            ratio=body["ratio"],
            exit_probabilities=tuple(body["probabilities"]) if "probabilities" in body else None,
        )
    except (KeyError, TypeError) as error:
        raise FrameError(f"the device sent no inference record: {error!r}") from error


def energy_to_list(record: InferenceRecord) -> list[Any]:
    """Return number, origin, gross nJ, net nJ, uncertainty nJ or None, apportioned share."""
    energy = record.energy
    if energy is None:
        return [record.number, None, 0, 0, None, 0.0]
    return [
        record.number,
        energy.origin,
        energy.gross_nj,
        energy.net_nj,
        energy.uncertainty_nj,
        float(energy.apportioned_share),
    ]


def energy_from_list(values: list[Any]) -> InferenceEnergy | None:
    """Return what `energy_to_list` was given. Raises FrameError."""
    if len(values) != 6:
        raise FrameError(f"the device sent an energy of {len(values)} values, not 6")
    _, origin, gross_nj, net_nj, uncertainty_nj, share = values
    return None if origin is None else InferenceEnergy(
        origin, gross_nj, net_nj, uncertainty_nj, share
    )  # fmt: skip


def totals_to_body(totals: EnergyTotals) -> Body:
    """Return the rail's figures as a body."""
    return {
        "origin": totals.origin,
        "start": totals.start_ns,
        "end": totals.end_ns,
        "gross": totals.gross_nj,
        "idle_uw": totals.idle_reference.power_uw,
        "idle_error_uw": totals.idle_reference.standard_error_uw,
        "gross_error": totals.gross_uncertainty_nj,
        "net_error": totals.net_uncertainty_nj,
        "share": float(totals.apportioned_share),
        "samples": totals.samples,
        "lost": totals.lost,
        "saturated": totals.saturated,
        "busy": totals.sampler_busy_ns,
    }


def totals_from_body(body: Body) -> EnergyTotals:
    """Return what `totals_to_body` was given. Raises KeyError."""
    return EnergyTotals(
        origin=body["origin"],
        start_ns=body["start"],
        end_ns=body["end"],
        gross_nj=body["gross"],
        idle_reference=IdleReference(body["idle_uw"], body["idle_error_uw"]),
        gross_uncertainty_nj=body["gross_error"],
        net_uncertainty_nj=body["net_error"],
        apportioned_share=body["share"],
        samples=body["samples"],
        lost=body["lost"],
        saturated=body["saturated"],
        sampler_busy_ns=body["busy"],
    )

"""A record as plain values: a line of a log, a message."""

from typing import Any

from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.records import InferenceRecord

_TOLD = ("number", "name", "label", "confidence", "confidence_kind", "top", "true_label")
COLUMNS = (
    *_TOLD,
    "answer",
    "exit",
    "criterion",
    "arrival_ns",
    "start_ns",
    "end_ns",
    "latency_us",
    "deadline_missed",
    "clock_khz",
    "switches",
    "ratio",
    "energy_origin",
    "gross_nj",
    "net_nj",
    "uncertainty_nj",
    "apportioned_share",
    "gated",
    "net_answer",
)
"""The fields of a row, the same in every format. `label` is the answer in words and `answer` its
index, `confidence` how sure the net is (0 to 1), `criterion` what the exit's threshold was held
against, in score units; `top` and `clock_khz` have several values, the latter one a stage. A gated
row had no stage and no energy of its own; `net_answer` is what the net said where smoothing gave
another answer."""


def row_of(record: InferenceRecord, reader: AnswerReader) -> dict[str, Any]:
    """Return a record as plain values, keyed by `COLUMNS`."""
    answer, energy = reader.read(record), record.energy
    return {
        "number": record.number,
        "name": record.name,
        "label": answer.label,
        "confidence": _rounded(answer.confidence),
        "confidence_kind": answer.kind,
        "top": top_document(record, reader),
        "true_label": reader.true_label(record),
        "answer": record.answer,
        "exit": record.exit,
        "criterion": record.confidence,
        "arrival_ns": record.arrival_ns,
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "latency_us": record.latency_ns / 1000,
        "deadline_missed": record.missed,
        "clock_khz": [point.clock_khz for point in record.points],
        "switches": record.switches,
        "ratio": record.ratio,
        "energy_origin": energy.origin if energy else None,
        "gross_nj": energy.gross_nj if energy else None,
        "net_nj": energy.net_nj if energy else None,
        "uncertainty_nj": energy.uncertainty_nj if energy else None,
        "apportioned_share": round(energy.apportioned_share, 4) if energy else None,
        "gated": record.gated,
        "net_answer": record.net_answer,
    }


def top_document(record: InferenceRecord, reader: AnswerReader) -> list[dict[str, Any]]:
    """Return the likeliest labels of a record, the surest first."""
    return [
        {"label": choice.label, "confidence": _rounded(choice.confidence)}
        for choice in reader.read(record).top
    ]


def answer_document(record: InferenceRecord, reader: AnswerReader, exit_: str) -> dict[str, Any]:
    """Return what one input came to: an entry of `answers` of `run --json`.

    Args:
        record: of the input.
        reader: of the bundle.
        exit_: name of the exit.
    """
    row, energy = row_of(record, reader), record.energy
    return {
        **{key: row[key] for key in (*_TOLD, "gated")},
        "exit": exit_,
        "time_us": record.busy_ns / 1000,
        "net_uj": None if energy is None else energy.net_nj / 1000,
        "energy_origin": row["energy_origin"],
    }


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 6)

"""`edge-infer tune` where thresholds stay: how sure each exit is becomes a probability."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_infer.commands.options import refuse_existing, refuse_others
from edge_infer.commands.quantities import share_text
from edge_infer.commands.render import emit, note, table
from edge_infer.commands.tune_report import tell_inputs
from edge_infer.lab.tuning.calibration_data import read_calibration
from edge_infer.lab.tuning.confidence import ConfidenceFit, fit_confidence
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import write_bundle
from edge_infer.runtime.frames.raw import RawOptions

if TYPE_CHECKING:
    from edge_infer.commands.tune import TuneOptions

_USED = {
    "bundle", "keep_thresholds", "calibration", "calibration_labels", "frame_size", "frame_format",
    "frame_stride", "background", "strict", "backend", "resolver", "output", "replace", "dry_run",
    "as_json", "verbose",
}  # fmt: skip
"""Parameters of tune that mean something here."""


def fit(
    bundle: Bundle,
    tuning: "TuneOptions",
    background: tuple[int, ...] | None,
    out: Path | None,
    *,
    replace: bool,
    as_json: bool,
) -> None:
    """Fit a bundle's temperatures, write it, and print what they mend.

    Args:
        bundle: with any number of exits.
        tuning: the inputs, how to read them, and what to run on.
        background: what transparent images lie on.
        out: folder to make; None to write nothing.
        replace: put it in the place of a bundle that stands there.
        as_json: print the document.
    """
    why = "the thresholds stay" if len(bundle.manifest.stages) > 1 else "there is one exit"
    refuse_others(_USED, f"{why}, only the confidence is fitted")
    if tuning.calibration is None:
        raise click.UsageError("--calibration is missing: labelled inputs to fit on")
    if out is not None:
        refuse_existing(out, replace)
    raw = RawOptions(tuning.frame_size, tuning.frame_format, tuning.frame_stride)
    data = read_calibration(
        bundle,
        tuning.calibration,
        tuning.calibration_labels,
        strict=tuning.strict,
        background=background,
        raw=raw,
    )
    tell_inputs(data)
    backend = open_backend(tuning.backend, tuning.resolver)
    found = fit_confidence(bundle, backend, data, note)
    if out is not None:
        write_bundle(out, found.draft, replace=replace)
    document = {
        "path": None if out is None else str(out),
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version},
        "backend": str(backend.info),
        "calibration": {
            "source": data.source,
            "inputs": len(data),
            "skipped": list(data.skipped),
        },
        "input": dict(data.read),
        "exits": _rows(found),
    }
    emit(as_json, document, confidence_report(document))


def _rows(found: ConfidenceFit) -> list[dict[str, Any]]:
    return [
        {
            "ratio": row.ratio,
            "exit": row.stage,
            "answers": row.answers,
            "accuracy": row.accuracy,
            "temperature": row.temperature,
            "score_error": row.score_error,
            "probability_error": row.probability_error,
        }
        for row in found.exits
    ]


def confidence_report(document: Mapping[str, Any]) -> str:
    """Return the document as text."""
    several = len({row["ratio"] for row in document["exits"]}) > 1
    rows = [
        (
            *((row["ratio"],) if several else ()),
            row["exit"],
            str(row["answers"]),
            share_text(row["accuracy"], 2),
            f"{row['temperature']:g}",
            share_text(row["score_error"], 2),
            share_text(row["probability_error"], 2),
        )
        for row in document["exits"]
    ]
    heading = ("exit", "answers", "right", "temperature", "score is off by", "probability by")
    bundle, calibration = document["bundle"], document["calibration"]
    told = [
        f"{bundle['name']} {bundle['version']}, {document['backend']}\n"
        f"{calibration['inputs']} inputs of {calibration['source']}",
        table(rows, (*(("ratio",) if several else ()), *heading)),
        *([document["path"]] if document["path"] else []),
    ]
    return "\n\n".join(told)

"""`edge-infer tune --gate`: how much a picture may differ and still get the last answer."""

from typing import TYPE_CHECKING, Any

import click

from edge_infer.commands.options import is_typed, refuse_others
from edge_infer.commands.render import emit, note, table, warn
from edge_infer.commands.source_options import STANDARD_INPUT, SourceOptions, open_input
from edge_infer.lab.tuning.gate_choice import choose_gate, gate_document, record_answers
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.gate import check_gate

_USED = {
    "bundle", "recording", "changes", "confidence", "frame_size", "frame_format", "frame_stride",
    "background", "strict", "backend", "resolver", "dry_run", "as_json", "verbose",
}  # fmt: skip
"""Parameters of tune that mean something here."""

if TYPE_CHECKING:
    from edge_infer.commands.tune import TuneOptions


def choose(
    bundle: Bundle,
    recording: str,
    changes: float,
    tuning: "TuneOptions",
    background: tuple[int, ...] | None,
    as_json: bool,
) -> None:
    """Choose a threshold on a recording, and print it.

    Args:
        bundle: whose answers are not to change.
        recording: an input of `run` that has an end.
        changes: per cent of the answers that may.
        tuning: how sure to be, how to read, and what to run on.
        background: what transparent images lie on.
        as_json: print the document.
    """
    refuse_others(_USED, "--gate is chosen on a recording alone")
    check_gate(FrameSpec.of(bundle))
    reading = SourceOptions(
        None, tuning.frame_size, tuning.frame_format, tuning.frame_stride, background, tuning.strict
    )
    source = open_input(bundle, recording, reading)
    if not source.repeatable and recording != STANDARD_INPUT:
        raise InputError(f"{recording}: a camera has no end: record it first, and give the file")
    backend = open_backend(tuning.backend, tuning.resolver)
    answers = record_answers(bundle, source, backend, source.name, note)
    for line in (*(f"skipped: {line}" for line in source.skipped), *source.warnings()):
        warn(line)
    allowed = changes / 100
    found = gate_document(
        choose_gate(answers, allowed, tuning.confidence), allowed, tuning.confidence
    )
    document = {
        "bundle": bundle.manifest.name,
        "source": source.name,
        "input": source.document(),
        **found,
    }
    emit(as_json, document, gate_report(document))


def refuse_changes() -> None:
    """Refuse what only goes with --gate. Raises click.UsageError."""
    if is_typed("changes"):
        raise click.UsageError("--changes goes with --gate RECORDING")


def gate_report(document: dict[str, Any]) -> str:
    """Return the document as text."""
    rows = [
        (
            f"{row['threshold']:g}",
            f"{row['gated_percent']:.1f} %",
            f"{row['changed_percent']:.2f} %",
            f"{row['bound_percent']:.2f} %",
            f"{row['draws']:.0f}",
        )
        for row in document["rows"]
    ]
    heading = ("grey levels", "without the net", "changed", "at most", "count as")
    promise = (
        f"at most {document['allowed_percent']:g} % of the answers changed, at "
        f"{document['confidence']:.0%} confidence"
    )
    threshold = document["threshold"]
    if threshold is None:
        verdict = f"no gate can be shown to have {promise}{_why(document)}"
    else:
        verdict = f"run --gate {threshold:g}: {promise}"
    named = f"{document['frames']} frames of {document['source']}"
    return f"{named}\n\n{table(rows, heading)}\n\n{verdict}"


def _why(document: dict[str, Any]) -> str:
    frames, needed = document["frames"], document["frames_needed"]
    if frames < needed:
        return f": {frames} frames tell too little, {needed} is the least"
    return ": allow more (--changes), or record what your camera will see"

"""What the `bundle` commands say of a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from models_tflite import Bundle
from models_tflite.lint import lint_bundle
from models_tflite.manifest import FULL_RATIO

from .render import emit, table, warn


def emit_built(
    bundle: Bundle, as_json: bool, report: str = "", more: Mapping[str, Any] | None = None
) -> None:
    """Print what was built, with warnings about it.

    Args:
        bundle: as it was written.
        as_json: print one document.
        report: text to stand below.
        more: what the document has besides.
    """
    findings = lint_bundle(bundle)
    for finding in findings:
        if finding.severity == "warning":
            warn(f"{finding.where}: {finding.what}: {finding.advice}")
    document = identity(bundle) | {"findings": [asdict(finding) for finding in findings]}
    blocks = [str(bundle.path), info_text(bundle), report]
    emit(as_json, document | dict(more or {}), "\n\n".join(filter(None, blocks)))


def identity(bundle: Bundle) -> dict[str, Any]:
    """Return where a bundle is and what it is called."""
    return {
        "path": str(bundle.path),
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version},
    }


def info_text(bundle: Bundle) -> str:
    """Return what a bundle holds, for people."""
    manifest = bundle.manifest
    first = manifest.stages[0].input
    source = first.preprocess.source if first.preprocess else first.dtype
    samples = manifest.samples
    pairs = [
        ("bundle", f"{manifest.name} {manifest.version} ({', '.join(manifest.kinds)})"),
        ("description", manifest.description),
        ("license", manifest.license),
        ("labels", _shortened(manifest.labels)),
        ("frames", f"{list(first.frame_shape)} {source}"),
        ("samples", f"{samples.count} ({samples.license})" if samples else "none"),
        ("golden", f"{manifest.golden.count} vectors, made with {manifest.golden.made_with}"),
        ("tuned on", str(manifest.tuned_on)),
        ("ratios", ", ".join(manifest.ratios)),
    ]
    lines = [f"{key:<12}{value}" for key, value in pairs if value]
    return "\n".join(lines) + "\n\n" + _stage_table(bundle)


def _stage_table(bundle: Bundle) -> str:
    manifest = bundle.manifest
    thresholds = manifest.thresholds[FULL_RATIO]
    values = [*map(_threshold_text, thresholds.values), "-"]
    rows = [
        (
            stage.name,
            stage.input.reads,
            "x".join(map(str, stage.input.shape)),
            stage.input.dtype,
            f"{stage.macs / 1e6:.3f}",
            f"{stage.bytes / 1000:.1f}",
            stage.scores.kind,
            value,
        )
        for stage, value in zip(manifest.stages, values, strict=True)
    ]
    heading = ("stage", "reads", "input", "type", "MMAC", "kB", "head", thresholds.criterion)
    return table(rows, heading)


def _threshold_text(value: float | Sequence[float]) -> str:
    return "per class" if isinstance(value, Sequence) else f"{value:g}"


def _shortened(labels: Sequence[str], shown: int = 6) -> str:
    more = len(labels) - shown
    return ", ".join(labels[:shown]) + (f" and {more} more" if more > 0 else "")

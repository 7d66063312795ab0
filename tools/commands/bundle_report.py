"""What the `bundle` commands say of a bundle."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from edge_infer.commands.render import emit, table, warn
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.errors import BackendError
from edge_infer.models_tflite.lint import lint_bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.redraft import ratio_bytes


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
    blocks = ["\n".join(f"{key:<12}{value}" for key, value in pairs if value), _stage_table(bundle)]
    if manifest.prunable is not None:
        blocks.append(_ratio_table(bundle, ratio_rows(bundle)))
    return "\n\n".join(blocks)


def ratio_rows(bundle: Bundle) -> list[dict[str, Any]]:
    """Return name, MACs, bytes and accuracy of every ratio of a prunable bundle, widest first.

    Bytes are those that its stages would take as files of their own, None where ai-edge-litert is
    missing; the accuracies in percent are what the bundle says was reached on test images, without
    exits and with them, None where it says nothing.
    """
    manifest = bundle.manifest
    sizes: dict[str, int] = {}
    with suppress(BackendError):
        sizes = ratio_bytes(bundle)
    return [
        {
            "ratio": ratio,
            "macs": sum(stage.macs for stage in manifest.stages_at(ratio)),
            "bytes": sizes.get(ratio),
            "test_percent": manifest.ratio_figure(ratio, "test", manifest.stages[-1].name),
            "adaptive_test_percent": manifest.ratio_figure(ratio, "adaptive", "test"),
        }
        for ratio in sorted(manifest.ratios, key=float, reverse=True)
    ]


def _ratio_table(bundle: Bundle, ratios: Sequence[Mapping[str, Any]]) -> str:
    prunable = bundle.manifest.prunable
    assert prunable is not None
    rows = [
        (
            row["ratio"],
            f"{row['macs'] / 1e6:.3f}",
            "-" if row["bytes"] is None else f"{row['bytes'] / 1000:.1f}",
            _percent(row["test_percent"]),
            _percent(row["adaptive_test_percent"]),
        )
        for row in ratios
    ]
    heading = ("ratio", "MMAC", "kB by itself", "test %", "leaving early %")
    return (
        f"{table(rows, heading)}\n\n"
        f"what the stage files carry for the ratios: {prunable.auxiliary_bytes / 1000:.1f} kB"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


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

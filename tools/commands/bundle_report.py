"""What the `bundle` commands say of a bundle."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from edge_infer.commands.render import emit, table, warn
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.errors import BackendError
from edge_infer.models_tflite.lint import lint_bundle
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.models_tflite.redraft import ratio_bytes
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.frame_trials import better_frames, last_answer
from edge_infer.runtime.frames.source import RawFrame
from edge_infer.runtime.label_check import Confusion, LabelVerdict, expected_accuracy

_SAMPLES = 1000
"""Samples that are answered, about, to see whether their labels fit."""


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
    for line in background_warnings(bundle.manifest):
        warn(line)
    checked = check_samples(bundle)
    if checked is not None and checked.doubtful:
        warn(f"samples: {checked.text}")
    document = identity(bundle) | {
        "findings": [asdict(finding) for finding in findings],
        "label_mapping": label_mapping(bundle.manifest),
        "samples_check": None if checked is None else checked.document(),
    }
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
        *(("scores", text) for text in sorted(set(map(_mapping_text, label_mapping(manifest))))),
        ("frames", f"{list(first.frame_shape)} {source}"),
        ("samples", f"{samples.count} ({samples.license})" if samples else "none"),
        ("golden", f"{manifest.golden.count} vectors, made with {manifest.golden.made_with}"),
        ("tuned on", str(manifest.tuned_on)),
        ("calibration", _calibration_text(manifest)),
        ("ratios", ", ".join(manifest.ratios)),
    ]
    blocks = ["\n".join(f"{key:<12}{value}" for key, value in pairs if value), _stage_table(bundle)]
    if manifest.prunable is not None:
        blocks.append(_ratio_table(bundle, ratio_rows(bundle)))
    return "\n\n".join(blocks)


def label_mapping(manifest: Manifest) -> list[dict[str, Any]]:
    """Return, by stage, which score is which label: the offset, the first and the last."""
    return [
        {
            "stage": stage.name,
            "offset": (offset := stage.scores.label_offset),
            "first": {"score": offset, "label": manifest.labels[0]},
            "last": {"score": stage.scores.classes - 1, "label": manifest.labels[-1]},
        }
        for stage in manifest.stages
    ]


def _mapping_text(mapping: Mapping[str, Any]) -> str:
    first, last = mapping["first"], mapping["last"]
    text = f"{first['score']} is {first['label']!r}, {last['score']} is {last['label']!r}"
    offset = mapping["offset"]
    return text if not offset else f"{text}; an offset of {offset}: 0 is a background class"


def background_warnings(manifest: Manifest) -> Iterator[str]:
    """Yield what it means where a head has a score more than there are labels."""
    for stage, mapping in zip(manifest.stages, label_mapping(manifest), strict=True):
        if mapping["offset"]:
            yield (
                f"{stage.name}: {len(manifest.labels)} labels for {stage.scores.classes} scores: "
                "score 0 is taken for a background class without a label, "
                f"{_mapping_text(mapping).split(';')[0]}; if a label is missing instead, all those "
                "in front of it are off by one: add its line"
            )


def check_samples(bundle: Bundle) -> LabelVerdict | None:
    """Return whether a bundle's answers to its samples and their labels belong together."""
    samples = bundle.samples()
    if samples is None:
        return None
    stages = load_stages(bundle, open_backend())
    step = max(1, len(samples[0]) // _SAMPLES)
    some, labels = (rows[::step] for rows in samples)
    confusion = Confusion(bundle.manifest.labels)
    for data, label in zip(some, labels, strict=True):
        confusion.add(int(label), last_answer(stages, data))
    verdict = confusion.verdict(expected_accuracy(bundle.manifest, FULL_RATIO))
    if not verdict.doubtful or verdict.suggestion is not None:
        return verdict
    frames = [RawFrame(data, int(label)) for data, label in zip(some, labels, strict=True)]
    return replace(verdict, suggestion=better_frames(stages, frames, len(frames)))


def _calibration_text(manifest: Manifest) -> str:
    found = (manifest.calibration or {}).get(FULL_RATIO)
    if found is None:
        return "none: runs are not held against it"
    names = (stage.name for stage in manifest.stages)
    shares = zip(names, found.shares, strict=True)
    left = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares)
    return f"{100 * found.accuracy:.2f} % of {found.inputs} right; leave at {left}"


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

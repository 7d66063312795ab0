"""`edge-infer bundle`: make, show and check model bundles."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from models_tflite import Bundle, open_bundle
from models_tflite.backend import open_backend
from models_tflite.build import SampleSet
from models_tflite.document import to_document
from models_tflite.errors import BackendError, BundleVerificationError
from models_tflite.lint import Finding, lint_bundle
from models_tflite.manifest import FULL_RATIO
from models_tflite.self_test import Criterion, SelfTestReport, self_test
from models_tflite.single import build_single
from runtime.exit_criterion import exit_criterion

from .options import backend_option, json_option, option, resolver_option
from .render import emit, table, warn


class Numbers(click.ParamType[tuple[float, ...]]):
    """One number, or one per channel: 127.5 or 123.7,116.3,103.5."""

    name = "x[,y,z]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no number, nor numbers with commas between", param, ctx)


@click.group("bundle", short_help="Build, show and check model bundles.")
def bundle_group() -> None:
    """Build, show and check model bundles."""


@bundle_group.command("build")
@option(
    "--single",
    "model",
    type=click.Path(path_type=Path),
    required=True,
    help="A .tflite classifier: one input, one output of class scores.",
)
@option("--name", help="Name of the bundle.  [default: the model's file name]")
@option("-o", "--out", type=click.Path(path_type=Path), help="Folder to make.  [default: ./NAME]")
@option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="One label a line; one less than the scores if the first is a background class.  "
    "[default: the class numbers]",
)
@option(
    "--mean",
    type=Numbers(),
    help="Subtracted from a frame, in frame units.  [default: pixels enter as they are]",
)
@option("--std", type=Numbers(), help="What the difference is divided by.")
@option(
    "--source",
    type=click.Choice(["uint8", "float32"]),
    default="uint8",
    show_default=True,
    help="Type of the frames.",
)
@option(
    "--resize",
    type=click.Choice(["none", "bilinear", "nearest"]),
    default="none",
    show_default=True,
    help="How frames of another size are fitted.",
)
@option("--description", default="", help="One sentence.")
@option("--license", "license_", default="", help="Licence of the model.")
@option(
    "--samples",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Real inputs to travel along: an .npz with frames [n, H, W, C] and labels [n].",
)
@option("--data-license", help="Licence of the samples.")
@option("--replace", is_flag=True, help="Put it in the place of a bundle that stands there.")
@json_option
def build_command(
    model: Path,
    name: str | None,
    out: Path | None,
    labels: Path | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    source: Literal["uint8", "float32"],
    resize: Literal["none", "bilinear", "nearest"],
    description: str,
    license_: str,
    samples: Path | None,
    data_license: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Make a bundle folder from a model."""
    name = name or model.stem
    bundle = build_single(
        model,
        out or Path(name),
        name=name,
        labels=_read_labels(labels) if labels else None,
        mean=mean,
        std=std,
        source=source,
        resize=resize,
        description=description,
        license=license_,
        samples=_read_samples(samples, data_license) if samples else None,
        replace=replace,
    )
    findings = lint_bundle(bundle)
    for finding in findings:
        if finding.severity == "warning":
            warn(f"{finding.where}: {finding.what}: {finding.advice}")
    document = _identity(bundle) | {"findings": [asdict(finding) for finding in findings]}
    emit(as_json, document, f"{bundle.path}\n\n{_info_text(bundle)}")


@bundle_group.command("info")
@click.argument("bundle")
@json_option
def info_command(bundle: str, as_json: bool) -> None:
    """Show what a BUNDLE holds."""
    opened = open_bundle(bundle)
    document = {"path": str(opened.path)} | to_document(opened.manifest)
    emit(as_json, document, _info_text(opened))


@bundle_group.command("verify")
@click.argument("bundle")
@json_option
def verify_command(bundle: str, as_json: bool) -> None:
    """Check a BUNDLE: hashes, schema, and that its stages chain. Runs nothing of it."""
    opened = open_bundle(bundle)
    findings = _findings(opened)
    files = opened.manifest.files
    size_bytes = sum(info.bytes for info in files.values())
    linted = None if findings is None else [asdict(finding) for finding in findings]
    document = _identity(opened) | {
        "files": len(files),
        "bytes": size_bytes,
        "findings": linted,
    }
    lines = [f"{opened.manifest.name} {opened.manifest.version}: {len(files)} files, "
             f"{size_bytes / 1000:.1f} kB, all as the manifest says"]  # fmt: skip
    lines += map(str, findings or ())
    if findings is None:
        lines.append("not linted: reading a model's graph needs ai-edge-litert")
    emit(as_json, document, "\n".join(lines))
    if any(finding.severity == "error" for finding in findings or ()):
        raise BundleVerificationError(f"{bundle}: a stage cannot run as it is, see the errors")


@bundle_group.command("self-test")
@click.argument("bundle")
@backend_option
@resolver_option
@json_option
def self_test_command(bundle: str, backend: str | None, resolver: str, as_json: bool) -> None:
    """Run the golden vectors of a BUNDLE and compare."""
    opened = open_bundle(bundle)
    report = self_test(opened, open_backend(backend, resolver), exit_criteria(opened))
    document = _identity(opened) | to_document(report) | {"passed": report.passed}
    emit(as_json, document, _self_test_text(opened, report))
    if not report.passed:
        raise BundleVerificationError(
            f"{bundle}: the self-test failed on {len(report.failures)} points: the bundle or the "
            "kernels here are not what they should be"
        )


def exit_criteria(bundle: Bundle, ratio: str = FULL_RATIO) -> tuple[Criterion, ...]:
    """Return the exit decision of each stage of a bundle, as a run would take it."""
    thresholds = bundle.manifest.thresholds[ratio]
    values: tuple[Any, ...] = (*thresholds.values, None)
    return tuple(
        exit_criterion(thresholds.criterion, value, stage.scores.scale or 1.0)
        for stage, value in zip(bundle.manifest.stages, values, strict=True)
    )


def _identity(bundle: Bundle) -> dict[str, Any]:
    return {
        "path": str(bundle.path),
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version},
    }


def _findings(bundle: Bundle) -> list[Finding] | None:
    try:
        return lint_bundle(bundle)
    except BackendError:  # a board without the schema can still check all hashes
        return None


def _read_labels(path: Path) -> list[str]:
    return path.read_text("utf-8").rstrip().splitlines()


def _read_samples(path: Path, data_license: str | None) -> SampleSet:
    if not data_license:
        raise click.UsageError("--samples wants --data-license: whose data travel in the bundle?")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return SampleSet(arrays["frames"], arrays["labels"], data_license)
    except (ValueError, KeyError, OSError) as error:
        raise click.UsageError(f"{path}: wants an .npz with frames and labels: {error}") from None


def _info_text(bundle: Bundle) -> str:
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


def _self_test_text(bundle: Bundle, report: SelfTestReport) -> str:
    made = bundle.manifest.golden.made_with
    lines = [
        f"kernels here  {report.backend}",
        f"golden from   {made}",
        f"vectors       {report.vectors}, of which {report.wide} had to agree",
        f"scores        {'all equal bit for bit' if report.exact else 'not all equal'}",
        f"result        {'passed' if report.passed else 'FAILED'}",
    ]
    if not report.wide:
        lines.append("no margin is wide enough to hold other kernels to: only a run was checked")
    return "\n".join([*lines, *report.failures])

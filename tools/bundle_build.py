"""`edge-infer bundle build`: a bundle of one model, or of a little and a big one."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from models_tflite.build import SampleSet
from models_tflite.lint import lint_bundle
from models_tflite.single import build_single

from .bundle_report import identity, info_text
from .options import json_option, option
from .render import emit, warn


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


@click.command("build")
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
    document = identity(bundle) | {"findings": [asdict(finding) for finding in findings]}
    emit(as_json, document, f"{bundle.path}\n\n{info_text(bundle)}")


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

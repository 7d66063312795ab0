"""`edge-infer bundle build`: a bundle of one model, or of a little and a big one, tuned.

Beside it what `bundle cut` does in the same way: how frames enter, the labels, tuning and writing.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from dataclasses import replace as replaced
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.commands.bundle_report import emit_built
from edge_infer.commands.options import json_option, option, options_as, refuse_existing
from edge_infer.commands.render import note, warn
from edge_infer.commands.source_options import background_option
from edge_infer.commands.tune import TuneOptions, tune_options
from edge_infer.commands.tune_report import tell_inputs, tune_report
from edge_infer.lab.tuning.tuning import tuned_draft
from edge_infer.lab.tuning.tuning_document import tune_document
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import BundleDraft, SampleSet, write_bundle
from edge_infer.models_tflite.classifier import Classifier, FrameOptions, read_classifier
from edge_infer.models_tflite.drafts import pair_draft, single_draft
from edge_infer.models_tflite.input_mapping import input_document, mapping_doubts, mapping_text
from edge_infer.models_tflite.label_file import read_label_file
from edge_infer.models_tflite.self_test import self_test
from edge_infer.models_tflite.stage_spec import Stage
from edge_infer.runtime.exit_criterion import exit_criteria
from edge_infer.runtime.frames.array_files import read_arrays

_MOST = 1e9
"""No pixel is as large."""


class Numbers(click.ParamType[tuple[float, ...]]):
    """One number, or one per channel: 127.5 or 123.7,116.3,103.5."""

    name = "x[,y,z]"

    def __init__(self, *, positive: bool = False) -> None:
        self.positive = positive

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no number, nor numbers with commas between", param, ctx)
        low = 0 if self.positive else -_MOST
        if not all(low < number < _MOST for number in numbers):
            self.fail(f"{value!r} is not between {low:g} and {_MOST:g}", param, ctx)
        return numbers


frame_options = options_as(
    "frames",
    FrameOptions,
    (
        option(
            "--mean",
            type=Numbers(),
            help="Subtracted from a frame, in frame units.  [default: pixels enter as they are]",
        ),
        option("--std", type=Numbers(positive=True), help="What the difference is divided by."),
        option(
            "--source",
            type=click.Choice(["uint8", "int8", "float32"]),
            default="uint8",
            show_default=True,
            help="Type of the frames; int8 are the integers of the model's own input.",
        ),
        option(
            "--resize",
            type=click.Choice(["none", "bilinear", "nearest"]),
            default="none",
            show_default=True,
            help="How frames of another size are fitted.",
        ),
        background_option,
    ),
)
"""How frames enter a model; the command gets them as the argument `frames`."""
model_file = click.Path(path_type=Path)
BUNDLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""As manifest.schema.json has it."""


@click.command("build", short_help="Make a bundle of one model, or of a pair.")
@option("--single", "model", type=model_file, help="A .tflite classifier: one input, one output.")
@option("--little", type=model_file, help="The classifier that answers first, with --big.")
@option("--big", type=model_file, help="The classifier that answers where the little is unsure.")
@option("--name", help="Name of the bundle.  [default: the model's file name]")
@option("-o", "--out", type=click.Path(path_type=Path), help="Folder to make.  [default: ./NAME]")
@option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="One label a line; one less than the scores if the first is a background class.  "
    "[default: those inside the model, else the class numbers; a pair must have them]",
)
@frame_options
@option("--head", help="Output of --single with the class scores.  [default: the only one]")
@option("--big-mean", type=Numbers(), help="--mean of the big net.  [default: as --mean]")
@option("--big-std", type=Numbers(positive=True), help="--std of the big net.  [default: as --std]")
@option("--description", default="", help="One sentence.")
@option("--license", "license_", default="", help="Licence of the model.")
@option(
    "--samples",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Real inputs to travel along: an .npz with frames [n, H, W, C] and labels [n].",
)
@option("--data-license", help="Licence of the samples.")
@option("--replace", is_flag=True, help="Put it in the place of a bundle that stands there.")
@tune_options
@json_option
def build_command(
    model: Path | None,
    little: Path | None,
    big: Path | None,
    name: str | None,
    out: Path | None,
    labels: Path | None,
    frames: FrameOptions,
    head: str | None,
    big_mean: tuple[float, ...] | None,
    big_std: tuple[float, ...] | None,
    description: str,
    license_: str,
    samples: Path | None,
    data_license: str | None,
    replace: bool,
    tuning: TuneOptions,
    as_json: bool,
) -> None:
    """Make a bundle folder from a .tflite classifier, or from a little and a big one.

    A pair may differ in input size, layout, type, zero points, softmax or logits, and in whether a
    background class stands in front; their classes must be the same. It is tuned on calibration
    inputs for a board, as `edge-infer tune` does it.
    """
    if model is not None:
        _refuse_for_single()
        name = checked_name(name or model.stem)
        refuse_existing(out or Path(name), replace)
    elif head:
        raise click.UsageError("--head goes with --single: each net of a pair has one output")
    more: dict[str, Any] = {
        "description": description,
        "license": license_,
        "samples": _read_samples(samples, data_license) if samples else None,
    }
    given = read_labels(labels) if labels else None
    if model is not None:
        net = read_classifier(model, head=head, labels=given)
        draft = single_draft(net, given or labels_inside(net), str(name), frames, **more)
        bundle = write_bundle(out or Path(draft.name), draft, replace=replace)
        text, (mapping,) = _tell_mapping(bundle.manifest.stages)
        emit_built(bundle, as_json, text, {"input": mapping})
        return
    if big and not given:
        given = labels_inside(read_classifier(big, several_outputs=True))
    if not (little and big and given and tuning.calibration):
        raise click.UsageError(_missing(little, big, given, tuning.calibration))
    name = checked_name(name or f"{little.stem}-{big.stem}")
    big_frames = replaced(frames, mean=big_mean or frames.mean, std=big_std or frames.std)
    nets = read_classifier(little, labels=given), read_classifier(big, labels=given)
    draft = pair_draft(*nets, given, name, frames, big_frames, **more)
    write_tuned(draft, tuning, out or Path(name), replace, as_json)


def checked_name(name: str) -> str:
    """Return what a bundle is to be called. Raises click.UsageError where nothing can be."""
    if BUNDLE_NAME.fullmatch(name):
        return name
    raise click.UsageError(
        f"{name!r} cannot name a bundle, which has letters, digits, dots, - and _, 100 at most: "
        "give --name"
    )


def _refuse_for_single() -> None:
    """Refuse what was typed beside --single and would do nothing: a pair's options, tuning's."""
    ctx = click.get_current_context()
    unused = {"little", "big", "big_mean", "big_std"} | {
        field.name for field in fields(TuneOptions)
    }
    typed = [
        f"--{name.replace('_', '-')}"
        for name in ctx.params
        if name in unused and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if typed:
        raise click.UsageError(
            f"--single stands without {', '.join(typed)}: one net has no exits to tune"
        )


def _missing(little: Any, big: Any, labels: Any, calibration: Any) -> str:
    whole = "--single MODEL, or --little MODEL --big MODEL --labels FILE --calibration DATA"
    asked = {"--little": little, "--big": big, "--labels": labels, "--calibration": calibration}
    missing = [flag for flag, given in asked.items() if not given]
    return f"give {whole}; missing for a pair: {', '.join(missing)}"


def _read_samples(path: Path, data_license: str | None) -> SampleSet:
    if not data_license:
        raise click.UsageError("--samples wants --data-license: whose data travel in the bundle?")
    arrays = read_arrays(path)
    if arrays is None or arrays.labels is None:
        raise click.UsageError(f"{path}: wants an .npz with frames and labels")
    return SampleSet(arrays.frames, arrays.labels, data_license)


def read_labels(path: Path) -> list[str]:
    """Return the labels of a file in the order of the scores; warn of what was done to them."""
    found = read_label_file(path)
    for line in found.notes:
        warn(line)
    return list(found.labels)


def labels_inside(net: Classifier) -> list[str] | None:
    """Return the labels that a .tflite file carries; say so."""
    if net.inside is None:
        return None
    note(f"{len(net.inside.labels)} labels are inside {net.name}")
    for line in net.inside.notes:
        warn(line)
    return list(net.inside.labels)


def _tell_mapping(stages: Sequence[Stage]) -> tuple[str, list[dict[str, Any]]]:
    """Warn of what is odd about how frames enter; return how they do, as text and documents."""
    reading = [stage for stage in stages if stage.input.reads == "frame"]
    lines = []
    for stage in reading:
        for doubt in mapping_doubts(stage.input):
            warn(f"{stage.name}: {doubt}")
        preprocess = stage.input.preprocess
        what = "integers" if preprocess and preprocess.source == "int8" else "pixels"
        whose = f"{stage.name}: " if len(reading) > 1 else ""
        lines.append(f"{what:<12}{whose}{mapping_text(stage.input)}")
    return "\n".join(lines), [input_document(stage.input) for stage in reading]


def write_tuned(
    draft: BundleDraft, options: TuneOptions, out: Path, replace: bool, as_json: bool
) -> None:
    """Tune a draft, write it, run its self-test, and print what came of it.

    Nothing stands at `out` unless it could be tuned.

    Args:
        draft: with thresholds that let nothing leave early.
        options: how to tune.
        out: the folder to make.
        replace: put it in the place of a bundle that stands at `out`.
        as_json: print one document.
    """
    refuse_existing(out, replace)
    with tempfile.TemporaryDirectory() as folder:
        untuned = write_bundle(Path(folder) / draft.name, draft)
        text, mappings = _tell_mapping(untuned.manifest.stages)
        tuning = options.tune(untuned)
        document = tune_document(tuning)
        bundle = write_bundle(out, tuned_draft(tuning, document), replace=replace)
    tell_inputs(tuning.data)
    backend = open_backend(options.backend, options.resolver)
    passed = self_test(bundle, backend, partial(exit_criteria, bundle.manifest)).passed
    verdict = f"self-test {'passed' if passed else 'FAILED'}"
    more = {"tuning": document, "self_test_passed": passed, "inputs": mappings}
    emit_built(bundle, as_json, f"{text}\n\n{tune_report(document)}\n\n{verdict}", more)

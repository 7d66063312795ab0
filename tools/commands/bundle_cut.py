"""`edge-infer bundle cut`: one model with several exits becomes a tuned early-exit bundle."""

from pathlib import Path

import click

from edge_infer.commands.bundle_build import (
    checked_name,
    frame_options,
    labels_inside,
    read_labels,
    write_tuned,
)
from edge_infer.commands.options import json_option, option, refuse_existing
from edge_infer.commands.tune import TuneOptions, tune_options
from edge_infer.models_tflite.classifier import Classifier, FrameOptions, read_classifier
from edge_infer.models_tflite.drafts import exits_draft
from edge_infer.models_tflite.heads import find_heads
from edge_infer.models_tflite.tensors import described, outputs_text


@click.command("cut", short_help="Make an early-exit bundle of a model with exits.")
@click.argument("model", type=click.Path(path_type=Path))
@option(
    "--exits",
    multiple=True,
    help="Names of the exit heads, first to last: outputs, or tensors inside the model. Give it "
    "once a head, or with commas between.  [default: the heads that the model has are listed]",
)
@option("--name", help="Name of the bundle.  [default: the model's file name]")
@option("-o", "--out", type=click.Path(path_type=Path), help="Folder to make.  [default: ./NAME]")
@option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="One label a line; one less than the scores if the first is a background class.  "
    "[default: those inside the model, else the class numbers]",
)
@frame_options
@option("--description", default="", help="One sentence.")
@option("--license", "license_", default="", help="Licence of the model.")
@option("--replace", is_flag=True, help="Put it in the place of a bundle that stands there.")
@tune_options
@json_option
def cut_command(
    model: Path,
    exits: tuple[str, ...],
    name: str | None,
    out: Path | None,
    labels: Path | None,
    frames: FrameOptions,
    description: str,
    license_: str,
    replace: bool,
    tuning: TuneOptions,
    as_json: bool,
) -> None:
    """Cut a MODEL at its exits into stages, bit-exact, and tune them for a board.

    Every tensor that a later stage needs is handed on, so skip connections may cross a cut.
    """
    name = checked_name(name or model.stem)
    net = read_classifier(model, several_outputs=True)
    if not exits:
        raise click.UsageError(f"--exits is missing; {_heads_text(net)}")
    refuse_existing(out or Path(name), replace)
    draft = exits_draft(
        net,
        [part.strip() for given in exits for part in given.split(",") if part.strip()],
        read_labels(labels) if labels else labels_inside(net),
        name,
        frames,
        description=description,
        license=license_,
    )
    write_tuned(draft, tuning, out or Path(name), replace, as_json)


def _heads_text(net: Classifier) -> str:
    """Return the heads that a model has, and what may be done with so many."""
    heads = find_heads(net.graph)
    if not heads:
        outputs = outputs_text(net.graph)
        return f"{net.name} has no head [1, classes], its outputs are {outputs}: no classifier"
    advice = "" if len(heads) > 1 else "; one head is no exit to leave at: bundle build --single"
    return f"heads of {net.name}: {described(net.graph, heads)}{advice}"

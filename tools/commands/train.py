"""`edge-infer train`: a recipe and its data in, a bundle out."""

from pathlib import Path
from typing import Any

import click

from edge_infer.commands.options import json_option, option, refuse_existing
from edge_infer.commands.quantities import SEED
from edge_infer.commands.render import emit, say, table
from edge_infer.commands.tune_report import tune_report
from edge_infer.lab.train.efficientnet_lite import NETWORKS, make_lite
from edge_infer.lab.train.recipe import read_recipe
from edge_infer.lab.train.recipe_run import train_ablation, train_bundle
from edge_infer.models_tflite import Bundle


@click.command("train", short_help="Train a bundle from a recipe.")
@click.argument("recipe")
@option("--out", type=click.Path(path_type=Path), help="Bundle folder to make.")
@option("--data", help="digits, keras:NAME, an .npz file, or a folder.  [default: the recipe's]")
@option(
    "--work",
    type=click.Path(path_type=Path),
    help="Checkpoints, the whole int8 model and its scores; a run goes on from what is there.  "
    "[default: runs/train/RECIPE]",
)
@option("--replace", is_flag=True, help="Put the new bundle in the place of the one at --out.")
@option(
    "--ablation",
    is_flag=True,
    help="Of a prunable recipe: instead of a bundle, what the learned order of channels and one "
    "weight set for all ratios earn and cost.",
)
@option(
    "--seed",
    "seeds",
    type=SEED,
    multiple=True,
    default=(11, 12),
    show_default=True,
    help="Of the ablation's trainings; may be repeated.",
)
@json_option
def train_command(
    recipe: str,
    out: Path | None,
    data: str | None,
    work: Path | None,
    replace: bool,
    ablation: bool,
    seeds: tuple[int, ...],
    as_json: bool,
) -> None:
    """Train RECIPE (a name or a .toml file), quantise it, cut it and write the bundle.

    efficientnet-lite0, 1 and 2 are no recipes: published weights, quantised with every thirteenth
    picture of --data, as the .tflite file --out.

    Data folders hold IDX files, or one folder of images a class below train and test.
    """
    if recipe in NETWORKS:
        _make_net(recipe, out, data, replace, as_json)
        return
    chosen = read_recipe(recipe)
    if ablation and chosen.prunable is None:
        raise click.UsageError(f"--ablation is for prunable recipes, {chosen.name} is not one")
    if (out is None) != ablation:
        raise click.UsageError("give either --out, for a bundle, or --ablation")
    if out is None:
        document = train_ablation(chosen, data, work, seeds=seeds, progress=say)
        emit(as_json, document, ablation_report(document))
        return
    refuse_existing(out, replace)
    bundle = train_bundle(chosen, out, data, work, replace=replace, progress=say)
    report = _report if chosen.prunable is None else _prunable_report
    emit(as_json, {"bundle": str(out), **bundle.manifest.provenance}, report(bundle))


def _make_net(name: str, out: Path | None, data: str | None, replace: bool, as_json: bool) -> None:
    if out is None or data is None or out.suffix != ".tflite":
        raise click.UsageError(
            f"{name} is published weights to quantise: give --data, a folder of ImageNet pictures, "
            f"and --out {name}.tflite"
        )
    refuse_existing(out, replace)
    document = make_lite(name, Path(data), out, progress=say)
    left_out = len(document["calibration"])
    emit(
        as_json, {"net": str(out), **document},
        f"wrote {out}, and {out.with_suffix('.json').name}: the {left_out} pictures that it was "
        "quantised with",
    )  # fmt: skip


def _report(bundle: Bundle) -> str:
    provenance = bundle.manifest.provenance
    adaptive = provenance.get("adaptive", {})
    shares = adaptive.get("test_shares", {})
    rows = [
        [name, f"{net['macs'] / 1e6:.3f}", f"{net['test']:.2f}", f"{shares.get(name, '-')}"]
        for name, net in provenance["nets"].items()
    ]
    nets = table(rows, ["net", "MMAC alone", "test accuracy %", "leaves here %"])
    blocks = [nets]
    if "tuning" in provenance:
        blocks.append(tune_report(provenance["tuning"]))
    if adaptive:
        blocks.append(f"on the test images, read once: {adaptive['test']:.2f} % right")
    return "\n\n".join([*blocks, f"wrote {bundle.path}"])


def _prunable_report(bundle: Bundle) -> str:
    """Return the ratios of a bundle as a table."""
    provenance = bundle.manifest.provenance["ratios"]
    last = bundle.manifest.stages[-1].name
    rows = [
        [
            ratio,
            f"{sum(net['macs'].values()) / 1e6:.3f}",
            f"{net['float_test'][last]:.2f}",
            f"{net['test'][last]:.2f}",
            f"{net['adaptive']['test']:.2f}" if "adaptive" in net else "-",
        ]
        for ratio, net in provenance.items()
    ]
    heading = ["ratio", "MMAC", "float %", "int8 %", "leaving early %"]
    return f"{table(rows, heading)}\n\ntest accuracy of the last exit\nwrote {bundle.path}"


def ablation_report(document: dict[str, Any]) -> str:
    """Return the document as a table, one row a way and seed."""
    names = list(document["mean_test_percent"]["learned"])
    rows = []
    for way, means in document["mean_test_percent"].items():
        for seed in document["seeds"]:
            found = {
                row["ratio"]: row["test"]
                for row in document["rows"]
                if row["way"] == way and row["seed"] == seed
            }
            rows.append([way, str(seed), *(_percent_text(found.get(name)) for name in names)])
        rows.append([way, "mean", *(_percent_text(means.get(name)) for name in names)])
    ahead = ", ".join(f"{p:+.2f} of {n}" for n, p in document["points_ahead_of_order"].items())
    behind = ", ".join(f"{name}: {p:+.2f}" for name, p in document["points_behind_alone"].items())
    verdict = "met" if document["met"] else "not met"
    return (
        f"{table(rows, ['channels', 'seed', *names])}\n\n"
        "test accuracy in per cent by ratio, in float arithmetic\n"
        f"the learned order lies ahead by, in points on the mean over the ratios: {ahead}\n"
        f"nets trained alone lie ahead by {behind} points; at most "
        f"{document['within_points']:g} wanted: {verdict}"
    )


def _percent_text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

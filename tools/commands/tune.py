"""`edge-infer tune`: thresholds for the fewest joules, with a promise about the accuracy."""

from pathlib import Path

import click

from edge_infer.commands.options import json_option, option, refuse_existing
from edge_infer.commands.render import emit, warn
from edge_infer.commands.tune_options import TuneOptions, tune_options
from edge_infer.commands.tune_report import tune_report
from edge_infer.lab.tuning.promise_check import check_promise, promise_report
from edge_infer.lab.tuning.tuning import Tuning, tuned_draft
from edge_infer.lab.tuning.tuning_document import tune_document
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.build import write_bundle


@click.command("tune", short_help="Choose a bundle's exit thresholds for a board.")
@click.argument("bundle")
@tune_options
@option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to make.  [default: NAME-tuned]"
)
@option("--replace", is_flag=True, help="Put it in the place of a bundle that stands there.")
@option("--dry-run", is_flag=True, help="Write nothing.")
@option("--plot", type=click.Path(path_type=Path), help="Draw the trade-off: .png, .svg or .pdf.")
@option(
    "--check-promise",
    "draws",
    type=click.IntRange(1),
    help="Take the inputs for the population, tune on this many sets drawn from them, and say how "
    "often the promise breaks. Writes nothing.",
)
@json_option
def tune_command(
    bundle: str,
    tuning: TuneOptions,
    output: Path | None,
    replace: bool,
    dry_run: bool,
    plot: Path | None,
    draws: int | None,
    as_json: bool,
) -> None:
    """Choose the exit thresholds of a BUNDLE and fit its exit predictor, for one board.

    The thresholds cost the least expected energy among those that are shown, by the calibration
    inputs and at the stated confidence, to lose no more accuracy than allowed against the last
    exit. Where adaptive running costs more than it saves on the board, the plain net is kept.
    """
    opened = open_bundle(bundle)
    out = output or Path(f"{opened.manifest.name}-tuned")
    if draws is None and not dry_run:
        refuse_existing(out, replace)
    found = tuning.tune(opened)
    for line in found.data.skipped:
        warn(f"skipped: {line}")
    if draws is not None:
        _check(found, draws, as_json)
        return
    document = tune_document(found)
    if plot is not None:
        from edge_infer.commands.tune_plot import save_plot

        save_plot(document, plot)
    if dry_run:
        emit(as_json, {"path": None} | document, tune_report(document))
        return
    written = write_bundle(out, tuned_draft(found, document), replace=replace)
    emit(as_json, {"path": str(written.path)} | document, f"{tune_report(document)}\n\n{out}")


def _check(found: Tuning, draws: int, as_json: bool) -> None:
    rows = check_promise(
        found.outcomes, found.costs.energy_nj, found.allowance.confidence, draws, seed=found.seed
    )
    source = found.data.source
    text = f"{draws} sets drawn from {len(found.data)} inputs of {source}\n{promise_report(rows)}"
    emit(as_json, {"source": source, "inputs": len(found.data), "rows": rows}, text)

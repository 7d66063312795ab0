"""`edge-infer tune`: thresholds for the fewest joules, with a promise about the accuracy."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click

from edge_infer.commands.bundle_place import open_named_bundle
from edge_infer.commands.found_board import PRICED, priced_board
from edge_infer.commands.options import (
    backend_option,
    confidence_option,
    json_option,
    option,
    options_as,
    refuse_existing,
    resolver_option,
)
from edge_infer.commands.quantities import SEED, Number
from edge_infer.commands.render import check_picture, emit, note
from edge_infer.commands.source_options import background_option, raw_options
from edge_infer.commands.tune_confidence import fit
from edge_infer.commands.tune_gate import choose, refuse_changes
from edge_infer.commands.tune_report import (
    promise_report,
    save_plot,
    tell_inputs,
    tune_report,
)
from edge_infer.commands.work_options import WorkOptions, work_options
from edge_infer.lab.tuning import LossBound
from edge_infer.lab.tuning.promise_check import check_promise
from edge_infer.lab.tuning.tuning import Tuning, tune, tuned_draft
from edge_infer.lab.tuning.tuning_document import tune_document
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.manifest import Criterion
from edge_infer.runtime.exit_criterion import CRITERIA
from edge_infer.runtime.frames.raw import PixelFormat, RawOptions


@dataclass(frozen=True)
class TuneOptions:
    """How a bundle is to be tuned."""

    calibration: str | None
    """None where a command can do without."""
    calibration_labels: Path | None
    frame_size: tuple[int, int] | None
    frame_format: PixelFormat | None
    frame_stride: int | None
    board: str
    cost_table: Path | None
    clock: int | None
    allow: float
    confidence: float
    criterion: str | None
    seed: int
    strict: bool
    backend: str | None
    resolver: str

    def tune(
        self,
        bundle: Bundle,
        background: tuple[int, ...] | None = None,
        work: CellRunner = IN_PROCESS,
    ) -> Tuning:
        """Read the calibration inputs and choose thresholds for a bundle."""
        if self.calibration is None:
            raise click.UsageError("--calibration is missing: labelled inputs to tune on")
        return tune(
            bundle,
            self.calibration,
            self.calibration_labels,
            board=priced_board(self.board, self.cost_table),
            cost_table=self.cost_table,
            clock_mhz=self.clock,
            loss_bound=LossBound(self.allow / 100, self.confidence),
            criterion=cast(Criterion | None, self.criterion),
            seed=self.seed,
            strict=self.strict,
            background=background,
            raw=RawOptions(self.frame_size, self.frame_format, self.frame_stride),
            backend=open_backend(self.backend, self.resolver),
            progress=note,
            work=work,
        )


tune_options = options_as(
    "tuning",
    TuneOptions,
    (
        option(
            "--calibration",
            help="Labelled inputs that no weight was trained on: .npy, .npz, IDX, a folder of "
            "images or of raw .bin files; held-back:DATA for what the bundle's recipe held back of "
            "a data set.",
        ),
        option(
            "--calibration-labels",
            type=click.Path(path_type=Path),
            help="Labels of .npy or IDX inputs, or of raw .bin files.  [default: found beside IDX "
            "and .bin files]",
        ),
        *raw_options,
        option(
            "--board",
            default="auto",
            show_default=True,
            help="Board whose cost table says what an exit saves; auto is the model of this board, "
            f"or {PRICED} where it is none that is known.",
        ),
        option(
            "--cost-table",
            type=click.Path(path_type=Path),
            help="A table that measure wrote, instead.",
        ),
        option(
            "--clock", type=click.IntRange(1, 10**6), help="Clock in MHz.  [default: the highest]"
        ),
        option(
            "--allow",
            type=Number(0, 50, min_open=True, max_open=True),
            default=1.0,
            show_default=True,
            help="Percentage points of accuracy that may be lost against the last exit.",
        ),
        confidence_option,
        option(
            "--criterion",
            type=click.Choice(CRITERIA),
            help="How an exit is judged.  [default: as the bundle has it]",
        ),
        option(
            "--seed", type=SEED, default=0, show_default=True, help="Of the split of the inputs."
        ),
        option("--strict", is_flag=True, help="Fail at the first input that cannot be read."),
        backend_option,
        resolver_option,
    ),
)
"""Of every command that tunes; it gets them as the argument `tuning`."""


@click.command("tune", short_help="Choose a bundle's exit thresholds for a board.")
@click.argument("bundle")
@tune_options
@option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to make.  [default: NAME-tuned]"
)
@option("--replace", is_flag=True, help="Put it in the place of a bundle that stands there.")
@background_option
@option("--dry-run", is_flag=True, help="Write nothing.")
@option("--plot", type=click.Path(path_type=Path), help="Draw the trade-off: .png, .svg or .pdf.")
@option(
    "--check-promise",
    "draws",
    type=click.IntRange(1),
    help="Take the inputs for the population, tune on this many sets drawn from them, and say how "
    "often the promise breaks. Writes nothing.",
)
@option(
    "--gate",
    "recording",
    help="Choose the threshold of run --gate instead, on a RECORDING: "
    "frames of a camera in their order, a video, .npy or a folder of images. Writes nothing.",
)
@option(
    "--changes",
    type=Number(0, 50, min_open=True),
    default=1.0,
    show_default=True,
    help="Per cent of the answers that the gate may change.",
)
@option(
    "--keep-thresholds",
    is_flag=True,
    help="Only make a probability of each exit's confidence, at every ratio. With one exit it is "
    "what tune does.",
)
@work_options
@json_option
def tune_command(
    bundle: str,
    tuning: TuneOptions,
    output: Path | None,
    replace: bool,
    background: tuple[int, ...] | None,
    dry_run: bool,
    plot: Path | None,
    draws: int | None,
    recording: str | None,
    changes: float,
    keep_thresholds: bool,
    work: WorkOptions,
    as_json: bool,
) -> None:
    """Choose the exit thresholds of a BUNDLE and fit its predictor and confidence, for one board.

    The thresholds cost the least expected energy among those that are shown, by the calibration
    inputs and at the stated confidence, to lose no more accuracy than allowed against the last
    exit. Where adaptive running costs more than it saves on the board, the plain net is kept.
    """
    opened = open_named_bundle(bundle)
    if recording is not None:
        choose(opened, recording, changes, tuning, background, as_json)
        return
    refuse_changes()
    out = output or Path(f"{opened.manifest.name}-tuned")
    if keep_thresholds or len(opened.manifest.stages) == 1:
        place = None if dry_run else out
        fit(opened, tuning, background, place, replace=replace, as_json=as_json)
        return
    if draws is None and not dry_run:
        refuse_existing(out, replace)
    check_picture(plot)
    with work.open() as running:
        found = tuning.tune(opened, background, running)
        tell_inputs(found.data)
        if draws is not None:
            _check(found, draws, running, as_json)
            return
    document = tune_document(found)
    if plot is not None:
        save_plot(document, plot)
    if dry_run:
        emit(as_json, {"path": None} | document, tune_report(document))
        return
    written = write_bundle(out, tuned_draft(found, document), replace=replace)
    emit(as_json, {"path": str(written.path)} | document, f"{tune_report(document)}\n\n{out}")


def _check(found: Tuning, draws: int, work: CellRunner, as_json: bool) -> None:
    rows = check_promise(
        found.outcomes,
        found.costs.energy_nj,
        found.loss_bound.confidence,
        draws,
        seed=found.seed,
        work=work,
    )
    source = found.data.source
    text = f"{draws} sets drawn from {len(found.data)} inputs of {source}\n{promise_report(rows)}"
    document = {"source": source, "inputs": len(found.data), "input": dict(found.data.read)}
    emit(as_json, document | {"rows": rows}, text)

"""`edge-infer adapt`: exits on a published net, for the classes of a folder of pictures."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.commands.adapt_report import adapt_report, points_report
from edge_infer.commands.bundle_build import (
    checked_name,
    frame_options,
    labels_inside,
    read_labels,
)
from edge_infer.commands.bundle_report import emit_built
from edge_infer.commands.found_board import PRICED, priced_board
from edge_infer.commands.options import (
    backend_option,
    confidence_option,
    json_option,
    option,
    refuse_existing,
    resolver_option,
)
from edge_infer.commands.quantities import SEED, Number
from edge_infer.commands.render import emit, note, warn
from edge_infer.commands.tune_report import tell_inputs, tune_report
from edge_infer.lab.adapt.account import adapt_document, exit_alone
from edge_infer.lab.adapt.adapted import AdaptWishes, adapt
from edge_infer.lab.adapt.backbone import Backbone, read_backbone
from edge_infer.lab.adapt.calibration_part import score_calibration_part
from edge_infer.lab.adapt.exit_points import description
from edge_infer.lab.adapt.groups import folder_groups, read_groups
from edge_infer.lab.adapt.pictures import list_pictures
from edge_infer.lab.costs.board_costs import read_costs
from edge_infer.lab.tuning import LossBound
from edge_infer.lab.tuning.tuning import Tuning, tune_bundle, tuned_draft
from edge_infer.lab.tuning.tuning_document import tune_document
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import write_bundle
from edge_infer.models_tflite.classifier import FrameOptions
from edge_infer.models_tflite.input_mapping import input_document, mapping_doubts
from edge_infer.models_tflite.self_test import self_test
from edge_infer.runtime.errors import PolicyError, RunError
from edge_infer.runtime.exit_criterion import exit_criteria

if TYPE_CHECKING:
    from edge_infer.lab.adapt.adapted import Adapted


@click.command("adapt", short_help="Exits on a published net, for the classes of your pictures.")
@click.argument("backbone", type=click.Path(path_type=Path))
@option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with a subfolder a class, pictures inside; a subfolder below that holds what "
    "belongs together, such as the frames of one video.",
)
@option(
    "--exits",
    type=click.IntRange(2, 20),
    default=3,
    show_default=True,
    help="Exits of the net, the last one included, at the points that save most.",
)
@option(
    "--at",
    multiple=True,
    help="Instead: tensors to have an early exit at, by name or by number of --list. Give it once "
    "a tensor.",
)
@option("--list", "only_list", is_flag=True, help="List where the net can have exits, and end.")
@option(
    "--groups",
    type=click.Path(path_type=Path),
    help="File of lines PATH,GROUP: what belongs together (a folder's path stands for all below "
    "it). No group is both learned from and tested on, and the promise counts groups.  [default: "
    "by the subfolders inside a class]",
)
@option(
    "--loss",
    type=Number(0, 50, min_open=True, max_open=True),
    default=1.0,
    show_default=True,
    help="Percentage points of accuracy that may be lost against the last exit.",
)
@confidence_option
@option(
    "--head",
    type=click.Choice(["auto", "own", "new"]),
    default="auto",
    show_default=True,
    help="Last exit: the net's own classifier, or a new one for the folders; auto keeps the net's "
    "own where the folders are just its labels.",
)
@option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Labels of the net's own scores, one a line.  [default: those inside the model]",
)
@option("--flip/--no-flip", default=True, show_default=True, help="Learn from mirror images too.")
@option(
    "--class-weights",
    type=click.Choice(["balanced", "none"]),
    default="balanced",
    show_default=True,
    help="Whether each class weighs the same in the fit, however many pictures it has.",
)
@frame_options
@option(
    "--board",
    default="auto",
    show_default=True,
    help=f"Board whose costs say what an exit saves; auto is this one's model, or {PRICED}.",
)
@option("--clock", type=click.IntRange(1, 10**6), help="Clock in MHz.  [default: the highest]")
@option("--name", help="Name of the bundle.  [default: the folder's, or the model's file name]")
@option("-o", "--out", type=click.Path(path_type=Path),
        help="Folder to make; each exit alone as a plain net comes beside it, DIR-exit1 and so on."
        "  [default: ./NAME]")  # fmt: skip
@option("--description", default="", help="One sentence.")
@option("--license", "license_", default="", help="Licence of the model.")
@option("--replace", is_flag=True, help="Put it in the place of bundles that stand there.")
@option("--seed", type=SEED, default=0, show_default=True, help="Of the split of the pictures.")
@backend_option
@resolver_option
@json_option
def adapt_command(
    backbone: Path,
    data: Path | None,
    exits: int,
    at: tuple[str, ...],
    only_list: bool,
    groups: Path | None,
    loss: float,
    confidence: float,
    head: str,
    labels: Path | None,
    flip: bool,
    class_weights: str,
    frames: FrameOptions,
    board: str,
    clock: int | None,
    name: str | None,
    out: Path | None,
    description: str,
    license_: str,
    replace: bool,
    seed: int,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Give a published net, BACKBONE.tflite, exits for the classes of a folder of pictures.

    The net stays as it is, to the bit. Half of the pictures teach the heads of the exits, in the
    net's own arithmetic; the other half chooses the thresholds and proves what is promised.
    """
    net = read_backbone(backbone)
    found = Backbone.of(net, frames, open_backend(backend, resolver))
    if only_list:
        _list(found, as_json)
        return
    if data is None:
        raise click.UsageError("--data is missing: a folder with a subfolder a class")
    name = checked_name(name or (out.name if out else f"{backbone.stem}-adapted"))
    out = out or Path(name)
    places = [out, *(_beside(out, number) for number in range(1, (len(at) or exits - 1) + 2))]
    for place in places:
        refuse_existing(place, replace)
    _warn_of_input(found)
    pictures = list_pictures(data)
    wishes = AdaptWishes(
        exits, at, cast(Literal["auto", "own", "new"], head), flip, class_weights == "balanced",
        LossBound(loss / 100, confidence), seed,
    )  # fmt: skip
    board = checked_board(board, clock)
    known = read_labels(labels) if labels else labels_inside(net)
    grouped = folder_groups(pictures) if groups is None else read_groups(groups, pictures)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Where nothing can be written, that is known before minutes of work.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        adapted = adapt(
            found, known, pictures, grouped, name, wishes, note, description=description,
            license=license_,
        )  # fmt: skip
        untuned = write_bundle(Path(folder) / name, adapted.draft)
        tuning = _tune(adapted, untuned, wishes, board, clock)
        _write(adapted, tuning, places, replace, as_json)


def checked_board(board: str, clock_mhz: int | None) -> str:
    """Return the board whose costs are meant.

    Raises:
        UnknownBoardError: there is none of the name.
        RunError: it has no cost table.
        PolicyError: it does not offer the clock.
    """
    name = priced_board(board, None)
    with open_board(name) as opened:
        table = opened.cost_table([Work("net", (OpWork("CONV_2D", 1000, 10, 1, 1, 10),))])
    if table is None:
        raise RunError(f"{name} has no cost table: give a simulated board, sim:{name} for example")
    offered = {point.clock_khz // 1000 for point in table.points}
    if clock_mhz is not None and clock_mhz not in offered:
        listed = ", ".join(map(str, sorted(offered)))
        raise PolicyError(f"{name} has no clock of {clock_mhz} MHz; it has {listed}")
    return name


def _list(backbone: Backbone, as_json: bool) -> None:
    points = backbone.points
    document = {
        "backbone": backbone.net.name,
        "macs": points.macs,
        "points": [
            {"number": number, **description(point, points.macs)}
            for number, point in enumerate(points.early, 1)
        ],
        "last": description(points.last, points.macs),
        "blocked": list(points.blocked),
    }
    emit(as_json, document, points_report(document))


def _beside(out: Path, number: int) -> Path:
    return out.with_name(f"{out.name}-exit{number}")


def _warn_of_input(backbone: Backbone) -> None:
    for doubt in mapping_doubts(backbone.taken):
        warn(f"{backbone.net.name}: {doubt}")
    if backbone.points.last.tensor.dtype == "float32":
        warn(
            f"{backbone.net.name}: its arithmetic is float32, so are the heads: four times the "
            "bytes of int8, and no microcontroller of ours runs it"
        )


def _tune(
    adapted: "Adapted", untuned: Bundle, wishes: AdaptWishes, board: str, clock: int | None
) -> Tuning:
    backend = adapted.backbone.backend
    costs = read_costs(untuned, board, backend.info, None, clock)
    data, scores = score_calibration_part(adapted, untuned, note)
    return tune_bundle(
        untuned, backend, data, costs, wishes.loss_bound, seed=wishes.seed, progress=note,
        scores=scores,
    )  # fmt: skip


def _write(
    adapted: "Adapted", tuning: Tuning, places: list[Path], replace: bool, as_json: bool
) -> None:
    tuned = tune_document(tuning)
    document = adapt_document(adapted, tuning)
    tell_inputs(tuning.data)
    bundle = write_bundle(places[0], tuned_draft(tuning, tuned), replace=replace)
    for index, place in enumerate(places[1:]):
        write_bundle(place, exit_alone(tuning, index, place.name), replace=replace)
    backend = adapted.backbone.backend
    passed = self_test(bundle, backend, partial(exit_criteria, bundle.manifest)).passed
    more: dict[str, Any] = {
        "adapt": document,
        "tuning": tuned,
        "alone": [str(place) for place in places[1:]],
        "self_test_passed": passed,
        "inputs": [input_document(adapted.backbone.taken)],
        "input": document["input"],
    }
    verdict = f"self-test {'passed' if passed else 'FAILED'}"
    text = "\n\n".join([adapt_report(document, places[1:]), tune_report(tuned), verdict])
    emit_built(bundle, as_json, text, more)

"""`edge-infer reproduce big-little`: the figures of BL-DNN (CODES+ISSS 2015) beside ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.commands.options import (
    backend_option,
    json_option,
    option,
    resolver_option,
    sensitivity_option,
)
from edge_infer.commands.render import emit, note, table
from edge_infer.commands.reproduce import claims_report
from edge_infer.commands.reproduce_imagenet import imagenet_report
from edge_infer.commands.reproduce_live import (
    LiveOptions,
    live_frames_option,
    live_options,
    reproduce_live,
)
from edge_infer.lab.reproduce.big_little import BOARDS, reproduce_big_little
from edge_infer.lab.reproduce.big_little_live import live_big_little
from edge_infer.lab.reproduce.imagenet import NO_MNIST, SPLITS, WORK, reproduce_imagenet
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend


@click.command("big-little", short_help="A little net first, a big one if it is unsure (2015).")
@option("--bundle", default="mnist-little-big", show_default=True, help="A little/big bundle.")
@option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with the data set; its test side is used.  [default: the bundle's samples]",
)
@option("--board", "boards", multiple=True, default=BOARDS, show_default=True, help="May repeat.")
@option(
    "--timed",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    help="Images to measure times with on this computer.",
)
@option(
    "--imagenet",
    type=click.Path(path_type=Path),
    help="Folder with ImageNet pictures, one subfolder a class (0 to 999): the ImageNet figures "
    "too, by cascades of the nets at --net.",
)
@option(
    "--net",
    "nets",
    type=click.Path(path_type=Path),
    multiple=True,
    default=(WORK,),
    show_default=True,
    help="A published net's .tflite file, called after it, or a folder of some.  May repeat.",
)
@option(
    "--scores",
    type=click.Path(path_type=Path),
    default=WORK,
    show_default=True,
    help="Folder that keeps what the nets say of the pictures.",
)
@option(
    "--splits",
    type=click.IntRange(2, 10_000),
    default=SPLITS,
    show_default=True,
    help="Random halves of the pictures.",
)
@live_options
@live_frames_option
@sensitivity_option
@backend_option
@resolver_option
@json_option
def big_little_command(
    bundle: str,
    data: Path | None,
    boards: tuple[str, ...],
    timed: int,
    imagenet: Path | None,
    nets: tuple[Path, ...],
    scores: Path,
    splits: int,
    live: LiveOptions,
    frames: int,
    sensitivity: bool,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Print BL-DNN's figures beside ours: MNIST's on the test images, or ImageNet's, or both.

    MNIST's are left out with --imagenet, unless --data is given too.
    """
    if live.asked("frames"):
        reproduce_live(live_big_little, live.profile, as_json, data=data)
        return
    if imagenet is None:
        _refuse_unused()
    with_mnist = imagenet is None or data is not None
    chosen = open_backend(backend, resolver)
    document: dict[str, Any] = dict(NO_MNIST)
    if with_mnist:
        document = reproduce_big_little(
            open_bundle(bundle),
            data,
            boards,
            timed=timed,
            sensitivity=sensitivity,
            backend=chosen,
            progress=note,
        )
    if imagenet is not None:
        found = reproduce_imagenet(
            imagenet, nets, scores, boards, splits=splits, backend=chosen, progress=note
        )
        document["claims"] = [*document["claims"], *found["claims"]]
        document["imagenet"] = found["imagenet"]
    emit(as_json, document, _report(document))


def _refuse_unused() -> None:
    context = click.get_current_context()
    for name in ("nets", "scores", "splits"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = f"--{name.removesuffix('s') if name == 'nets' else name}"
            raise click.UsageError(f"{flag} is of no use without --imagenet")


def _report(document: dict[str, Any]) -> str:
    blocks = [_answers(document)] if document["answers"] else []
    blocks.append(claims_report(document["claims"]))
    if document["answers"]:
        escalated = document["answers"]["shares"][1]
        blocks += [_board_text(figures, escalated) for figures in document["boards"]]
    host = document["host"]
    if host:
        blocks.append(
            f"measured on this computer, end to end: {host['cascade_us']:.1f} us an image against "
            f"{host['big_us']:.1f} us of the big net alone, {host['saving_percent']:.1f} % saved"
        )
    if "imagenet" in document:
        blocks.append(imagenet_report(document["imagenet"]))
    return "\n\n".join(blocks)


def _answers(document: dict[str, Any]) -> str:
    answers = document["answers"]
    return (
        f"{document['bundle']} on {answers['frames']} test images: little "
        f"{100 * answers['little']:.2f} %, big {100 * answers['big']:.2f} %, cascade "
        f"{100 * answers['cascade']:.2f} % right; {100 * answers['shares'][1]:.2f} % escalated"
    )


def _board_text(figures: dict[str, Any], escalated: float) -> str:
    little, big = figures["little_execution_uj"], figures["big_execution_uj"]
    limit = (
        f"{figures['board']} at {figures['clock_khz'] / 1000:g} MHz ({figures['origin']}): of the "
        f"big net's execution the little net takes {100 * little / big:.1f} %, escalation "
        f"{100 * escalated:.1f} %; decision and runtime another "
        f"{figures['execution_saving_percent'] - figures['end_to_end_saving_percent']:.1f} points"
    )
    if figures["best_static"] is not None:
        saved = figures["saving_vs_best_static_percent"]
        limit += (
            f"\nbest static net of at least that accuracy, end to end: {figures['best_static']}, "
            f"{saved:.1f} % saved against it"
        )
    return f"{limit}\n{_sizes(figures['against'])}" if figures["against"] else limit


def _sizes(rows: Sequence[dict[str, Any]]) -> str:
    return table(
        [
            (
                row["net"] + (" (shipped)" if row["shipped"] else ""),
                f"{row['macs'] / 1e6:.2f}",
                f"{row['test_accuracy_percent']:.2f} %",
                f"{row['execution_saving_percent']:.1f} %",
                f"{row['end_to_end_saving_percent']:.1f} %",
            )
            for row in rows
        ],
        ("against", "MMAC", "accuracy", "saves of execution", "end to end"),
    )

"""`edge-infer reproduce big-little`: the MNIST figures of BL-DNN (CODES+ISSS 2015) beside ours.

The paper's abstract claims 94.1 % less energy at 0.12 points of accuracy lost on MNIST. Its nets,
its board and its energy model are not known, so its saving is read as the execution of the nets:
invocations, without decision and runtime overhead. The saving end to end stands beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from edge_infer.commands.options import backend_option, json_option, option, resolver_option
from edge_infer.commands.render import emit, note, table
from edge_infer.commands.reproduce_eenet import claims_report
from edge_infer.lab.reproduce.cascade_figures import (
    CascadeAnswers,
    board_figures,
    cascade_answers,
    host_times,
)
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.document import to_document
from edge_infer.runtime.errors import RunError, SourceMissingError

BUNDLE = "mnist-little-big"
BOARDS = ("sim:raspberry-pi-4b", "sim:raspberry-pi-5")
SAVING_PERCENT, LOSS_POINTS = 94.1, 0.12
"""BL-DNN's abstract, MNIST."""
DATA_FOLDER = "mnist"
"""Where the data set lies within --data, if not at its top."""


@click.command("big-little", short_help="A little net first, a big one if it is unsure (2015).")
@option("--bundle", default=BUNDLE, show_default=True, help="A little/big bundle.")
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
@backend_option
@resolver_option
@json_option
def big_little_command(
    bundle: str,
    data: Path | None,
    boards: tuple[str, ...],
    timed: int,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Print BL-DNN's MNIST figures beside ours, on the test images."""
    opened = open_bundle(bundle)
    if len(opened.manifest.stages) != 2:
        raise RunError(
            f"{bundle} has {len(opened.manifest.stages)} stages: wants a little/big pair"
        )
    kernels = open_backend(backend, resolver)
    frames, labels = _test_images(opened, data)
    note(f"running both nets on {len(frames)} images")
    answers = cascade_answers(opened, kernels, frames, labels)
    figures = [board_figures(opened, name, answers) for name in boards]
    host = host_times(opened, kernels, frames[:timed]) if timed else None
    document = {
        "paper": "BL-DNN, CODES+ISSS 2015",
        "bundle": opened.manifest.name,
        "claims": [claim for each in figures for claim in _claims(each, answers)],
        "answers": to_document(answers) | {"loss_points": answers.loss_points},
        "boards": figures,
        "host": host,
    }
    emit(as_json, document, _report(document, answers))


def _test_images(bundle: Bundle, data: Path | None) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    if data is None:
        samples = bundle.samples()
        if samples is None:
            raise click.UsageError(f"{bundle.manifest.name} carries no samples: give --data DIR")
        return list(samples[0]), samples[1]
    inside = data / DATA_FOLDER
    folder = inside if inside.is_dir() else data
    if not folder.exists():
        raise SourceMissingError(f"there is no folder {data}")
    from edge_infer.lab.train.sources import open_source

    found = open_source(str(folder))
    if found.test is None:
        raise RunError(f"{folder}: has no test side")
    return list(found.test.images), np.asarray(found.test.labels)


def _claims(figures: dict[str, Any], answers: CascadeAnswers) -> list[dict[str, Any]]:
    execution, end_to_end = (
        figures["execution_saving_percent"],
        figures["end_to_end_saving_percent"],
    )
    loss = answers.loss_points

    def claim(
        name: str, claimed: float | None, ours: float, unit: str, better: str, origin: str,
        met: bool | None,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "id": name, "board": figures["board"], "claimed": claimed, "ours": ours, "unit": unit,
            "better": better, "origin": origin, "met": met,
        }  # fmt: skip

    return [
        claim("mnist_net_energy_saving_percent", SAVING_PERCENT, execution, "%", "higher",
              figures["origin"], execution >= SAVING_PERCENT),
        claim("mnist_accuracy_loss_points", LOSS_POINTS, loss, "", "lower",
              "measured", loss <= LOSS_POINTS),
        claim("mnist_net_energy_saving_end_to_end_percent", None, end_to_end, "%", "higher",
              figures["origin"], None),
    ]  # fmt: skip


def _report(document: dict[str, Any], answers: CascadeAnswers) -> str:
    blocks = [
        f"{document['bundle']} on {answers.frames} test images: little "
        f"{100 * answers.little:.2f} %, big {100 * answers.big:.2f} %, cascade "
        f"{100 * answers.cascade:.2f} % right; {100 * answers.shares[1]:.2f} % escalated",
        claims_report(document["claims"]),
        *(_board_text(figures, answers) for figures in document["boards"]),
    ]
    host = document["host"]
    if host:
        blocks.append(
            f"measured on this computer, end to end: {host['cascade_us']:.1f} us an image against "
            f"{host['big_us']:.1f} us of the big net alone, {host['saving_percent']:.1f} % saved"
        )
    return "\n\n".join(blocks)


def _board_text(figures: dict[str, Any], answers: CascadeAnswers) -> str:
    little, big = figures["little_execution_uj"], figures["big_execution_uj"]
    limit = (
        f"{figures['board']} at {figures['clock_khz'] / 1000:g} MHz ({figures['origin']}): of the "
        f"big net's execution the little net takes {100 * little / big:.1f} %, escalation "
        f"{100 * answers.shares[1]:.1f} %; decision and runtime another "
        f"{figures['execution_saving_percent'] - figures['end_to_end_saving_percent']:.1f} points"
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

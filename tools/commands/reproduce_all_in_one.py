"""`edge-infer reproduce all-in-one`: one weight set for many ratios (ICCAD 2022), and all ideas.

The paper's abstract claims level latency over the clocks from one model and one soft mask; its
figures were not at hand, so the claims are the project's own. Latency is busy time until the
answer; nothing waits.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import board_names
from edge_infer.commands.bundle_report import ratio_rows
from edge_infer.commands.options import backend_option, json_option, option, resolver_option
from edge_infer.commands.render import emit, note
from edge_infer.commands.reproduce_all_in_one_report import all_in_one_report
from edge_infer.lab.replay.scored_frames import score_frames
from edge_infer.lab.reproduce.all_in_one_ideas import compare_ideas
from edge_infer.lab.reproduce.all_in_one_latency import LevelLatency, level_latency
from edge_infer.lab.reproduce.all_in_one_scores import ratio_answers, read_data
from edge_infer.lab.reproduce.all_in_one_sizes import byte_sizes, memory_growth
from edge_infer.lab.train.dataset import Dataset
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.errors import RunError, SourceMissingError

BUNDLE, UNION = "cifar10-prunable", "cifar10-all-in-one"
SPREAD, POINTS, AUXILIARY_PERCENT, FILE_PERCENT = 1.15, 2.0, 5.0, 109.0
DATA_FOLDER = "cifar10_jpeg"
"""Where the data set lies within --data, if not at its top."""
DEADLINES = (0.7, 1.1, 2.0, 4.0)
"""Of the comparison of ideas: multiples of the full net's time at the top clock."""
LOSSES_POINTS = (1.0, 2.0, 4.0)


@click.command("all-in-one", short_help="One weight set, a ratio for each clock (2022).")
@option("--bundle", default=BUNDLE, show_default=True, help="A prunable bundle of one stage.")
@option("--union", default=UNION, show_default=True, help="A prunable bundle with early exits.")
@option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with the data set: its test side is read, and what the recipes held back. "
    "Without it accuracies are those the bundle states, and the ideas are not compared.",
)
@option("--board", "boards", multiple=True, help="May be repeated.  [default: every simulated]")
@option("--memory/--no-memory", default=True, help="Measure memory on this computer.")
@backend_option
@resolver_option
@json_option
def all_in_one_command(
    bundle: str,
    union: str,
    data: Path | None,
    boards: tuple[str, ...],
    memory: bool,
    backend: str | None,
    resolver: str,
    as_json: bool,
) -> None:
    """Print latency and accuracy over the clocks, sizes, and all ideas against each alone."""
    opened, kernels = open_bundle(bundle), open_backend(backend, resolver)
    if opened.manifest.prunable is None:
        raise RunError(f"{bundle} has no pruning ratios: give a prunable bundle")
    names = boards or tuple(name for name in board_names() if name.startswith("sim:"))
    folder = _folder(data)
    data_set = read_data(folder) if folder else None
    accuracy = _accuracies(opened, kernels, data_set[1] if data_set else None)
    levels = [found for name in names if (found := _level(opened, name)) is not None]
    sizes = byte_sizes(opened)
    document: dict[str, Any] = {
        "paper": "All-in-One, ICCAD 2022",
        "bundle": opened.manifest.name,
        "claims": [c for level in levels for c in _claims(level, accuracy)] + _size_claims(sizes),
        "ratios": _ratios(opened, accuracy, sizes),
        "levels": [_level_document(level) for level in levels],
        "bytes": sizes,
        "memory_bytes": memory_growth(opened) if memory else None,
        "ideas": None,
    }
    if data_set is not None:
        several = [level.board for level in levels]
        with tempfile.TemporaryDirectory() as scratch:
            answers = ratio_answers(open_bundle(union), kernels, *data_set, Path(scratch))
            document["ideas"] = compare_ideas(answers, several, DEADLINES, LOSSES_POINTS)
    emit(as_json, document, all_in_one_report(document))


def _folder(data: Path | None) -> Path | None:
    if data is None:
        return None
    if not data.exists():
        raise SourceMissingError(f"there is no folder {data}")
    inside = data / DATA_FOLDER
    return inside if inside.is_dir() else data


def _level(bundle: Bundle, board: str) -> LevelLatency | None:
    """Return nothing for a board with one clock: its latency is level already."""
    level = level_latency(bundle, board, SPREAD)
    return level if len(level.ratio_of) > 1 else None


def _accuracies(bundle: Bundle, backend: Backend, test: Dataset | None) -> dict[str, float]:
    """Return the accuracy of each ratio's last exit in percent."""
    if test is None:
        stated = {row["ratio"]: row["test_percent"] for row in ratio_rows(bundle)}
        if None in stated.values():
            raise RunError(f"{bundle.manifest.name} states no accuracies by ratio: give --data")
        return stated
    note(f"scoring {len(test)} test images at {len(bundle.manifest.ratios)} ratios")
    return {
        ratio: _accuracy(bundle, backend, ratio, list(test.images), test.labels)
        for ratio in bundle.manifest.ratios
    }


def _accuracy(
    bundle: Bundle,
    backend: Backend,
    ratio: str,
    frames: Sequence[NDArray[Any]],
    labels: NDArray[Any],
) -> float:
    scores = score_frames(load_stages(bundle, backend, ratio=ratio), frames)
    return 100 * float(np.mean(scores[-1].argmax(axis=1) == labels))


def _ratios(
    bundle: Bundle, accuracy: dict[str, float], sizes: dict[str, Any]
) -> list[dict[str, Any]]:
    return [
        {
            "ratio": ratio,
            "accuracy_percent": accuracy[ratio],
            "macs": sum(stage.macs for stage in bundle.manifest.stages_at(ratio)),
            "separate_file_bytes": sizes["separate"][ratio],
        }
        for ratio in sorted(bundle.manifest.ratios, key=float, reverse=True)
    ]


def _level_document(level: LevelLatency) -> dict[str, Any]:
    return {
        "board": level.board,
        "origin": level.origin,
        "target_us": level.target_ns / 1000,
        "fixed_ratio": level.fixed,
        "clocks": [
            {
                "khz": khz,
                "ratio": ratio,
                "latency_us": level.times_ns[ratio][khz] / 1000,
                "full_width_us": level.times_ns[FULL_RATIO][khz] / 1000,
            }
            for khz, ratio in level.ratio_of.items()
        ],
    }


def _claims(level: LevelLatency, accuracy: dict[str, float]) -> list[dict[str, Any]]:
    gained = level.mean(accuracy) - accuracy[level.fixed]
    board, origin = level.board, level.origin
    return [
        _claim("latency_spread_over_clocks", board, SPREAD, level.spread, "", "lower", origin),
        _claim("latency_spread_fixed_net", board, None, level.fixed_spread, "", "lower", origin),
        _claim("accuracy_points_over_fixed_net", board, POINTS, gained, "", "higher", origin),
    ]


def _size_claims(sizes: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = {
        "auxiliary_percent_of_weights": AUXILIARY_PERCENT,
        "file_percent_of_full_width": FILE_PERCENT,
    }
    return [
        _claim(name, "any", limit, sizes[name], "%", "lower", "measured")
        for name, limit in wanted.items()
    ]


def _claim(
    name: str, board: str, claimed: float | None, ours: float, unit: str, better: str, origin: str
) -> dict[str, Any]:
    met = None
    if claimed is not None:
        met = ours >= claimed if better == "higher" else ours <= claimed
    return {
        "id": name, "board": board, "claimed": claimed, "ours": ours, "unit": unit,
        "better": better, "origin": origin, "met": met,
    }  # fmt: skip

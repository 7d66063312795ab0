"""All-in-One (ICCAD 2022): one weight set for many ratios, and all ideas against each alone.

The paper's abstract claims level latency over the clocks from one model and one soft mask; its
figures were not at hand, so the claims are the project's own. Latency is busy time until the
answer; nothing waits. What one file for all ratios takes in bytes and in memory is measured against
a file for each.
"""

import multiprocessing
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.boards.profile import load_profile
from edge_infer.lab.comparison.sensitivity import intervals
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.all_in_one_answers import ratio_answers
from edge_infer.lab.reproduce.all_in_one_ideas import compare_ideas
from edge_infer.lab.reproduce.all_in_one_latency import LevelLatency, level_latency
from edge_infer.lab.reproduce.paper import Better, claim, read_data, simulated_boards
from edge_infer.lab.train.dataset import Dataset
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.prunable import PrunableModel
from edge_infer.models_tflite.redraft import ratio_bytes
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.errors import RunError

SPREAD, POINTS, AUXILIARY_PERCENT, FILE_PERCENT = 1.15, 2.0, 5.0, 109.0
DATA = "cifar10_jpeg"
PAPER = "All-in-One, ICCAD 2022"
DEADLINES = (0.7, 1.1, 2.0, 4.0)
"""Of the comparison of ideas: multiples of the full net's time at the top clock."""
LOSSES_POINTS = (1.0, 2.0, 4.0)


def reproduce_all_in_one(
    bundle: Bundle,
    union: Bundle | None = None,
    data: Path | None = None,
    boards: Sequence[str] = (),
    *,
    memory: bool = True,
    sensitivity: bool = False,
    backend: Backend | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the document of `reproduce all-in-one --json` (schema of that name).

    Args:
        bundle: prunable.
        union: prunable with early exits, for the comparison of ideas.
        data: folder of the data set: its test side is read, and what the recipes held back. Without
            it accuracies are those the bundle states, and the ideas are not compared.
        boards: names of simulated boards; every one if empty.
        memory: measure memory on this computer.
        sensitivity: also how far the figures hang on those of the board that nobody settled.
        backend: to run them with; the default if None.
        progress: called with what is under way.

    Raises:
        RunError: the bundle has no ratios or states no accuracies, or `data` has no test side.
        SourceMissingError: there is no such folder.
    """
    if bundle.manifest.prunable is None:
        raise RunError(f"{bundle.manifest.name} has no pruning ratios: give a prunable bundle")
    backend = backend or open_backend()
    data_set = read_data(data, DATA) if data else None
    if data_set is None:
        accuracy = _stated_accuracies(bundle)
    else:
        accuracy = _accuracies(bundle, backend, data_set[1], progress)
    levels = [
        found
        for name in boards or simulated_boards()
        if (found := _level(bundle, name)) is not None
    ]
    sizes = byte_sizes(bundle)
    document: dict[str, Any] = {
        "paper": PAPER,
        "bundle": bundle.manifest.name,
        "claims": [
            row
            for level in levels
            for row in _claims(
                level, accuracy, _intervals(bundle, level.board, accuracy) if sensitivity else {}
            )
        ]
        + _size_claims(sizes),
        "ratios": _ratios(bundle, accuracy, sizes),
        "levels": [_level_document(level) for level in levels],
        "bytes": sizes,
        "memory_bytes": memory_growth(bundle) if memory else None,
        "ideas": None,
    }
    if data_set is not None and union is not None:
        with tempfile.TemporaryDirectory() as scratch:
            answers = ratio_answers(union, backend, *data_set, Path(scratch), progress)
            several = [level.board for level in levels]
            document["ideas"] = compare_ideas(answers, several, DEADLINES, LOSSES_POINTS)
    return document


def _level(bundle: Bundle, board: str) -> LevelLatency | None:
    """Return nothing for a board with one clock: its latency is level already."""
    level = level_latency(bundle, board, SPREAD)
    return level if len(level.ratio_of) > 1 else None


def _stated_accuracies(bundle: Bundle) -> dict[str, float]:
    """Return the accuracy of each ratio's last exit in percent, as the bundle states it."""
    last = bundle.manifest.stages[-1].name
    stated = {r: bundle.manifest.ratio_figure(r, "test", last) for r in bundle.manifest.ratios}
    known = {ratio: percent for ratio, percent in stated.items() if percent is not None}
    if len(known) < len(stated):
        raise RunError(f"{bundle.manifest.name} states no accuracies by ratio: give --data")
    return known


def _accuracies(
    bundle: Bundle, backend: Backend, test: Dataset, progress: Progress
) -> dict[str, float]:
    """Return the accuracy of each ratio's last exit on test images in percent."""
    ratios = bundle.manifest.ratios
    progress(f"scoring {len(test)} test images at {len(ratios)} ratios")
    return {ratio: _accuracy(bundle, backend, ratio, test) for ratio in ratios}


def _accuracy(bundle: Bundle, backend: Backend, ratio: str, test: Dataset) -> float:
    """Return the accuracy of a ratio's last exit on test images in percent."""
    scores = run_all(load_stages(bundle, backend, ratio=ratio), list(test.images))
    return 100 * float(np.mean(scores[-1].argmax(axis=1) == test.labels))


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


CLAIMED: dict[str, tuple[float | None, Better]] = {
    "latency_spread_over_clocks": (SPREAD, "lower"),
    "latency_spread_fixed_net": (None, "lower"),
    "accuracy_points_over_fixed_net": (POINTS, "higher"),
}


def _claims(
    level: LevelLatency, accuracy: dict[str, float], found: Mapping[str, Any]
) -> list[dict[str, Any]]:
    figures = _figures(level, accuracy)
    return [
        claim(
            name, level.board, claimed, figures[name], "", better, level.origin, found.get(name)
        )
        for name, (claimed, better) in CLAIMED.items()
    ]  # fmt: skip


def _figures(level: LevelLatency, accuracy: Mapping[str, float]) -> dict[str, float]:
    return {
        "latency_spread_over_clocks": level.spread,
        "latency_spread_fixed_net": level.fixed_spread,
        "accuracy_points_over_fixed_net": level.mean(accuracy) - accuracy[level.fixed],
    }


def _intervals(bundle: Bundle, board: str, accuracy: Mapping[str, float]) -> dict[str, Any]:
    """Each board chooses its ratios by its own cost table."""
    profile = load_profile(board.removeprefix("sim:"))
    return intervals(
        lambda other: _figures(level_latency(bundle, board, SPREAD, other), accuracy), profile
    )


def _size_claims(sizes: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = {
        "auxiliary_percent_of_weights": AUXILIARY_PERCENT,
        "file_percent_of_full_width": FILE_PERCENT,
    }
    return [
        claim(name, "any", limit, sizes[name], "%", "lower", "measured")
        for name, limit in wanted.items()
    ]


def byte_sizes(bundle: Bundle) -> dict[str, Any]:
    """Return bytes of a prunable bundle's stage files, and of the same ratios as separate files."""
    manifest = bundle.manifest
    assert manifest.prunable is not None
    stages = range(len(manifest.stages))
    whole = sum(len(bundle.stage_model(index)) for index in stages)
    auxiliary = manifest.prunable.auxiliary_bytes
    weights = sum(_weights(Graph(bundle.stage_model(index))) for index in stages)
    separate = ratio_bytes(bundle)
    return {
        "weights": weights,
        "auxiliary": auxiliary,
        "file": whole,
        "separate": separate,
        "auxiliary_percent_of_weights": 100 * auxiliary / weights,
        "file_percent_of_full_width": 100 * whole / (whole - auxiliary),
        "file_percent_of_separate": 100 * whole / sum(separate.values()),
    }


def _weights(graph: Graph) -> int:
    kernels = {
        node.inputs[1]
        for node in graph.nodes
        if node.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    }
    return sum(graph.tensors[index].elements for index in kernels)


def memory_growth(bundle: Bundle) -> dict[str, int]:
    """Return by how many bytes a process grows that runs the bundle's nets on this computer.

    Each case is measured in a process of its own, after one tiny inference: `one_file` at the
    narrowest ratio and at full width, and `separate` with an interpreter for each ratio.
    """
    paths = [str(bundle.path / stage.file) for stage in bundle.manifest.stages]
    ratios = sorted(bundle.manifest.ratios, key=float, reverse=True)
    cases = {
        "one_file_full": [FULL_RATIO],
        "one_file_narrowest": [ratios[-1]],
        "separate": ratios,
    }
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return {name: pool.apply(_grow, (paths, chosen)) for name, chosen in cases.items()}


def _grow(paths: Sequence[str], ratios: Sequence[str]) -> int:
    """Load and run every stage at every ratio, keep the interpreters, and return the growth."""
    backend = open_backend()
    kept = [_run(backend, paths[0], ratios[-1])]  # has the libraries paged in
    before = _resident_bytes()
    kept += [_run(backend, path, ratio) for ratio in ratios for path in paths]
    return _resident_bytes() - before


def _run(backend: Backend, path: str, ratio: str) -> Any:
    interpreter = backend.load(PrunableModel.open(Path(path)).materialise(ratio))
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], np.zeros(tensor["shape"], tensor["dtype"]))
    interpreter.invoke()
    return interpreter


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0

"""The ImageNet figures of BL-DNN (CODES+ISSS 2015) beside ours: cascades of published nets.

Its abstract claims 53.7 % less energy at 0.90 points of accuracy lost. Its nets are not known; here
the big one is EfficientNet-Lite2 in int8, and what stands before it is any one or two of the nets
at hand. On random halves of the pictures everything is chosen, on the other halves it is read.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.big_little import PAPER
from edge_infer.lab.reproduce.imagenet_energy import Energies, board_energies, published_energies
from edge_infer.lab.reproduce.imagenet_nets import find_nets
from edge_infer.lab.reproduce.imagenet_rules import RULES, Indices, Judge, Judged
from edge_infer.lab.reproduce.imagenet_scores import NetScores, open_pictures, score_nets
from edge_infer.lab.reproduce.imagenet_splits import (
    Table,
    choose,
    halves,
    read,
    tabulate,
    validated_aims,
)
from edge_infer.lab.reproduce.imagenet_summary import Option, Pick, summary
from edge_infer.lab.reproduce.paper import claim
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.runtime.errors import InputError

NO_MNIST: Mapping[str, Any] = {
    "paper": PAPER, "bundle": None, "claims": [], "answers": None, "boards": [], "host": None,
}  # fmt: skip
"""The document without MNIST's figures."""
WORK = Path("runs") / "imagenet"
"""Nets are looked for, and scores are kept, here."""
SAVING_PERCENT, LOSS_POINTS = 53.7, 0.90
"""BL-DNN's abstract, ImageNet."""
ALLOWED = (0.5, 0.7, LOSS_POINTS, 1.1, 1.3, 1.5)
"""Losses in points that are allowed on calibration halves, for a curve."""
SPLITS = 200
FEWEST = 200
"""Pictures to divide, at least."""


TOP1_50K = {
    "mobilenet-v1-0.5-160": 59.444,
    "mobilenet-v1-0.75-192": 67.2,
    "efficientnet-lite0": 71.19,
    "efficientnet-lite2": 74.124,
}
"""Published accuracy of int8 files on all 50,000 pictures, where known; other files than ours."""


Played = tuple[dict[float, list[Pick]], dict[Option, list[tuple[float, float]]]]
"""Picks by loss allowed; energy in uJ and accuracy lost of each option alone, by split."""


def reproduce_imagenet(
    folder: Path,
    nets_at: Sequence[Path] = (WORK,),
    kept: Path = WORK,
    boards: Sequence[str] = (),
    *,
    splits: int = SPLITS,
    seed: int = 1,
    backend: Backend | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return `claims`, and `imagenet` of the document of `reproduce big-little --imagenet`.

    Args:
        folder: pictures, one subfolder a class, called 0 to 999.
        nets_at: .tflite files, or folders that hold some.
        kept: folder of scores: they are computed once.
        boards: simulated boards, beside the published measurements.
        splits: random halves.
        seed: of the splits.
        backend: to run nets with; the default if None.
        progress: called with what is under way.

    Raises:
        SourceMissingError: there is no such folder or net.
        InputError: nets or pictures are missing, or class folders are none.
        ModelNotSupportedError: a net is not what its file's name says.
        CalibrationError: a net answers at chance.
    """
    pictures = open_pictures(folder)
    nets = find_nets(nets_at)
    names = [net.name for net in nets]
    energies = [published_energies(names), *(board_energies(names, board) for board in boards)]
    scored = score_nets(nets, pictures, backend or open_backend(), kept, progress)
    which = _unseen(scored, folder)
    judge = Judge(scored, which)
    found = _play(judge, energies, names, splits, seed, progress)
    parts = [
        summary(each, names, judge, picks, LOSS_POINTS, tried)
        for each, (picks, tried) in zip(energies, found, strict=True)
    ]
    return {
        "claims": [row for part in parts for row in _claims(part)],
        "imagenet": {
            "pictures": len(which),
            "unreadable": len(scored[0].skipped),
            "quantised_with": len(scored[0].labels) - len(which),
            "splits": splits,
            "allowed_loss_points": LOSS_POINTS,
            "nets": [_net(each, which) for each in scored],
            "boards": parts,
        },
    }


def _unseen(scored: Sequence[NetScores], folder: Path) -> Indices:
    """Return the pictures that no net was quantised with."""
    used = {name for net in scored for name in net.net.calibration}
    which = np.flatnonzero([name not in used for name in scored[0].names])
    if len(which) < FEWEST:
        raise InputError(
            f"{folder}: {len(which)} pictures were not used to quantise the nets: {FEWEST} or more "
            "are divided into calibration and test"
        )
    return which


def _play(
    judge: Judge, energies: Sequence[Energies], names: Sequence[str], splits: int, seed: int,
    progress: Progress,
) -> list[Played]:  # fmt: skip
    """Return the pick of each split, and what each option alone came to, by energies."""
    options = _options(len(names))
    found: list[Played] = [
        ({points: [] for points in ALLOWED}, {option: [] for option in options}) for _ in energies
    ]
    for number, (calibration, test) in enumerate(halves(len(judge.labels), splits, seed)):
        if number % 10 == 0:
            progress(f"split {number + 1} of {splits}: {len(options)} cascades and rules")
        judge.calibrate(calibration)
        judged = [judge.judge(*option) for option in options]
        big = judge.expected(judge.answers[-1])
        harms = [(big - judge.expected(each.answers))[:, calibration] for each in judged]
        for each, (picks, tried) in zip(energies, found, strict=True):
            rows_uj = [each.stages([names[i] for i in option.row]) for option in options]
            tables = [
                tabulate(j.confidence[:, calibration], harm, uj)
                for j, harm, uj in zip(judged, harms, rows_uj, strict=True)
            ]
            for option, j, table, uj in zip(options, judged, tables, rows_uj, strict=True):
                alone = _chosen([table], [option], [j], [uj], test, judge, LOSS_POINTS / 100)
                if alone is not None:
                    tried[option].append(_means(alone, judge))
            aims = validated_aims(tables, len(calibration), [points / 100 for points in ALLOWED])
            for points, aim in zip(ALLOWED, aims, strict=True):
                pick = _chosen(tables, options, judged, rows_uj, test, judge, aim)
                if pick is not None:
                    picks[points].append(pick)
    return found


def _options(nets: int) -> list[Option]:
    """Return every one or two nets before the big one, under every rule."""
    rows = [(*before, nets - 1) for n in (1, 2) for before in combinations(range(nets - 1), n)]
    return [
        Option(row, rule)
        for row in rows
        for rule in RULES
        if rule != "agreement" or len(row) > 2
    ]  # fmt: skip


def _chosen(
    tables: Sequence[Table], options: Sequence[Option], judged: Sequence[Judged],
    rows_uj: Sequence[Sequence[float]], test: Indices, judge: Judge, aim: float,
) -> Pick | None:  # fmt: skip
    """Choose on the calibration half with a mean loss to aim at, and read on the other."""
    count = len(judge.labels) - len(test)
    choice = choose(tables, count, aim)
    if choice is None:
        return None
    at = judged[choice.option]
    reading = read(at.confidence[:, test], rows_uj[choice.option], choice.thresholds)
    right = at.answers[reading.exits, test] == judge.labels[test]
    return Pick(options[choice.option], test, right, reading)


def _means(pick: Pick, judge: Judge) -> tuple[float, float]:
    """Return mean net energy in uJ, and the accuracy lost, a share."""
    big = judge.answers[-1, pick.test] == judge.labels[pick.test]
    return float(pick.reading.uj.mean()), float(big.mean() - pick.right.mean())


def _net(net: NetScores, which: Indices) -> dict[str, Any]:
    return {
        "net": net.net.name,
        "file": net.net.path.name,
        "macs": net.net.work.macs,
        "accuracy_percent": 100 * float(net.right[which].mean()),
        "accuracy_50k_percent": TOP1_50K.get(net.net.name),
        "quantised_with": len(net.net.calibration),
    }


def _claims(part: dict[str, Any]) -> list[dict[str, Any]]:
    board, origin = part["board"], part["origin"]
    saving, loss = part["saving_percent"]["mean"], part["loss_points"]["mean"]
    static = part["saving_vs_best_static_percent"]
    return [
        claim("imagenet_net_energy_saving_percent", board, SAVING_PERCENT, saving, "%", "higher",
              origin),
        claim("imagenet_accuracy_loss_points", board, LOSS_POINTS, loss, "", "lower", "measured"),
        claim("imagenet_saving_vs_best_static_percent", board, None, static, "%", "higher", origin),
    ]  # fmt: skip

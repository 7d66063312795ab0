"""What all splits came to: means, intervals over the pictures, and static nets beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.comparison.static_nets import CRITICAL
from edge_infer.lab.reproduce.imagenet_energy import Energies
from edge_infer.lab.reproduce.imagenet_rules import Indices, Judge, Rule
from edge_infer.lab.reproduce.imagenet_splits import Reading
from edge_infer.lab.reproduce.imagenet_stack import Floats, Members

DRAWS = 2000
"""Of the bootstrap."""
MIDDLE = (5.0, 95.0)
"""Per cent: ends of an interval."""


class Option(NamedTuple):
    """A cascade under a rule."""

    row: Members
    rule: Rule


class Pick(NamedTuple):
    """What a split came to on its test half: an option, and what it did there."""

    option: Option
    test: Indices
    right: NDArray[np.bool_]
    reading: Reading


def summary(
    energies: Energies,
    names: Sequence[str],
    judge: Judge,
    picked: Mapping[float, Sequence[Pick]],
    allowed: float,
    tried: Mapping[Option, Sequence[tuple[float, float]]],
) -> dict[str, Any]:
    """Return what the splits came to by one board's energies.

    Args:
        energies: of the nets.
        names: of the nets, the big one last.
        judge: of the pictures.
        picked: by loss allowed on the calibration halves, in points, and by split.
        allowed: which of these losses is told in full.
        tried: mean energy in uJ and accuracy lost of each option alone, by split.
    """
    big_uj, picks = energies.alone(names[-1]), picked[allowed]
    rights = judge.answers == judge.labels
    right, uj = _by_picture(picks, len(judge.labels))
    loss = rights[-1] - right
    means = _point(allowed, picks, rights[-1], big_uj)
    statics = _statics(energies, names, rights)
    best = best_static(statics, float(rights[-1].mean()) - means["loss_points"] / 100)
    paired = [s for s in statics if _not_less_accurate(right, rights[names.index(s["net"])])]
    rival = min(paired or statics[-1:], key=lambda s: float(s["net_uj"]))
    ours_uj = big_uj * (1 - means["saving_percent"] / 100)
    return {
        "board": energies.board,
        "origin": energies.origin,
        "basis": energies.basis,
        "between_measured_sizes": list(energies.between),
        "saving_percent": _interval(100 * (1 - uj / big_uj), means["saving_percent"]),
        "loss_points": _interval(100 * loss, means["loss_points"]),
        "net_uj": ours_uj,
        "curve": [_point(points, rows, rights[-1], big_uj) for points, rows in picked.items()],
        "picked": _picked(picks, names),
        "tried": [
            _option(option, names, found, big_uj) for option, found in tried.items() if found
        ],
        "static": statics,
        "best_static": best[0],
        "saving_vs_best_static_percent": 100 * (1 - ours_uj / best[1]),
        "best_static_by_paired_test": rival["net"],
        "saving_vs_best_static_by_paired_test_percent": 100 * (1 - ours_uj / rival["net_uj"]),
    }


def _by_picture(picks: Sequence[Pick], count: int) -> tuple[Floats, Floats]:
    """Return how often each picture was right, and its mean energy, over the splits it tested."""
    sums = np.zeros((3, count))
    for pick in picks:
        sums[:, pick.test] += np.stack([np.ones(len(pick.test)), pick.right, pick.reading.uj])
    with np.errstate(invalid="ignore"):
        return sums[1] / sums[0], sums[2] / sums[0]


def _interval(values: Floats, mean: float) -> dict[str, Any]:
    """Return the mean over splits, and the middle of a bootstrap over pictures.

    The choices of the splits are not made anew.

    Args:
        values: by picture, the mean over the splits that tested it; NaN where none did.
        mean: over splits.
    """
    known = values[np.isfinite(values)]
    random = np.random.default_rng(0)
    means = [random.choice(known, len(known)).mean() for _ in range(DRAWS)]
    return {"mean": mean, "interval": np.percentile(means, MIDDLE).tolist()}


def _point(
    points: float, picks: Sequence[Pick], big: NDArray[np.bool_], big_uj: float
) -> dict[str, float]:
    """Return what a loss allowed on the calibration halves came to on the others."""
    return {
        "allowed_points": points,
        "saving_percent": 100 * (1 - float(np.mean([p.reading.uj.mean() for p in picks])) / big_uj),
        "loss_points": 100 * float(np.mean([(big[p.test] * 1.0 - p.right).mean() for p in picks])),
    }


def _picked(picks: Sequence[Pick], names: Sequence[str]) -> list[dict[str, Any]]:
    counts = Counter(pick.option for pick in picks)
    return [
        {"nets": [names[i] for i in option.row], "rule": option.rule, "splits": count}
        for option, count in counts.most_common()
    ]


def _option(
    option: Option, names: Sequence[str], found: Sequence[tuple[float, float]], big_uj: float
) -> dict[str, Any]:
    uj, loss = np.mean(found, axis=0)
    return {
        "nets": [names[i] for i in option.row],
        "rule": option.rule,
        "splits": len(found),
        "saving_percent": 100 * (1 - float(uj) / big_uj),
        "loss_points": 100 * float(loss),
    }


def _statics(
    energies: Energies, names: Sequence[str], rights: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    big_uj, big = energies.alone(names[-1]), rights[-1].mean()
    return [
        {
            "net": name,
            "net_uj": energies.alone(name),
            "accuracy": float(row.mean()),
            "saving_percent": 100 * (1 - energies.alone(name) / big_uj),
            "loss_points": 100 * float(big - row.mean()),
        }
        for name, row in zip(names, rights, strict=True)
    ]


def best_static(statics: Sequence[Mapping[str, Any]], accuracy: float) -> tuple[str, float]:
    """Return the cheapest static net of an accuracy and its net energy in uJ.

    One of the nets, or two mixed by chance; the dearest net where none is as accurate.
    """
    options = [(s["net"], s["net_uj"]) for s in statics if s["accuracy"] >= accuracy]
    for low in statics:
        for high in statics:
            if low["accuracy"] < accuracy < high["accuracy"]:
                share = (accuracy - low["accuracy"]) / (high["accuracy"] - low["accuracy"])
                mixed = (1 - share) * low["net_uj"] + share * high["net_uj"]
                options.append((f"{share:.0%} {high['net']}, else {low['net']}", mixed))
    dearest = max(statics, key=lambda s: float(s["net_uj"]))
    return min(options, key=lambda o: float(o[1]), default=(dearest["net"], dearest["net_uj"]))


def _not_less_accurate(ours: Floats, theirs: NDArray[np.bool_]) -> bool:
    """Whether a net is not shown to be less accurate than ours, one-sided at 5 %, by picture."""
    difference = (ours - theirs)[np.isfinite(ours)]
    error = difference.std() / len(difference) ** 0.5
    return bool(difference.mean() <= CRITICAL * error)

"""Raw scores of every exit of a quantised model, for whole data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.recipe import Recipe
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.quantization import quantize

Scores = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Scored:
    """Raw scores of every exit by name, on the images that decide and on those that are read."""

    held_back: Scores
    test: Scores
    backend: Backend

    def save(self, path: Path, splits: Splits) -> None:
        """Write `held_back_NAME` and `test_NAME` of each exit, with the labels beside them."""
        arrays: dict[str, Any] = {
            "held_back_labels": splits.held_back.labels,
            "test_labels": splits.test.labels,
        }
        arrays |= {f"held_back_{name}": rows for name, rows in self.held_back.items()}
        arrays |= {f"test_{name}": rows for name, rows in self.test.items()}
        np.savez_compressed(path, **arrays)


def score_splits(model: bytes, recipe: Recipe, splits: Splits) -> Scored:
    """Run the quantised model over held-back and test images, on this platform's kernels."""
    names = [part.name for part in recipe.exits]
    backend = open_backend()

    def run(images: NDArray[np.uint8]) -> Scores:
        found = score(model, names, images, recipe.data.peak, backend)
        return dict(zip(names, found, strict=True))

    return Scored(run(splits.held_back.images), run(splits.test.images), backend)


def score(
    model: bytes, exits: Sequence[str], images: NDArray[np.uint8], peak: int, backend: Backend
) -> list[NDArray[Any]]:
    """Run the whole model over images.

    Args:
        model: a .tflite file whose signature names the exits.
        exits: names of its outputs.
        images: uint8, shape [n, height, width, channels].
        peak: grey level that stands for 1.0.
        backend: the kernels to run.

    Returns:
        One int8 array of shape [n, classes] per exit.
    """
    interpreter = backend.load(model)
    frame = interpreter.get_input_details()[0]
    outputs = Graph(model).output_names()
    scale, zero_point = frame["quantization"]
    levels = np.arange(256, dtype=np.float32) / np.float32(peak)
    table = quantize(levels, scale, zero_point, frame["dtype"].__name__)
    found: list[list[NDArray[Any]]] = [[] for _ in exits]
    for image in images:
        interpreter.set_tensor(frame["index"], table[image][None])
        interpreter.invoke()
        for rows, name in zip(found, exits, strict=True):
            rows.append(interpreter.get_tensor(outputs[name]).reshape(-1))
    return [np.stack(rows) for rows in found]


def outcomes(scores: Sequence[NDArray[Any]], labels: NDArray[Any]) -> ExitOutcomes:
    """What leaving at each exit would have answered, judged by score margin in LSB."""
    return ExitOutcomes.of_scores(scores, labels, "score-margin", [1.0] * len(scores))


def accuracy(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """Share of right answers, 0 to 1."""
    return float((scores.argmax(1) == labels).mean())

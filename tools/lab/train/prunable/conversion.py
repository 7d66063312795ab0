"""From the float nets of a family to one int8 file and the parameters of its ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.export import calibration_images, quantise
from edge_infer.lab.train.prunable.parameters import ratio_parameters
from edge_infer.lab.train.recipe import Recipe
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.prunable import RatioParameters, own_constants


@dataclass(frozen=True)
class Converted:
    """A family, quantised."""

    model: bytes
    """Full-width int8 file, every exit an output that its signature names."""
    ratios: tuple[RatioParameters, ...]
    own: Mapping[str, bytes]
    """Each ratio converted by itself: int8 weights of its own."""


def convert(recipe: Recipe, splits: Splits, nets: Mapping[str, Any], work: Path) -> Converted:
    """Quantise every ratio and derive what the one file needs to know of each.

    Args:
        recipe: whose exits name the outputs.
        splits: activation ranges come from images of the training side.
        nets: float32 nets by ratio, the full one first.
        work: keeps the conversions; those that are there are taken.
    """
    exits = [part.name for part in recipe.exits]
    frames = calibration_images(splits.train, recipe.data.peak, recipe.training.seed)
    own = {
        name: _converted(work / f"{name}.tflite", net, exits, frames) for name, net in nets.items()
    }
    model = own_constants(own[FULL_RATIO])
    full = nets[FULL_RATIO]
    ratios = tuple(
        ratio_parameters(model, full, own[name], net, name, exits)
        for name, net in nets.items()
        if name != FULL_RATIO
    )
    return Converted(model, ratios, own)


def _converted(path: Path, net: Any, exits: Sequence[str], frames: Sequence[Any]) -> bytes:
    if not path.exists():
        path.write_bytes(quantise(net, exits, frames))
    return path.read_bytes()

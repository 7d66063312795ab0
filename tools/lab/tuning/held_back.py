"""The images that a bundle's recipe held back from training, found again in its data set."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite import Bundle
from edge_infer.runtime.errors import RunError

if TYPE_CHECKING:
    from edge_infer.lab.train.sources import Source

HELD_BACK = "held-back:"
"""In front of a data set, instead of a file of inputs: held-back:data/mnist."""


def held_back_images(bundle: Bundle, where: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Divide a data set as the recipe did and return what was held back, frames and labels.

    Args:
        bundle: one that `edge-infer train` made; its provenance names recipe and seed.
        where: the data set, as `edge-infer train --data` takes it.

    Raises:
        RunError: no recipe is named, it has changed since, or the data set is another.
    """
    from edge_infer.lab.train.sources import open_source

    _check_recipe_named(bundle)
    return held_back_of(bundle, open_source(where), where)


def held_back_of(
    bundle: Bundle, source: "Source", where: str
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the same of a data set that is read already; `where` is for messages."""
    from edge_infer.lab.train.dataset import split
    from edge_infer.lab.train.recipe import read_recipe

    _check_recipe_named(bundle)
    name, made = bundle.manifest.name, bundle.manifest.provenance
    recipe = read_recipe(made["recipe"]["name"])
    seed = recipe.training.seed
    found = split(source.train, source.test, recipe.data.held_back, recipe.data.test, seed)
    sizes = {"train": len(found.train), "held_back": len(found.held_back), "test": len(found.test)}
    if sizes != made["images"] or seed != made["seed"]:
        raise RunError(
            f"{name} was trained with seed {made['seed']} on {made['images']}, its recipe now "
            f"makes seed {seed}, {sizes} of {where}: the images held back cannot be told"
        )
    return found.held_back.images, found.held_back.labels


def _check_recipe_named(bundle: Bundle) -> None:
    """Before a data set is read for nothing."""
    made = bundle.manifest.provenance
    if "recipe" not in made or "images" not in made:
        raise RunError(
            f"{bundle.manifest.name} names no recipe: give calibration inputs as a file or a folder"
        )

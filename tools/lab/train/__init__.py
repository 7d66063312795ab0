"""Recipes that train a net with several answers, quantise it and cut it into a bundle.

A recipe (`recipes/*.toml`) names data, net, training and promise; `train` and `export` turn it
into one int8 model. Everything that needs TensorFlow stands in `blocks`, `nets`, `loop` and
`export`, which only the command imports, so that the rest works without it.
"""

from edge_infer.lab.train.dataset import Dataset, Splits
from edge_infer.lab.train.recipe import Recipe, read_recipe, recipe_names

__all__ = ["Dataset", "Recipe", "Splits", "read_recipe", "recipe_names"]

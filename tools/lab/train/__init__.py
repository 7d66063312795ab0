"""Recipes that train a net with several answers, quantise it and cut it into a bundle.

A recipe (`recipes/*.toml`) names data, net, training and promise; `recipe_run` makes a bundle of
it. What needs TensorFlow (`nets`, `loop`, `pipeline`, most of `prunable`) is imported when it is
called, so that the rest works without it.
"""

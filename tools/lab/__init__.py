"""The laboratory: what decides ahead of time, off the board.

Replay and baselines, compare, tune, costs, train and the papers' figures, as a library: functions
return data, nothing here prints or reads a command line. `edge-infer run` imports none of it.
"""

from typing import TYPE_CHECKING

import edge_infer.lab.baselines.policies  # noqa: F401 they register themselves
from edge_infer.lazy import exports

if TYPE_CHECKING:
    from edge_infer.lab.comparison.comparison_document import compare
    from edge_infer.lab.comparison.conditions import Conditions
    from edge_infer.lab.costs.bundle_measurement import measure_costs
    from edge_infer.lab.reproduce.all_in_one import reproduce_all_in_one
    from edge_infer.lab.reproduce.big_little import reproduce_big_little
    from edge_infer.lab.reproduce.eenet import reproduce_eenet
    from edge_infer.lab.train.recipe import read_recipe
    from edge_infer.lab.train.recipe_run import train_bundle
    from edge_infer.lab.tuning.threshold_choice import LossBound
    from edge_infer.lab.tuning.tuning import tune

__all__ = [
    "compare",
    "Conditions",
    "tune",
    "LossBound",
    "measure_costs",
    "read_recipe",
    "train_bundle",
    "reproduce_eenet",
    "reproduce_big_little",
    "reproduce_all_in_one",
]

if not TYPE_CHECKING:  # so that type checkers find a name that is not there
    __getattr__, __dir__ = exports(
        __name__,
        {
            "edge_infer.lab.comparison.comparison_document": "compare",
            "edge_infer.lab.comparison.conditions": "Conditions",
            "edge_infer.lab.costs.bundle_measurement": "measure_costs",
            "edge_infer.lab.reproduce.all_in_one": "reproduce_all_in_one",
            "edge_infer.lab.reproduce.big_little": "reproduce_big_little",
            "edge_infer.lab.reproduce.eenet": "reproduce_eenet",
            "edge_infer.lab.train.recipe": "read_recipe",
            "edge_infer.lab.train.recipe_run": "train_bundle",
            "edge_infer.lab.tuning.threshold_choice": "LossBound",
            "edge_infer.lab.tuning.tuning": "tune",
        },
    )

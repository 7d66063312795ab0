"""What ratios add to a file: at most 5 % of the weights of a CIFAR net, 8 % of a MobileNetV2."""

from collections.abc import Callable

import pytest
from tests.fakes.ratio_parameters import LAYERS
from tests.fakes.sized_nets import SEVEN, cifar_net, mobilenet_v2, with_seven_ratios

from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable import PrunableModel, own_constants


@pytest.mark.parametrize(
    ("make", "least_weights", "limit_percent"),
    [(cifar_net, 230_000, 5), (mobilenet_v2, 2_200_000, 8)],
)
def test_seven_ratios_add_little(
    make: Callable[[], bytes], least_weights: int, limit_percent: float
) -> None:
    model = make()
    graph = Graph(model)
    weights = sum(graph.operand(n, 1).elements for n in graph.nodes if n.op in LAYERS)
    assert weights >= least_weights
    file = with_seven_ratios(model)
    assert PrunableModel.open(file).ratios == ("1.0", *SEVEN)
    added = len(file) - len(own_constants(model))
    assert 100 * added / weights <= limit_percent
    assert len(file) <= 1.09 * len(model)

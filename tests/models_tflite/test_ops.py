"""MACs by hand, per operator, and of nets whose figure is published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.prunable_nets import ChannelNet
from tests.fakes.tiny_models import ModelBuilder, early_exit_model, stateful_model

from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.ops import list_ops
from edge_infer.models_tflite.stage_spec import Op


def one_op(
    name: str, shapes: Sequence[Sequence[int]], output: Sequence[int], options: str, **fields: Any
) -> Op:
    """Read back one operator; all its inputs but the first are constants."""
    builder = ModelBuilder()
    frame = builder.tensor("in", shapes[0], "float32")
    others = [
        builder.tensor(f"c{index}", shape, "float32", data=np.ones(shape, np.float32))
        for index, shape in enumerate(shapes[1:])
    ]
    result = builder.tensor("out", output, "float32")
    builder.op(name, [frame, *others], [result], options, **fields)
    (op,) = list_ops(Graph(builder.build([frame], [result])))
    return op


@pytest.mark.parametrize(
    ("name", "shapes", "output", "options", "macs"),
    [
        # 4*4 positions, 8 channels out, 3*3*2 products each
        ("CONV_2D", [[1, 4, 4, 2], [8, 3, 3, 2]], [1, 4, 4, 8], "Conv2DOptions", 128 * 18),
        (
            "DEPTHWISE_CONV_2D", [[1, 4, 4, 2], [1, 3, 3, 4]], [1, 4, 4, 4],
            "DepthwiseConv2DOptions", 64 * 9,
        ),
        ("FULLY_CONNECTED", [[1, 6], [3, 6]], [1, 3], "FullyConnectedOptions", 18),
        ("BATCH_MATMUL", [[2, 3, 4], [2, 4, 5]], [2, 3, 5], "BatchMatMulOptions", 2 * 3 * 4 * 5),
        (
            "CONV_3D", [[1, 2, 4, 4, 2], [2, 3, 3, 2, 5]], [1, 1, 2, 2, 5], "Conv3DOptions",
            1 * 2 * 2 * 5 * (2 * 3 * 3 * 2),
        ),
        ("ADD", [[1, 4], [1, 4]], [1, 4], "AddOptions", 0),
    ],
)  # fmt: skip
def test_macs_by_hand(
    name: str, shapes: list[list[int]], output: list[int], options: str, macs: int
) -> None:
    op = one_op(name, shapes, output, options)
    assert (op.op, op.macs, op.elements) == (name, macs, int(np.prod(output)))
    assert op.channels == output[-1]
    assert op.taps == (9 if name in ("CONV_2D", "DEPTHWISE_CONV_2D") else 1)


def test_a_transposed_matrix_counts_the_same() -> None:
    op = one_op("BATCH_MATMUL", [[4, 3], [4, 5]], [3, 5], "BatchMatMulOptions", adjX=True)
    assert op.macs == 3 * 4 * 5


def test_a_transposed_convolution_meets_its_kernel_once_per_input_value() -> None:
    builder = ModelBuilder()
    size = builder.tensor("s", [4], "int32", 0.0, data=np.array([1, 4, 4, 3], np.int32))
    kernel = builder.tensor("w", [3, 2, 2, 5], "float32", data=np.ones((3, 2, 2, 5), np.float32))
    frame = builder.tensor("in", [1, 2, 2, 5], "float32")
    output = builder.tensor("out", [1, 4, 4, 3], "float32")
    builder.op(
        "TRANSPOSE_CONV",
        [size, kernel, frame],
        [output],
        "TransposeConvOptions",
        strideH=2,
        strideW=2,
    )
    (op,) = list_ops(Graph(builder.build([frame], [output])))
    assert op == Op("TRANSPOSE_CONV", (2 * 2 * 5) * (3 * 2 * 2), 48, 3, 2 * 2, 2 * 2 * 5)


def test_a_recurrent_layer_uses_its_weights_once() -> None:
    (op,) = list_ops(Graph(stateful_model()))
    # The state is an input that changes; it counts with the three features of the frame.
    assert op == Op("SVDF", 4 * 3 + 4 * 2, 4, 4, 1, 3 + 8)


def test_pooling_tells_its_window_and_what_it_reads() -> None:
    net = ChannelNet("int8")
    frame = net.frame(8, 4)
    (op,) = list_ops(Graph(net.build([frame], [net.pool(frame)])))
    assert op == Op("MAX_POOL_2D", 0, 4 * 4 * 4, 4, 4, 8 * 8 * 4)


def test_operators_come_in_execution_order() -> None:
    names = [op.op for op in list_ops(Graph(early_exit_model()))]
    assert names[:4] == ["CONV_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED"]
    assert names.count("ADD") == 2


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        # MLPerf Tiny's ResNet-8
        ("mlperf_tiny/pretrainedResnet_quant.tflite", 12.5e6),
        # The table of TF-slim's mobilenet_v1.md: 77 and 233 million MACs.
        ("coral/mobilenet_v1_0.5_160_quant.tflite", 77e6),
        ("coral/mobilenet_v1_0.75_192_quant.tflite", 233e6),
    ],
)
def test_published_nets_have_their_published_macs(
    foreign_models: Path, name: str, macs: float
) -> None:
    found = sum(op.macs for op in list_ops(Graph((foreign_models / name).read_bytes())))
    assert found == pytest.approx(macs, rel=0.03)


@pytest.mark.parametrize("op", ["LSTM", "RNN", "BIDIRECTIONAL_SEQUENCE_LSTM"])
def test_recurrent_kernels_use_each_weight_once_a_step(op: str) -> None:
    b = ModelBuilder()
    frame, out = (b.tensor(name, [2, 4], "float32", 0.0) for name in ("frame", "out"))
    weights = [b.tensor(f"w{n}", [8, 4], "float32", 0.0, data=np.ones((8, 4), np.float32))
               for n in range(2)]  # fmt: skip
    b.op(op, [frame, *weights], [out])
    (found,) = list_ops(Graph(b.build([frame], [out])))
    assert found.macs == 2 * 2 * 8 * 4

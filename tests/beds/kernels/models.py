"""Models of one operator each, of many shapes: what the kernels are counted on."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.fakes.prunable_nets import ChannelNet

from edge_infer.boards.cost_table import OpWork
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.ops import list_ops

POINTWISE = ((28, 32, 32), (28, 32, 64), (28, 64, 32), (28, 128, 128), (28, 8, 8), (28, 16, 16),
             (28, 24, 24), (28, 16, 96), (28, 96, 16), (14, 256, 256), (56, 32, 32), (7, 256, 512),
             (28, 32, 8))  # fmt: skip
"""Size, channels in and out."""
WINDOWS = ((32, 3, 16, 1), (64, 3, 32, 2), (64, 3, 8, 2), (32, 16, 16, 1), (16, 32, 32, 1),
           (8, 64, 64, 1), (16, 64, 64, 1), (16, 16, 32, 2))  # fmt: skip
"""Of 3x3: size, channels in and out, stride."""
DEPTHWISE = ((28, 32, 1), (28, 64, 1), (28, 64, 2), (56, 32, 1), (28, 8, 1), (14, 256, 1),
             (7, 512, 1))  # fmt: skip
EACH = ((28, 32), (28, 64))
DENSE = ((64, 10), (640, 128), (1024, 1000))


class Counted(NamedTuple):
    """A model of one operator."""

    name: str
    dtype: str
    model: bytes
    op: OpWork


def counted_models() -> Iterator[Counted]:
    """Yield every model, int8 first."""
    for dtype in ("int8", "float32"):
        for size, deep, wide in POINTWISE:
            yield _conv(dtype, size, deep, wide, 1, 1)
        for size, deep, wide, stride in WINDOWS:
            yield _conv(dtype, size, deep, wide, 3, stride)
        for size, deep, stride in DEPTHWISE:
            yield _depthwise(dtype, size, deep, stride)
        for size, deep in EACH:
            yield from _elementwise(dtype, size, deep)
        for deep, wide in DENSE:
            yield _dense(dtype, deep, wide)


def _net(dtype: str, shape: list[int]) -> tuple[ChannelNet, int]:
    net = ChannelNet(dtype, 1)
    return net, net.tensor("frame", shape, dtype, 1 / 64, 0)


def _counted(name: str, net: ChannelNet, frame: int, out: int) -> Counted:
    model = net.build([frame], [out])
    (op,) = list_ops(Graph(model))
    return Counted(f"{net.dtype} {name}", net.dtype, model, OpWork(*op))


def _conv(dtype: str, size: int, deep: int, wide: int, window: int, stride: int) -> Counted:
    net, frame = _net(dtype, [1, size, size, deep])
    name = f"conv {window}x{window}/{stride} {size} {deep} {wide}"
    return _counted(name, net, frame, net.layer(frame, wide, window, stride))


def _depthwise(dtype: str, size: int, deep: int, stride: int) -> Counted:
    net, frame = _net(dtype, [1, size, size, deep])
    return _counted(f"depthwise/{stride} {size} {deep}", net, frame,
                    net.depthwise(frame, 1, stride))  # fmt: skip


def _elementwise(dtype: str, size: int, deep: int) -> Iterator[Counted]:
    for name in ("sum", "mean", "pool"):
        net, frame = _net(dtype, [1, size, size, deep])
        out = {"sum": lambda n, f: n.sum(f, f), "mean": ChannelNet.mean, "pool": ChannelNet.pool}
        yield _counted(f"{name} {size} {deep}", net, frame, out[name](net, frame))


def _dense(dtype: str, deep: int, wide: int) -> Counted:
    net, frame = _net(dtype, [1, deep])
    return _counted(f"dense {deep} {wide}", net, frame, net.scores(frame, wide))

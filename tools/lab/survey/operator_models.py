"""The models of a survey: one operator each, of the kinds and shapes that small nets are made of.

They are written by this program, so nothing has to be shipped or trained for them.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.lab.survey.model_writer import ModelWriter
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.ops import list_ops

DTYPES = ("int8", "float32")
POINTWISE = ((28, 32, 32), (28, 32, 64), (28, 64, 32), (28, 128, 128), (28, 16, 16), (28, 16, 96),
             (14, 256, 256), (56, 32, 32), (7, 256, 512), (56, 64, 64))  # fmt: skip
"""Size, channels in and out."""
WINDOWS = ((32, 3, 16, 3, 1), (64, 3, 32, 3, 2), (32, 16, 16, 3, 1), (16, 32, 32, 3, 1),
           (8, 64, 64, 3, 1), (16, 64, 64, 3, 1), (16, 16, 32, 3, 2), (28, 32, 64, 3, 1),
           (28, 16, 32, 5, 1), (56, 16, 16, 3, 1))  # fmt: skip
"""Size, channels in and out, window, stride."""
DEPTHWISE = ((28, 32, 1), (28, 64, 1), (28, 64, 2), (56, 32, 1), (28, 128, 1), (14, 256, 1),
             (7, 512, 1), (56, 64, 2))  # fmt: skip
"""Size, channels, stride."""
DENSE = ((64, 64), (256, 256), (640, 128), (512, 512), (1024, 1000), (1024, 256))
MAPS = ((28, 32), (28, 64), (56, 32), (14, 256), (28, 128), (56, 64))
"""Size and channels of what is added, halved and averaged."""
TINY = (8, 16, 24, 32, 40, 48, 56, 64)
"""Channels of a pointwise convolution of one pixel: what an invocation costs by itself."""
HEAVY = (
    ("pointwise", (56, 128, 128)), ("pointwise", (28, 256, 256)), ("conv", (28, 64, 64, 3, 1)),
    ("conv", (56, 32, 32, 3, 1)), ("conv", (28, 128, 128, 3, 1)), ("depthwise", (112, 64, 1)),
    ("depthwise", (56, 128, 1)), ("dense", (2048, 2048)), ("pool", (112, 64)), ("add", (112, 64)),
)  # fmt: skip
"""Kind and shape of what runs for long enough that a meter sees nothing else."""


class OperatorModel(NamedTuple):
    """A model of one operator."""

    name: str
    kind: str
    """conv, pointwise, depthwise, dense, pool, add, mean or tiny."""
    heavy: bool
    """Whether it runs for long enough that a meter sees nothing else."""
    model: bytes
    work: Work
    """The bare invocation."""

    @property
    def op(self) -> OpWork:
        """Its operator."""
        return self.work.ops[0]


@cache
def operator_models() -> tuple[OperatorModel, ...]:
    """Return every model, int8 first. Raises BackendError where none can be written."""
    return tuple(model for dtype in DTYPES for model in _models(dtype))


@cache
def burn_model() -> OperatorModel:
    """Return a model that keeps every core busy: large int8 convolutions in turn."""
    net = ModelWriter("int8", [1, 56, 56, 64])
    for _ in range(4):
        net.conv(64, 3)
    return _described("int8 burn", "burn", True, net)


def memory_work(size: int) -> Work:
    """Return a copy of `size` bytes as work for a simulated board."""
    ops = (OpWork("LOAD", 0, size),)
    return Work(f"copy {size}", ops, decides=False, first=False, bare=True)


def _models(dtype: str) -> Iterator[OperatorModel]:
    shapes: list[tuple[str, tuple[int, ...]]] = [("tiny", (1, wide, wide)) for wide in TINY]
    shapes += [("pointwise", shape) for shape in POINTWISE]
    shapes += [("conv", shape) for shape in WINDOWS]
    shapes += [("depthwise", shape) for shape in DEPTHWISE]
    shapes += [("dense", shape) for shape in DENSE]
    shapes += [(kind, shape) for shape in MAPS for kind in ("pool", "add", "mean")]
    for kind, shape in shapes:
        yield _model(dtype, kind, shape, heavy=False)
    for kind, shape in HEAVY:
        yield _model(dtype, kind, shape, heavy=True)


def _model(dtype: str, kind: str, shape: tuple[int, ...], heavy: bool) -> OperatorModel:
    size, *rest = shape
    if kind == "dense":
        net = ModelWriter(dtype, [1, size]).dense(rest[0])
        return _described(f"{dtype} dense {size} to {rest[0]}", kind, heavy, net)
    deep, *how = rest
    net = ModelWriter(dtype, [1, size, size, deep])
    name = f"{dtype} {kind} {size}x{size}x{deep}"
    if kind in ("pool", "add", "mean"):
        return _described(name, kind, heavy, getattr(net, kind)())
    if kind == "depthwise":
        return _described(f"{name} stride {how[0]}", kind, heavy, net.depthwise(how[0]))
    wide, window, stride = (*how, 1, 1)[:3]
    name += f" to {wide}" + (f", {window}x{window} stride {stride}" if kind == "conv" else "")
    return _described(name, kind, heavy, net.conv(wide, window, stride))


def _described(name: str, kind: str, heavy: bool, net: ModelWriter) -> OperatorModel:
    model = net.build()
    ops = tuple(OpWork(*op) for op in list_ops(Graph(model)))
    work = Work(name, ops, decides=False, first=False, dtype=net.dtype, bare=True)
    return OperatorModel(name, kind, heavy, model, work)

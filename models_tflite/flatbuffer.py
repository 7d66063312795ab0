"""TFLite files as objects and back: the one place that touches the generated schema.

A file may leave out any vector or table, and a damaged one may point anywhere. A tree that `unpack`
returns has every part of `_OPTIONAL`, empty where the file has none, and refers to nothing that it
does not have; `pack` leaves out again what was put in. The schema comes with ai-edge-litert; a
device needs none of this to run a bundle.
"""

import copy
import logging
import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import BackendError, ModelError

_log = logging.getLogger(__name__)

BUFFER_ALIGNMENT = 16
"""Buffer.data is `force_align: 16` in the TFLite schema, which kernels may rely on."""
NO_TENSOR = -1
"""Index of an optional input that is left out."""
_OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS, the file comes with git lfs pull",
    b"\x89HDF": "a Keras or HDF5 file, convert it to TFLite first",
    b"PK\x03\x04": "a ZIP archive, unpack it first",
    b"\x1f\x8b": "gzip data, unpack it first",
    b"<": "a page of HTML or XML, the download failed",
}
"""By how they begin, files that lie about under the name of a model."""
_ITEM_BITS = {
    "float64": 64, "float32": 32, "float16": 16, "int64": 64, "uint64": 64, "int32": 32,
    "uint32": 32, "int16": 16, "uint16": 16, "int8": 8, "uint8": 8, "bool": 8, "int4": 4,
}  # fmt: skip


def unpack(model: bytes) -> Any:
    """Return the ModelT object tree of a .tflite file, complete; weights are views of `model`.

    Raises:
        ModelError: the bytes are no flatbuffer of a TFLite model, or one that refers to parts that
            it does not have.
    """
    if model[4:8] != b"TFL3":
        raise ModelError(f"not a TFLite model: {_what_instead(model)}")
    types = schema()
    try:
        tree = types.ModelT.InitFromPackedBuf(model, 0)
        for buffer in tree.buffers or []:
            _take_in(buffer, model)
    except Exception as error:  # the Python reader has no verifier: damage shows up as anything
        _log.debug("unpacking %d bytes: %s", len(model), error)
        raise ModelError(
            f"a truncated or damaged TFLite model of {len(model)} bytes: get it again"
        ) from None
    _complete(tree)
    _check(tree)
    return tree


def _what_instead(model: bytes) -> str:
    if not model:
        return "the file is empty, get it again"
    found = next((words for start, words in _OTHERS.items() if model.startswith(start)), None)
    return found or "the file identifier TFL3 is missing at byte 4"


def pack(tree: Any) -> bytes:
    """Return a ModelT object tree as the bytes of a .tflite file."""
    builder = _builder()
    builder.Finish(_as_written(tree).Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_metadata(tree: Any, name: str, content: bytes) -> Any:
    """Return a ModelT that carries one more named byte array; `tree` stays as it is."""
    types = schema()
    entry, buffer, whole = types.MetadataT(), types.BufferT(), copy.copy(tree)
    entry.name, entry.buffer = name, len(tree.buffers)
    buffer.data = np.frombuffer(content, np.uint8)
    whole.buffers = [*tree.buffers, buffer]
    whole.metadata = [*tree.metadata, entry]
    return whole


def type_name(tensor_type: int) -> str:
    """Return a TensorType of the schema as numpy names it: 9 is int8."""
    return _names("TensorType").get(tensor_type, f"type {tensor_type}").lower()


def op_name(code: Any) -> str:
    """Return the builtin operator name of an OperatorCodeT, CUSTOM for a custom one."""
    # Files from before builtin_code existed carry the code in the deprecated byte alone.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _names("BuiltinOperator").get(number, f"builtin {number}")


def text(name: bytes | str) -> str:
    """Return a name as printable text: names end up in messages, and a file may hold anything."""
    decoded = name.decode(errors="replace") if isinstance(name, bytes) else name
    return "".join(c if c.isprintable() else "?" for c in decoded)


def _take_in(buffer: Any, model: bytes) -> None:
    """Make weights that lie behind the flatbuffer (files above 2 GB) part of the object."""
    if buffer.offset > 1:
        buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


def _no_numbers() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


def _no_quantization() -> Any:
    return schema().QuantizationParametersT()


_OPTIONAL: dict[str, dict[str, Callable[[], Any]]] = {
    "ModelT": dict.fromkeys(
        ("operatorCodes", "subgraphs", "buffers", "metadata", "signatureDefs"), list
    ),
    "OperatorCodeT": {"customCode": bytes},
    "SubGraphT": {
        "tensors": list,
        "operators": list,
        "inputs": _no_numbers,
        "outputs": _no_numbers,
    },
    "OperatorT": dict.fromkeys(("inputs", "outputs", "intermediates"), _no_numbers),
    "ReshapeOptionsT": {"newShape": _no_numbers},
    "TensorT": {
        "name": bytes,
        "shape": _no_numbers,
        "shapeSignature": _no_numbers,
        "quantization": _no_quantization,
    },
    "QuantizationParametersT": dict.fromkeys(("scale", "zeroPoint"), _no_numbers),
    "BufferT": {"data": _no_numbers},
    "MetadataT": {"name": bytes},
    "SignatureDefT": {"inputs": list, "outputs": list},
    "TensorMapT": {"name": bytes},
}
"""By table of the schema: the parts that are read here and may be left out, and what stands for
them meanwhile."""
_OPTIONS_READ = {
    "BATCH_MATMUL": "BatchMatMulOptionsT",
    "CONCATENATION": "ConcatenationOptionsT",
    "FULLY_CONNECTED": "FullyConnectedOptionsT",
    "RESHAPE": "ReshapeOptionsT",
}
"""By operator, where somebody reads the options."""


def _complete(table: Any) -> None:
    """Put in what a table of `_OPTIONAL` and those below it lack, and note it for `_as_written`."""
    made = _OPTIONAL.get(type(table).__name__, {})
    table.left_out = {name for name in made if getattr(table, name) is None}
    for name in table.left_out:
        setattr(table, name, made[name]())
    for part in vars(table).values():
        for below in part if isinstance(part, list) else [part]:
            if type(below).__name__ in _OPTIONAL:
                _complete(below)


def _as_written(value: Any) -> Any:
    """Return a tree without what was put in and stayed empty: a file packs to its own bytes."""
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if type(value).__name__ not in _OPTIONAL:
        return value
    bare = copy.copy(value)
    for name, part in vars(value).items():
        put_in = part is not None and name in vars(value).get("left_out", ())
        blank = put_in and not len(getattr(part, "scale", part))
        setattr(bare, name, None if blank else _as_written(part))
    return bare


def _check(tree: Any) -> None:
    """Raise ModelError where a complete tree refers to what it lacks, or contradicts itself."""
    if not tree.subgraphs or not tree.buffers:
        raise ModelError("not a usable TFLite model: it has no graph")
    _check_indices([entry.buffer for entry in tree.metadata], tree.buffers, "buffers")
    for graph in tree.subgraphs:
        _check_indices([tensor.buffer for tensor in graph.tensors], tree.buffers, "buffers")
        for tensor in graph.tensors:
            _check_tensor(tensor, tree.buffers[tensor.buffer].data)
        codes = [operator.opcodeIndex for operator in graph.operators]
        _check_indices(codes, tree.operatorCodes, "operator codes")
        for used in (graph, *graph.operators):
            _check_indices(used.outputs, graph.tensors, "tensors")
        _check_indices(graph.inputs, graph.tensors, "tensors")
        for operator in graph.operators:
            for read in (operator.inputs, operator.intermediates):
                _check_indices(read, graph.tensors, "tensors", least=NO_TENSOR)
            _check_options(tree.operatorCodes[operator.opcodeIndex], operator.builtinOptions)
    for signature in tree.signatureDefs:
        _check_indices([signature.subgraphIndex], tree.subgraphs, "subgraphs")
        named = [entry.tensorIndex for entry in (*signature.inputs, *signature.outputs)]
        _check_indices(named, tree.subgraphs[signature.subgraphIndex].tensors, "tensors")


def _check_indices(indices: Sequence[int], parts: Sequence[Any], what: str, least: int = 0) -> None:
    outside = [int(index) for index in indices if not least <= index < len(parts)]
    if outside:
        raise ModelError(f"the model refers to {what} it does not have: {outside[:3]}")


def _check_tensor(tensor: Any, data: NDArray[np.uint8]) -> None:
    shape = [int(size) for size in tensor.shape]
    signature = tensor.shapeSignature
    if min(shape, default=0) < 0 or len(signature) not in (0, len(shape)):
        raise _damaged(tensor, f"has the shape {shape} of {len(signature)} dimensions")
    bits = _ITEM_BITS.get(type_name(tensor.type))  # none for text and the like
    wanted = -(-math.prod(shape) * bits // 8) if bits else len(data)
    if len(data) not in (0, wanted) and tensor.sparsity is None:
        raise _damaged(tensor, f"of shape {shape} has {len(data)} bytes of values")
    scales, zero_points = tensor.quantization.scale, tensor.quantization.zeroPoint
    if not (np.isfinite(scales) & (np.asarray(scales) >= 0)).all():
        raise _damaged(tensor, "has a scale that is no number from 0 up")
    along = tensor.quantization.quantizedDimension
    if len(scales) and not 0 <= along < max(len(shape), 1):
        raise _damaged(tensor, f"of shape {shape} has scales along dimension {along}")
    per_channel = shape[along : along + 1] == [len(scales)]
    if len(scales) > 1 and not (per_channel and len(zero_points) in (1, len(scales))):
        what = f"of shape {shape} has {len(scales)} scales and {len(zero_points)} zero points"
        raise _damaged(tensor, what)


def _check_options(code: Any, options: Any) -> None:
    wanted = _OPTIONS_READ.get(op_name(code))
    if wanted and options is not None and type(options).__name__ != wanted:
        raise ModelError(
            f"an operator {op_name(code)} has the options of another: the file is damaged"
        )


def _damaged(tensor: Any, what: str) -> ModelError:
    return ModelError(f"the tensor {text(tensor.name)} {what}: the file is damaged")


@cache
def schema() -> Any:
    """Return the module of the generated object API. Raises BackendError where it is missing."""
    try:
        return import_module("ai_edge_litert.schema_py_generated")
    except ImportError as error:
        raise BackendError(
            f"editing and building models needs the TFLite schema ({error}): "
            "pip install ai-edge-litert"
        ) from None


@cache
def _names(enum: str) -> dict[int, str]:
    return {number: name for name, number in vars(getattr(schema(), enum)).items()
            if isinstance(number, int)}  # fmt: skip


def _builder() -> Any:
    import flatbuffers  # comes with ai-edge-litert

    class AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
        """Aligns every byte vector as Buffer.data must be; the object API forgets to."""

        def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802 the library's name
            if x.dtype == np.uint8:
                self.Prep(BUFFER_ALIGNMENT, x.size)
            return super().CreateNumpyVector(x)

    return AlignedBuilder(1 << 16)

"""TFLite files as objects and back: the one place that touches the generated schema.

The schema comes with ai-edge-litert; a device needs none of this to run a bundle.
"""

import copy
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from edge_infer.models_tflite.errors import BackendError, ModelError

BUFFER_ALIGNMENT = 16
"""Buffer.data is `force_align: 16` in the TFLite schema, which kernels may rely on."""


def unpack(model: bytes) -> Any:
    """Return the ModelT object tree of a .tflite file; weights are views of `model`.

    Raises:
        ModelError: the bytes are no flatbuffer of a TFLite model.
    """
    if model[4:8] != b"TFL3":
        raise ModelError("not a TFLite model: the file identifier TFL3 is missing at byte 4")
    schema = _schema()
    try:
        tree = schema.ModelT.InitFromPackedBuf(model, 0)
        for buffer in tree.buffers or []:
            _take_in(buffer, model)
    except Exception as error:  # the Python reader has no verifier: damage shows up as anything
        reason = " ".join(str(error).split())
        raise ModelError(f"a truncated or damaged TFLite model, get it again: {reason}") from None
    if not tree.subgraphs or not tree.buffers:
        raise ModelError("not a usable TFLite model: it has no graph")
    return tree


def pack(tree: Any) -> bytes:
    """Return a ModelT object tree as the bytes of a .tflite file."""
    builder = _builder()
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_metadata(tree: Any, name: str, content: bytes) -> Any:
    """Return a ModelT that carries one more named byte array; `tree` stays as it is."""
    schema = _schema()
    entry, buffer, whole = schema.MetadataT(), schema.BufferT(), copy.copy(tree)
    entry.name, entry.buffer = name, len(tree.buffers)
    buffer.data = np.frombuffer(content, np.uint8)
    whole.buffers = [*tree.buffers, buffer]
    whole.metadata = [*(tree.metadata or []), entry]
    return whole


def type_name(tensor_type: int) -> str:
    """Return a TensorType of the schema as numpy names it: 9 is int8."""
    return _names("TensorType").get(tensor_type, f"type {tensor_type}").lower()


def op_name(code: Any) -> str:
    """Return the builtin operator name of an OperatorCodeT, CUSTOM for a custom one."""
    # Files from before builtin_code existed carry the code in the deprecated byte alone.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _names("BuiltinOperator").get(number, f"builtin {number}")


def _take_in(buffer: Any, model: bytes) -> None:
    """Make weights that lie behind the flatbuffer (files above 2 GB) part of the object."""
    if buffer.offset > 1:
        buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


@cache
def _schema() -> Any:
    try:
        return import_module("ai_edge_litert.schema_py_generated")
    except ImportError as error:
        raise BackendError(
            f"editing and building models needs the TFLite schema ({error}): "
            "pip install ai-edge-litert"
        ) from None


@cache
def _names(enum: str) -> dict[int, str]:
    return {number: name for name, number in vars(getattr(_schema(), enum)).items()
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

"""A manifest as JSON text: read with every check there is, written so that it reads back equal."""

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from edge_infer.models_tflite.consistency import check_consistency
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.models_tflite.schema import check_schema

LARGEST_BYTES = 1 << 24
"""Of the text of a manifest."""
_SCHEMA_VERSION = 1
_DIGITS = 18
"""Of a whole number: one of more is none that counts something."""
_DEPTH = 32
_KEYWORDS = {"reads": "from"}
"""Attribute to key, where the key is a word that Python keeps."""
_LEFT_OUT = {"background", "leaving", "temperatures"}
"""Keys that are not written where there is no value: older readers do not know them."""


def read_manifest(text: str | bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: in one line, the key, what stands there and what is wanted.
    """
    if len(text) > LARGEST_BYTES:
        raise ManifestError(f"manifest.json: more than {LARGEST_BYTES} bytes are not read")
    try:
        document = json.loads(
            text,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_unique_keys,
        )
        _check_tree(document)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"manifest.json: not readable as JSON: {error}") from None
    check_schema(document)
    manifest: Manifest = from_document(Manifest, document)
    check_consistency(manifest)
    return manifest


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as JSON text, which `read_manifest` reads back to an equal value."""
    document = {"schema_version": _SCHEMA_VERSION, **to_document(manifest)}
    if manifest.calibration is None:
        del document["calibration"]  # older readers know no such key
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"{text[:_DIGITS]}... has more than {_DIGITS} digits")
    return int(text)


def _check_tree(document: Any) -> None:
    """Raise ValueError where a text is none, or things are nested without end."""
    level = [document]
    for _ in range(_DEPTH):
        level = [item for value in level for item in _below(value)]
        if not level:
            break
    else:
        raise ValueError(f"it is nested deeper than {_DEPTH} levels")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a character (a lone surrogate)") from None


def _below(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} stands twice")
    return document


def to_document(value: Any) -> Any:
    """Return a dataclass, named tuple, mapping, sequence or scalar as what JSON can write."""
    if dataclasses.is_dataclass(value) or hasattr(value, "_fields"):
        items = ((key, getattr(value, name)) for name, key in _keys(value.__class__))
        return {
            key: to_document(item)
            for key, item in items
            if item is not None or key not in _LEFT_OUT
        }
    if isinstance(value, Mapping):
        return {key: to_document(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_document(item) for item in value]
    return value


def from_document(kind: Any, document: Any) -> Any:
    """Return a value of the type `kind` from a document that the schema has accepted."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _from_union(get_args(kind), document)
    if origin is tuple:
        return tuple(from_document(get_args(kind)[0], item) for item in document)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item_kind = get_args(kind)[1]
        return {key: from_document(item_kind, item) for key, item in document.items()}
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        return _from_fields(kind, document)
    # JSON Schema counts 3.0 as an integer; inside, an integer is an int.
    return int(document) if kind is int else document


def _from_union(kinds: tuple[Any, ...], document: Any) -> Any:
    if document is None:
        return None
    is_list = isinstance(document, list)
    fitting = [k for k in kinds if k is not type(None) and (get_origin(k) is tuple) == is_list]
    return from_document(fitting[0], document)


def _from_fields(kind: Any, document: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    return kind(
        **{
            name: from_document(hints[name], document[key])
            for name, key in _keys(kind)
            if key in document
        }
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _keys(kind: type) -> tuple[tuple[str, str], ...]:
    return tuple((name, _KEYWORDS.get(name, name)) for name in _hints(kind))

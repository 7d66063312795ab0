"""The manifest's JSON Schema, and the first thing in a document that breaks it.

Reads the schema as it stands: the few keywords of draft 7 that it uses take less than compiling it,
which costs 60 ms here and half a second on a Raspberry Pi Zero 2 W.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from edge_infer.models_tflite.errors import ManifestError

SCHEMA_FILE = "manifest.schema.json"


def check_schema(document: object) -> None:
    """Check a manifest document against the schema.

    Raises:
        ManifestError: names the first offending key, what stands there, and what is wanted.
    """
    if isinstance(document, dict) and document.get("schema_version", 1) != 1:
        raise ManifestError(
            f"manifest.json: schema_version is {_shown(document['schema_version'])}, this program "
            "reads 1: use the edge-infer version that made the bundle, or a newer one"
        )
    for breach in _breaches(_schema(), document, ""):
        # A key may hold anything, even a line break.
        where = " ".join(breach.where.removeprefix(".").split()) or "the document"
        raise ManifestError(
            f"manifest.json: {where} is {_shown(breach.value)}: wants {_wanted(breach)}"
        )


class _Breach(NamedTuple):
    """A rule that a value breaks."""

    where: str
    """Path of the value: .stages[0].macs."""
    rule: str
    value: Any
    schema: dict[str, Any]
    """What the rule stands in."""


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(Path(__file__).with_name(SCHEMA_FILE).read_text("utf-8"))
    return schema


def _breaches(schema: dict[str, Any], value: Any, where: str) -> Iterator[_Breach]:
    """Yield what breaks a schema; after a first breach the rest may make no sense."""
    if "$ref" in schema:
        schema = _schema()["definitions"][schema["$ref"].removeprefix("#/definitions/")]
    for rule, (kind, holds) in _RULES.items():
        if rule in schema and isinstance(value, kind) and not holds(schema[rule], value):
            yield _Breach(where, rule, value, schema)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _breaches(schema["items"], item, f"{where}[{index}]")
    if isinstance(value, dict):
        yield from _breaches_below(schema, value, where)


def _breaches_below(schema: dict[str, Any], value: Any, where: str) -> Iterator[_Breach]:
    """Yield what breaks the schemas of an object's keys."""
    known = schema.get("properties", {})
    for key in [key for key in known if key in value]:
        yield from _breaches(known[key], value[key], f"{where}.{key}")
    extra = [key for key in value if key not in known]
    others = schema.get("additionalProperties", {})
    if others is False and extra:
        yield _Breach(where, "additionalProperties", value, schema)
    for key in extra if others else ():
        yield from _breaches(others, value[key], f"{where}.{key}")
    for key in value:
        for _ in _breaches(schema.get("propertyNames", {}), key, where):
            yield _Breach(where, "propertyNames", value, schema)


def _is_of(kinds: str | list[str], value: Any) -> bool:
    return any(_KINDS[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBER) and not isinstance(value, bool)


def _is_same(limit: Any, value: Any) -> bool:
    # In JSON true is not 1.
    return bool(value == limit) and isinstance(value, bool) == isinstance(limit, bool)


def _fits_any(options: list[dict[str, Any]], value: Any) -> bool:
    return any(not any(_breaches(option, value, "")) for option in options)


def _matches(pattern: str, value: str) -> bool:
    return re.search(pattern.replace("$", r"\Z"), value) is not None


_NUMBER = (int, float)
_KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value % 1 == 0,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_RULES: dict[str, tuple[Any, Callable[[Any, Any], bool]]] = {
    "type": (object, _is_of),
    "enum": (object, lambda limit, value: any(_is_same(each, value) for each in limit)),
    "anyOf": (object, _fits_any),
    "minLength": (str, lambda limit, value: len(value) >= limit),
    "pattern": (str, _matches),
    "minimum": (_NUMBER, lambda limit, value: value >= limit),
    "maximum": (_NUMBER, lambda limit, value: value <= limit),
    "exclusiveMinimum": (_NUMBER, lambda limit, value: value > limit),
    "minItems": (list, lambda limit, value: len(value) >= limit),
    "uniqueItems": (list, lambda limit, value: len(set(map(json.dumps, value))) == len(value)),
    "minProperties": (dict, lambda limit, value: len(value) >= limit),
    "required": (dict, lambda limit, value: all(key in value for key in limit)),
    "const": (object, _is_same),
}
"""By keyword: what it is a rule for, and whether a value keeps it; the first broken one is told."""


def _shown(value: object, limit: int = 60) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _wanted(breach: _Breach) -> str:
    limit: Any = breach.schema[breach.rule]
    value = breach.value
    match breach.rule:
        case "required":
            return "the key " + ", ".join(key for key in limit if key not in value)
        case "additionalProperties":
            known = breach.schema.get("properties", {})
            extra = next(key for key in value if key not in known)
            return f"no key {_shown(extra)}, only {', '.join(known)}"
        case "type":
            return limit if isinstance(limit, str) else " or ".join(limit)
        case "enum":
            return "one of " + ", ".join(map(_shown, limit))
        case "anyOf":
            return "one of " + ", ".join(option.get("type", "object") for option in limit)
        case "uniqueItems":
            return "no item twice"
        case "propertyNames":
            return f"other key names ({breach.schema.get('description', 'see the schema')})"
        case _:
            return f"{breach.rule} {_shown(limit)}"

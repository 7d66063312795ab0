"""The manifest's JSON Schema, and its violations in one line each."""

import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from edge_infer.models_tflite.errors import ManifestError

SCHEMA_FILE = "manifest.schema.json"


@cache
def _validator() -> Callable[[Any], Any]:
    import fastjsonschema  # compiles only when a bundle is opened

    text = resources.files("edge_infer.models_tflite").joinpath(SCHEMA_FILE).read_text("utf-8")
    compiled: Callable[[Any], Any] = fastjsonschema.compile(json.loads(text))
    return compiled


def check_schema(document: object) -> None:
    """Check a manifest document against the schema.

    Raises:
        ManifestError: names the first offending key, what stands there, and what is wanted.
    """
    import fastjsonschema

    if isinstance(document, dict) and document.get("schema_version", 1) != 1:
        raise ManifestError(
            f"manifest.json: schema_version is {_shown(document['schema_version'])}, this program "
            "reads 1: use the edge-infer version that made the bundle, or a newer one"
        )
    try:
        _validator()(document)
    except fastjsonschema.JsonSchemaValueException as error:
        # The name is the path: data.stages[0].macs. A key may hold anything, even a line break.
        where = " ".join(str(error.name).removeprefix("data").removeprefix(".").split())
        raise ManifestError(
            f"manifest.json: {where or 'the document'} is {_shown(error.value)}: "
            f"wants {_wanted(error)}"
        ) from None


def _shown(value: object, limit: int = 60) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _wanted(error: Any) -> str:
    rule, limit = error.rule, error.rule_definition
    match rule:
        case "required":
            missing = [key for key in limit if key not in error.value]
            return "the key " + ", ".join(missing)
        case "additionalProperties":
            known = error.definition.get("properties", {})
            extra = [key for key in error.value if key not in known]
            return f"no key {_shown(extra[0])}, only {', '.join(known)}" if extra else "fewer keys"
        case "type":
            return limit if isinstance(limit, str) else " or ".join(limit)
        case "enum":
            return "one of " + ", ".join(map(_shown, limit))
        case "anyOf":
            return "one of " + ", ".join(option.get("type", "object") for option in limit)
        case "uniqueItems":
            return "no item twice"
        case "propertyNames":
            return f"other key names ({error.definition.get('description', 'see the schema')})"
        case _:
            return f"{rule} {_shown(limit)}"

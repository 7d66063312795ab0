"""A manifest as JSON text: read with every check there is, written so that it reads back equal."""

import json
import math
from typing import Any

from edge_infer.models_tflite.consistency import check_consistency
from edge_infer.models_tflite.document import from_document, to_document
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.models_tflite.schema import check_schema

SCHEMA_VERSION = 1


def read_manifest(text: str | bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: in one line, the key, what stands there and what is wanted.
    """
    try:
        document = json.loads(
            text,
            parse_constant=_finite,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"manifest.json: not readable as JSON: {error}") from None
    check_schema(document)
    manifest: Manifest = from_document(Manifest, document)
    check_consistency(manifest)
    return manifest


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as JSON text, which `read_manifest` reads back to an equal value."""
    document = {"schema_version": SCHEMA_VERSION, **to_document(manifest)}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} stands twice")
    return document

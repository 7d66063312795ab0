"""The reader of the manifest schema refuses what a compiler of schemas refuses, and where."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge_infer.models_tflite
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.schema import SCHEMA_FILE, check_schema

FOLDER = Path(str(edge_infer.models_tflite.__file__)).parent
COMPILED = fastjsonschema.compile(json.loads((FOLDER / SCHEMA_FILE).read_text()))
NAMES = ("digits-early-exit", "mnist-little-big", "cifar10-prunable")
MANIFESTS = {
    name: json.loads((FOLDER / "bundles" / name / "manifest.json").read_text()) for name in NAMES
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*path, key))


PATHS = {name: [path for path in paths(document) if path] for name, document in MANIFESTS.items()}
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 1, -1, 3.0, 2.5, 10**30, "", "x", "1.0", "a/b", "..", "int8", "frame",
     [], ["x", "x"], [[1]], {}, {"a": 1}, {"1.0": {}}, {"kind": "x"}]
)  # fmt: skip


@given(data=st.data(), name=st.sampled_from(NAMES), value=VALUES)
def test_a_changed_manifest_is_refused_for_the_same(
    data: st.DataObject, name: str, value: Any
) -> None:
    document = copy.deepcopy(MANIFESTS[name])
    *above, key = data.draw(st.sampled_from(PATHS[name]))
    place: Any = document
    for each in above:
        place = place[each]
    how = data.draw(st.sampled_from(["put", "take", "add"]))
    if how == "put":
        place[key] = value
    elif how == "take":
        del place[key]
    elif isinstance(place, dict):
        place[data.draw(st.sampled_from(["zz", "a\nb", "../x", "0.5", "name", "macs"]))] = value
    else:
        place.append(value)
    check_alike(document)


@pytest.mark.parametrize("document", [None, [], {}, "manifest", 1, {"schema_version": True}])
def test_what_is_no_manifest_at_all(document: object) -> None:
    check_alike(document)


def check_alike(document: object) -> None:
    try:
        COMPILED(document)
    except fastjsonschema.JsonSchemaValueException as error:
        wanted = " ".join(str(error.name).removeprefix("data").removeprefix(".").split())
        with pytest.raises(ManifestError) as caught:
            check_schema(document)
        if wanted != "schema_version":  # which has a message of its own
            assert str(caught.value).startswith(f"manifest.json: {wanted or 'the document'} is ")
    else:
        check_schema(document)

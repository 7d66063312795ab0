"""A manifest is read whole and equal, or refused in one line that names the key."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile import examples

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.manifest_text import manifest_text, read_manifest
from edge_infer.models_tflite.stage_spec import Op

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(early_exit: Bundle) -> Document:
    loaded: Document = json.loads(manifest_text(early_exit.manifest))
    return loaded


def refusal(document: Document) -> str:
    with pytest.raises(ManifestError) as caught:
        read_manifest(json.dumps(document))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_was_written_is_read_back_equal(early_exit: Bundle, single: Bundle) -> None:
    for manifest in (early_exit.manifest, single.manifest):
        assert read_manifest(manifest_text(manifest)) == manifest
    assert isinstance(early_exit.manifest.stages[0].ops[0], Op)
    assert isinstance(early_exit.manifest.thresholds["1.0"].values[1], tuple)


Change = Callable[[Document], object]

SCHEMA_CASES: list[tuple[Change, str]] = [
    (lambda d: d.pop("stages"), r"the document is .*: wants the key stages"),
    (lambda d: d.update(extra=1), r'wants no key "extra"'),
    (lambda d: d.update(name="a/b"), r'name is "a/b": wants pattern'),
    (lambda d: d.update(name=".."), r'name is "\.\.": wants pattern'),
    (lambda d: d.update(kinds=[]), r"kinds is \[\]: wants minItems 1"),
    (lambda d: d.update(kinds=["tree"]), r'kinds\[0\] is "tree": wants one of "early-exit"'),
    (lambda d: d.update(ratios=["50%"]), r'ratios\[0\] is "50%"'),
    (lambda d: d["stages"][1].update(macs="9"), r'stages\[1\]\.macs is "9": wants integer'),
    (
        lambda d: d["stages"][0]["input"]["tensors"][0].update(dtype="int4"),
        r'stages\[0\]\.input\.tensors\[0\]\.dtype is "int4": wants one of "int8"',
    ),
    (lambda d: d["stages"][0].update(file="../x"), r"stages\[0\]\.file"),
    (lambda d: d["files"].update({"../../etc/passwd": d["files"]["golden.npz"]}), r"files is"),
    (lambda d: d["files"]["golden.npz"].update(sha256="00"), r'files\.golden\.npz\.sha256 is "00"'),
    (lambda d: d["golden"].update(count=0), r"golden\.count is 0: wants minimum 1"),
    (lambda d: d.update(samples=3), r"samples is 3: wants object or null"),
    (
        lambda d: d["thresholds"]["1.0"]["values"].__setitem__(0, "high"),
        r'thresholds\.1\.0\.values\[0\] is "high": wants one of number, array',
    ),
]


@pytest.mark.parametrize(("change", "message"), SCHEMA_CASES)
def test_a_schema_violation_names_key_value_and_wish(
    document: Document, change: Change, message: str
) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    assert re.search(message, refusal(changed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["stages"][0].update(macs=10**400), "has more than 18 digits"),
        (lambda d: d["stages"][0].update(macs=-1), r"stages\[0\]\.macs is -1: wants minimum 0"),
        (lambda d: d["stages"][0].update(macs=10**16), "wants maximum 1000000000000000"),
        (lambda d: d["stages"][0]["scores"].update(output=2**40), "wants maximum 2147483647"),
        (lambda d: d["stages"][0]["scores"].update(scale=1e-320), "scale is 1e-320: wants 1e-30"),
        (lambda d: d["stages"][0]["scores"].update(scale=float("nan")), "NaN is not a finite"),
        (lambda d: d["stages"][0]["input"]["preprocess"].update(std=[1e-300]), "wants minimum"),
        (lambda d: d["provenance"].update(seed=10**400), "has more than 18 digits"),
        (lambda d: d["labels"].__setitem__(0, "\ud800"), "lone surrogate"),
        (lambda d: d["provenance"].update({"\udfff": 1}), "lone surrogate"),
        (lambda d: d["provenance"].update(deep=nested(40)), "deeper than 32 levels"),
        (lambda d: d["provenance"].update(deep=nested(900)), "deeper than 32 levels"),
    ],
)
def test_what_no_bundle_means_is_refused(document: Document, change: Change, message: str) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    assert re.search(message, refusal(changed))


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def test_a_manifest_without_end_is_not_read() -> None:
    with pytest.raises(ManifestError, match="more than 16777216 bytes"):
        read_manifest(b" " * (1 << 24) + b"{}")


CONSISTENCY_CASES: list[tuple[Change, str]] = [
    (lambda d: d.update(labels=["a", "b"]), r"stages\[0\]\.scores\.classes is 5 .* wants 2 more"),
    (lambda d: d.update(kinds=["single"]), r"single means one stage"),
    (lambda d: d.update(kinds=["prunable"]), r"3 stages want early-exit or little-big"),
    (lambda d: d.update(ratios=["0.5"]), r"wants the full width 1\.0"),
    (lambda d: d["ratios"].append("0.5"), r"thresholds lacks the ratios \['0\.5'\]"),
    (lambda d: d["kinds"].append("prunable"), r"prunable is None, kinds is \['early-exit', 'prun"),
    (lambda d: d.update(predictor={"0.25": {"kind": "x"}}), r"predictor has \['0\.25'\]"),
    (lambda d: d["thresholds"]["1.0"]["values"].pop(), r"values has 1: wants 2, one per stage"),
    (
        lambda d: d["thresholds"]["1.0"]["values"].__setitem__(0, 40.5),
        r"values\[0\] is 40\.5: wants integers",
    ),
    (
        lambda d: d["thresholds"]["1.0"]["values"].__setitem__(1, [1, 2]),
        r"values\[1\] has 2: wants one per label, 5",
    ),
    (lambda d: d["files"].pop("golden.npz"), r"golden\.file is 'golden\.npz': wants a name"),
    (lambda d: d["stages"][1].update(name="exit-1"), r"not unique"),
    (lambda d: d["stages"][2].update(features=[1]), r"the last one has features"),
    (lambda d: d["stages"][1]["input"].update({"from": "frame"}), r"preprocess is null"),
    (lambda d: d["stages"][0]["input"].update({"from": "previous"}), r"no stage is before it"),
    (lambda d: d["stages"][0].update(features=[]), r"has 1, the stage before hands on 0"),
    (lambda d: d["stages"][0].update(macs=1), r"stages\[0\]\.macs is 1, its ops add up to"),
    (lambda d: d["stages"][0].update(bytes=1), r"bytes is 1, files says"),
    (lambda d: d["stages"][0]["scores"].update(scale=0), r"scores\.scale is 0 for int8"),
    (
        lambda d: d["stages"][0]["input"]["preprocess"].update(mean=[1, 2, 3]),
        r"mean has 3 values: wants 1 or 1",
    ),
    (lambda d: d["golden"].update(wide=[8]), r"golden\.wide has 1 values: wants 3"),
]


@pytest.mark.parametrize(("change", "message"), CONSISTENCY_CASES)
def test_parts_that_disagree_are_named(document: Document, change: Change, message: str) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    assert re.search(message, refusal(changed))


def test_an_unknown_schema_version_says_what_to_do(document: Document) -> None:
    message = refusal({"schema_version": 2, "whatever": "it holds"})
    assert "schema_version is 2, this program reads 1" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable as JSON"),
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": NaN}', "not a finite number"),
        ('{"a": 1e999}', "not a finite number"),
        ("[]", "wants object"),
        ("null", "wants object"),
    ],
)
def test_what_is_no_manifest_at_all_is_refused(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifest(text)


def paths_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(node, dict | list):
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in children:
            found += paths_of(child, (*path, key))
    return found


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["1.0", "0.5", "int8", "frame", "previous", "../x", "logits"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@settings(max_examples=examples(300))
@given(data=st.data())
def test_any_mutation_is_read_or_refused_in_one_line(
    document: Document, data: st.DataObject
) -> None:
    changed = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3), "mutations")):
        *trunk, key = data.draw(st.sampled_from(paths_of(changed)), "path")
        node: Any = changed
        for step in trunk:
            node = node[step]
        if data.draw(st.booleans(), "delete"):
            del node[key]
        else:
            node[key] = data.draw(ANY_JSON, "value")
        if not changed:
            break
    try:
        manifest = read_manifest(json.dumps(changed))
    except ManifestError as error:
        assert "\n" not in str(error) and str(error).startswith("manifest.json: ")
    else:
        assert read_manifest(manifest_text(manifest)) == manifest


@given(text=st.text(max_size=60) | st.binary(max_size=60))
def test_any_bytes_are_refused_by_name(text: str | bytes) -> None:
    with pytest.raises(ManifestError):
        read_manifest(text)

"""Whatever a file holds, every reader of model files ends in a value or in one of our errors."""

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fakes.prunable_nets import ARCHITECTURES
from tests.fakes.pruned import rehashed
from tests.fakes.ratio_parameters import random_ratio
from tests.fakes.tiny_models import early_exit_model, stateful_model
from tests.profile import examples

from edge_infer.models_tflite.classifier import Classifier, FrameOptions, read_classifier
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft, describe_stage
from edge_infer.models_tflite.drafts import exits_draft, pair_draft, single_draft
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.lint import lint_model, lint_stage
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.prunable import (
    PrunableModel,
    RatioParameters,
    follow_channels,
    own_constants,
    pack_ratio,
    prunable_stages,
    sort_channels,
    write_prunable,
)

SOUND = {
    "early_exit": early_exit_model(),
    "stateful": stateful_model(),
    **{name: make("int8") for name, make in ARCHITECTURES.items()},
}
FRAMES = FrameOptions()
Reader = Callable[[bytes, str], object]
"""Reads a damaged file; knows which sound one it was."""


@cache
def ratio(name: str) -> RatioParameters:
    return RatioParameters("0.5", {}) if name == "stateful" else random_ratio(SOUND[name], "0.5")


@cache
def sound(name: str) -> Classifier:
    return Classifier(name, SOUND[name], Graph(SOUND[name]))


def _names(name: str) -> list[str]:
    """The last output of a sound model and a tensor half way to it."""
    graph = sound(name).graph
    half = graph.nodes[(len(graph.nodes) - 1) // 2].outputs[0]
    return [graph.tensors[half].name, graph.tensors[graph.outputs[-1]].name]


def describe(model: bytes, name: str) -> object:
    return describe_stage(StageDraft("net", model), Graph(model))


def _classifier(model: bytes) -> Classifier:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        path.write_bytes(model)
        return read_classifier(path, several_outputs=True)


def single(model: bytes, name: str) -> object:
    return single_draft(_classifier(model), None, "net", FRAMES)


def pair(model: bytes, name: str) -> object:
    labels = [str(number) for number in range(sound(name).classes)]
    return pair_draft(_classifier(model), sound(name), labels, "pair", FRAMES, FRAMES)


def exits(model: bytes, name: str) -> object:
    graph = sound(name).graph
    heads = [graph.tensors[index].name for index in graph.outputs]
    return exits_draft(_classifier(model), heads, None, "net", FRAMES)


def joined(model: bytes, name: str, first: bool) -> object:
    """The plain net of a bundle whose first or second stage is the damaged file."""
    parts = cut(SOUND[name], _names(name))
    inputs = len(Graph(parts[1].model).inputs) if first else 1
    models = [model, parts[1].model] if first else [parts[0].model, model]
    before = StageDraft("s", parts[0].model, features=(0,) * inputs)
    stages = [
        describe_stage(before, Graph(parts[0].model)),
        describe_stage(StageDraft("t", parts[1].model, "previous"), Graph(parts[1].model)),
    ]
    bundle: Any = SimpleNamespace(
        manifest=SimpleNamespace(stages=stages), stage_model=lambda i, ratio: models[i]
    )
    return plain_net(bundle)


def sort(model: bytes, name: str) -> object:
    channels = follow_channels(model)
    return sort_channels(model, {g.key: np.arange(g.size)[::-1] for g in channels.open}, channels)


READERS: dict[str, Reader] = {
    "pack": lambda model, name: pack(unpack(model)),
    "lint": lambda model, name: lint_model(Graph(model), "net"),
    "lint a stage": lambda model, name: lint_stage(Graph(model), "net"),
    "describe": describe,
    "cut": lambda model, name: cut(model, _names(name)),
    "single": single,
    "pair": pair,
    "exits": exits,
    "plain net, first": lambda model, name: joined(model, name, first=True),
    "plain net, second": lambda model, name: joined(model, name, first=False),
    "own constants": lambda model, name: own_constants(model),
    "channels": lambda model, name: follow_channels(model),
    "sort": sort,
    "prunable": lambda model, name: write_prunable(model, [ratio(name)]),
    "prunable, of the whole": lambda model, name: write_prunable(
        model, [ratio(name)], follow_channels(SOUND[name])
    ),
    "ratio": lambda model, name: pack_ratio(model, ratio(name)),
    "ratio, of the whole": lambda model, name: pack_ratio(
        model, ratio(name), follow_channels(SOUND[name])
    ),
    "prunable stages": lambda model, name: prunable_stages(model, _names(name), [ratio(name)]),
}


Damage = tuple[str, tuple[tuple[int, bytes], ...], int]
"""Which sound file, what stands where instead, and how many bytes are left of it."""
_WORDS = (0, 1, 2, 4, 16, 255, 2**16, 2**20, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_PART = st.one_of(
    st.sampled_from(_WORDS).map(lambda word: word.to_bytes(4, "little")),
    st.sampled_from([b"\0", b"\1", b"\2", b"\x7f", b"\xff"]),
    st.binary(min_size=1, max_size=1),
)
_DAMAGE = st.sampled_from(sorted(SOUND)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(st.tuples(st.integers(8, len(SOUND[name]) - 1), _PART), max_size=8).map(tuple),
        st.just(len(SOUND[name])) | st.integers(0, len(SOUND[name])),
    )
)

FOUND: list[Damage] = [
    ("early_exit", ((14, b"\0"),), 5088),  # no operator codes
    ("early_exit", ((2204, b"\x10\0\0\0"),), 5088),  # an input without a scale
    ("early_exit", ((4144, b"\xff\0\0\0"), (496, b"\xff\xff"), (4860, b"\1")), 5088),  # a tiny one
    ("residual", ((1040, b"\x7f\0\0\0"), (7372, b"\xf1"), (3447, b"\x7f")), 8480),  # other inputs
    ("residual", ((5940, b"\0\0\0\x80"),), 8480),  # weights with a scale of 0
    ("gated", ((8140, b"\xff\xff\xff\xff"), (5119, b"\2")), 8400),  # scales along dimension -1
    ("gated", ((3108, b"\0\0\0\0"), (4524, b"V"), (2675, b"\xff")), 8400),  # weights of no shape
    ("flattened", ((2416, b"\x7f\0\0\0"), (2584, b"\3\0\0\0"), (2608, b"\0")), 5504),
    ("flattened", ((2408, b"\1\0\0\0"), (1461, b"\xf6")), 5504),  # another operator's bias
    ("depthwise", ((4523, b"\1"), (2760, b"\1")), 7472),  # a bias too short
    ("stateful", ((280, b"\1"), (432, b"\0"), (192, b"\0\0\0\x80")), 736),  # no outputs
    ("stateful", ((496, b"\4\0\0\0"),), 736),  # 67 million classes
    ("early_exit", ((3312, b"\4\0\0\0"),), 5088),  # one scale along dimension 134217728
    # Two names that are one once they are printable.
    ("dense_blocks", ((4980, b"\3\0\0\0"), (4584, b"\0\0\1\0"), (694, b"\xff")), 5776),
]
"""Each was once an error of another kind, or took the machine's memory or minutes."""


def damaged(name: str, changes: Sequence[tuple[int, bytes]], length: int) -> bytes:
    model = bytearray(SOUND[name])
    for position, part in changes:
        model[position : position + len(part)] = part
    return bytes(model[:length])


def with_found(test: Callable[..., None]) -> Callable[..., None]:
    for damage in FOUND:
        test = example(damage=damage)(test)
    return test


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=examples(20))
@with_found
@given(damage=_DAMAGE)
def test_a_damaged_file_never_escapes_as_another_error(reader: str, damage: Damage) -> None:
    try:
        READERS[reader](damaged(*damage), damage[0])
    except BundleError as error:
        assert "\n" not in str(error)


@cache
def prunable(name: str) -> bytes:
    return write_prunable(SOUND[name], [ratio(name)])


@given(
    name=st.sampled_from(sorted(ARCHITECTURES)),
    changes=st.lists(st.tuples(st.integers(8, 2**14), _PART), max_size=8),
)
@example(name="gated", changes=[(564, b"\xff\xff")])  # weights numbered as no bias is
def test_a_prunable_file_that_lies_and_vouches_for_itself_is_refused_or_cut(
    name: str, changes: list[tuple[int, bytes]]
) -> None:
    file = bytearray(prunable(name))
    for position, part in changes:
        at = position % len(file)
        file[at : at + len(part)] = part[: len(file) - at]
    try:
        changed = rehashed(bytes(file))
        model = PrunableModel.open(changed)
        assert {len(model.materialise(each)) for each in model.ratios} == {len(changed)}
    except BundleError as error:
        assert "\n" not in str(error)

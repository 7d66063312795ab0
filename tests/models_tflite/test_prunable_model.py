"""A ratio patched in place is the ratio packed by a flatbuffer writer, and the pruned full net."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.backends import INTERPRETERS
from tests.fakes.prunable_nets import ARCHITECTURES, early_exits, residual
from tests.fakes.pruned import outputs, zeroed
from tests.fakes.ratio_parameters import keep_of, random_ratio

from edge_infer.models_tflite import UnknownRatioError, open_backend
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.prunable import (
    PrunableError,
    PrunableModel,
    RatioParameters,
    RatioParametersError,
    follow_channels,
    own_constants,
    pack_ratio,
    prunable_stages,
    write_prunable,
)
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.layout import (
    HASH_BYTES,
    HASH_OFFSET,
    METADATA_NAME,
    read_payload,
)
from edge_infer.models_tflite.prunable.model import PatchPlan, check_hash

RATIOS = ("0.75", "0.5", "0.25")


def frames(count: int, dtype: str = "int8") -> Any:
    values = np.random.default_rng(8).normal(0, 1, (count, 1, 8, 8, 3))
    if dtype == "float32":
        return values.astype(np.float32)
    return np.clip(np.rint(values * 64), -128, 127).astype(np.int8)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("backend", INTERPRETERS)
def test_a_patched_ratio_answers_as_the_packed_one(name: str, backend: str) -> None:
    model, kernels = ARCHITECTURES[name]("int8"), open_backend(backend)
    ratios = [random_ratio(model, ratio, seed) for seed, ratio in enumerate(RATIOS)]
    opened = PrunableModel.open(write_prunable(model, ratios))
    for ratio in ratios:
        packed = outputs(kernels, pack_ratio(model, ratio), frames(10))
        patched = outputs(kernels, opened.materialise(ratio.name), frames(10))
        assert np.array_equal(patched, packed)
        assert len(np.unique(packed, axis=0)) > 1


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("backend", INTERPRETERS)
def test_a_cut_net_is_the_full_one_with_its_pruned_channels_at_zero(
    name: str, dtype: str, backend: str
) -> None:
    model, kernels = ARCHITECTURES[name](dtype), open_backend(backend)
    channels = follow_channels(model)
    ratios = [RatioParameters(ratio, keep_of(channels, float(ratio))) for ratio in RATIOS]
    opened = PrunableModel.open(write_prunable(model, ratios))
    for ratio in ratios:
        wanted = outputs(kernels, zeroed(model, ratio.keep), frames(5, dtype))
        found = outputs(kernels, opened.materialise(ratio.name), frames(5, dtype))
        if dtype == "int8":
            assert np.array_equal(found, wanted)
        else:  # the order of sums depends on their length
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
        assert len(np.unique(wanted, axis=0)) > 1


@pytest.mark.parametrize("backend", INTERPRETERS)
def test_stages_of_a_ratio_answer_as_the_whole_at_it(backend: str) -> None:
    whole, kernels = own_constants(early_exits("int8")), open_backend(backend)
    ratios = [random_ratio(whole, ratio, seed) for seed, ratio in enumerate(RATIOS)]
    stages = prunable_stages(whole, ["exit_1", "exit_2", "exit_3"], ratios)
    assert [len(stage.features) for stage in stages] == [1, 2, 0]
    for ratio in ratios:
        wanted = outputs(kernels, pack_ratio(whole, ratio), frames(6))
        found = []
        for frame in frames(6):
            row, inputs = [], [frame]
            for stage in stages:
                model = PrunableModel.open(stage.model).materialise(ratio.name)
                interpreter = kernels.load_vouched(model)
                for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
                    interpreter.set_tensor(detail["index"], value)
                interpreter.invoke()
                given = [
                    interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()
                ]
                row.append(given[0].reshape(-1))
                inputs = [given[index] for index in stage.features]
            found.append(np.concatenate(row))
        assert np.array_equal(np.array(found), wanted)


@pytest.fixture(scope="module")
def file() -> bytes:
    model = residual("int8")
    return write_prunable(model, [random_ratio(model, ratio) for ratio in RATIOS])


@pytest.mark.parametrize("backend", INTERPRETERS)
def test_other_runtimes_read_the_full_width(file: bytes, backend: str) -> None:
    kernels = open_backend(backend)
    plain = outputs(kernels, residual("int8"), frames(5))
    assert np.array_equal(outputs(kernels, file, frames(5)), plain)
    assert PrunableModel.open(file).materialise("1.0") is file


def test_the_same_ratios_give_the_same_file(file: bytes) -> None:
    model = residual("int8")
    assert write_prunable(model, [random_ratio(model, ratio) for ratio in RATIOS]) == file


def test_a_ratio_that_is_not_there_lists_those_that_are(file: bytes) -> None:
    opened = PrunableModel.open(file)
    with pytest.raises(
        UnknownRatioError, match=r"no ratio 0\.6; there are: 1\.0, 0\.75, 0\.5, 0\."
    ):
        opened.materialise("0.6")
    assert [opened.nearest(x) for x in (0.6, 0.9, 0.0, 0.625)] == ["0.5", "1.0", "0.25", "0.75"]


def test_a_plain_file_says_so() -> None:
    with pytest.raises(PrunableError, match="no prunable part: it is a plain model"):
        PrunableModel.open(residual("int8"))


def with_payload(file: bytes, at: int, content: bytes) -> bytes:
    place = FlatModel(file).metadata(METADATA_NAME)
    assert place is not None
    changed = bytearray(file)
    changed[place.at + at : place.at + at + len(content)] = content
    return bytes(changed)


def test_a_newer_version_is_named_before_its_hash_is_checked(file: bytes) -> None:
    with pytest.raises(PrunableError, match="format version 2, this program reads 1"):
        PrunableModel.open(with_payload(file, 4, b"\2"))


def test_a_changed_file_is_refused(file: bytes) -> None:
    message = "not the one that its prunable part was made for"
    with pytest.raises(PrunableError, match=message):
        PrunableModel.open(with_payload(file, HASH_OFFSET, bytes(HASH_BYTES)))
    weights = FlatModel(file).tensors[1].data
    changed = bytearray(file)
    changed[weights.at] ^= 1
    with pytest.raises(PrunableError, match=message):
        PrunableModel.open(bytes(changed))


def test_tensors_that_share_a_buffer_are_given_their_own() -> None:
    tree = unpack(residual("int8"))
    tensors = tree.subgraphs[0].tensors
    first, second = (t for t in tensors if bytes(t.name) in (b"b_8", b"b_10"))
    second.buffer = first.buffer
    shared = pack(tree)
    ratio = random_ratio(shared, "0.5")
    opened = PrunableModel.open(write_prunable(shared, [ratio]))
    kernels = open_backend()
    wanted = outputs(kernels, pack_ratio(shared, ratio), frames(5))
    assert np.array_equal(outputs(kernels, opened.materialise("0.5"), frames(5)), wanted)


def test_a_file_whose_tensors_share_a_buffer_is_refused(file: bytes) -> None:
    layout, _ = read_payload(check_hash(file))
    tree = unpack(file)
    tensors = {bytes(tensor.name): tensor for tensor in tree.subgraphs[0].tensors}
    tensors[b"b_8"].buffer = tensors[b"b_10"].buffer  # the same size
    with pytest.raises(PrunableError, match="share a buffer, so they cannot be cut apart"):
        PatchPlan(pack(tree), layout)


def test_a_file_that_is_replaced_while_open_is_noticed(file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(file)
    opened = PrunableModel.open(path)
    assert opened.materialise("0.5") == PrunableModel.open(file).materialise("0.5")
    path.unlink()
    path.write_bytes(file + b"\0")
    with pytest.raises(PrunableError, match="was replaced while in use"):
        opened.materialise("0.5")


Change = Callable[[RatioParameters], RatioParameters]


def changed(**fields: Any) -> Change:
    def change(ratio: RatioParameters) -> RatioParameters:
        merged: dict[str, Any] = {
            key: value if isinstance(value, str) else {**getattr(ratio, key), **value}
            for key, value in fields.items()
        }
        return dataclasses.replace(ratio, **merged)

    return change


F = np.float32
CASES: list[tuple[Change, str]] = [
    (changed(name="1.0"), "'1.0' cannot name a ratio"),
    (changed(name="half"), "'half' cannot name a ratio"),
    (changed(keep={"w_77": 3}), "no group 'w_77'; there are: w_1, w_3, w_8"),
    (changed(keep={"w_1": 13}), "keeps 13 of 12 channels of w_1"),
    (changed(keep={"w_1": 0}), "keeps 0 of 12 channels of w_1"),
    (changed(keep={"w_14": 5}), "keeps 5 of 6 channels of w_14: the model's output"),
    (changed(biases={"nobody": np.zeros(3)}), "the model has no tensor nobody"),
    (changed(biases={"b_1": np.zeros(3, np.int32)}), r"b_1 has values of shape \[3\], wants \[6\]"),
    (changed(quantisation={"w_1": (np.zeros(6, F), np.zeros(6))}), "a scale of w_1 is not above 0"),
    (changed(quantisation={"w_1": (np.ones(5, F), np.zeros(5))}), r"shape \[5\], wants \[6\]"),
    (changed(quantisation={"map_2": (np.ones(2, F), np.zeros(2))}), r"shape \[2\], wants \[1\]"),
    (changed(quantisation={"b_1": (np.ones(1, F), np.zeros(1))}), "b_1 has 12 scales"),
    (
        changed(quantisation={"w_1": (np.array([1e-30, *[1e9] * 5], F), np.zeros(6))}),
        "the scales of w_1 differ by a factor of",
    ),
    (changed(biases={"b_1": np.full(6, 2**31 - 1, np.int32)}), ""),
    (
        lambda r: dataclasses.replace(r, biases={k: r.biases[k] for k in r.biases if k != "b_1"}),
        "gets another scale but its bias b_1 no other value",
    ),
]


@pytest.mark.parametrize(("change", "message"), CASES)
def test_parameters_that_do_not_fit_are_named(change: Change, message: str) -> None:
    model = residual("int8")
    ratio = change(random_ratio(model, "0.5"))
    if not message:
        write_prunable(model, [ratio])
        return
    with pytest.raises(RatioParametersError, match=message):
        write_prunable(model, [ratio])


def test_ratios_that_give_different_tensors_are_refused() -> None:
    model = residual("int8")
    bare = RatioParameters("0.25", {"w_1": 3})
    with pytest.raises(RatioParametersError, match=r"some ratios give values of .*, others do not"):
        write_prunable(model, [random_ratio(model, "0.5"), bare])


def test_a_weight_without_a_negative_is_refused() -> None:
    tree = unpack(residual("int8"))
    graph = tree.subgraphs[0]
    weights = next(t for t in graph.tensors if bytes(t.name) == b"w_1")
    values = tree.buffers[weights.buffer].data.copy()
    values[0] = 128  # -128 as uint8
    tree.buffers[weights.buffer].data = values
    model = pack(tree)
    with pytest.raises(RatioParametersError, match="w_1 holds -128"):
        write_prunable(
            model, [changed(signs={"w_1": -np.ones(6, np.int8)})(random_ratio(model, "0.5"))]
        )


def test_what_is_prunable_is_not_made_so_again(file: bytes) -> None:
    with pytest.raises(RatioParametersError, match="prunable already"):
        write_prunable(file, [RatioParameters("0.5", {})])

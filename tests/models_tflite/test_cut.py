"""Stages must be the whole model, bit for bit, under the same kernels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.fakes.backends import KERNELS
from tests.fakes.tiny_models import (
    EXITS,
    ModelBuilder,
    early_exit_model,
    frame_tensor,
    little_big_model,
)
from tests.profile import examples

from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.cut import CutStage, cut
from edge_infer.models_tflite.errors import CutError, ModelError, ModelNotSupportedError
from edge_infer.models_tflite.flatbuffer import BUFFER_ALIGNMENT, pack
from edge_infer.models_tflite.graph import Graph

Array = NDArray[Any]


def whole_outputs(
    model: bytes, backend: Backend, frames: Array, order: Sequence[int]
) -> list[list[Array]]:
    interpreter = backend.load_vouched(model)
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    rows = []
    for frame in frames:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frame[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(outputs[index]) for index in order])
    return rows


def chained_outputs(stages: list[CutStage], backend: Backend, frames: Array) -> list[list[Array]]:
    interpreters = [backend.load_vouched(stage.model) for stage in stages]
    rows = []
    for frame in frames:
        row: list[Array] = []
        handed: list[Array] = []
        for stage, interpreter in zip(stages, interpreters, strict=True):
            inputs = [frame[None]] if stage.reads == "frame" else handed
            for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
                interpreter.set_tensor(detail["index"], value)
            interpreter.invoke()
            outputs = [detail["index"] for detail in interpreter.get_output_details()]
            row.append(interpreter.get_tensor(outputs[0]))
            handed = [interpreter.get_tensor(outputs[index]) for index in stage.features]
        rows.append(row)
    return rows


def random_frames(count: int, shape: tuple[int, ...] = (8, 8, 1), seed: int = 1) -> Array:
    return np.random.default_rng(seed).integers(-128, 128, (count, *shape), np.int8)


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
@pytest.mark.parametrize(
    ("model", "exits"),
    [(early_exit_model(), EXITS), (little_big_model(), ("little_out", "big_out"))],
    ids=["early-exit", "little-big"],
)
def test_chained_stages_equal_the_whole(
    model: bytes, exits: tuple[str, ...], name: str, resolver: str
) -> None:
    backend = open_backend(name, resolver)
    frames = random_frames(20)
    whole = whole_outputs(model, backend, frames, range(len(exits)))
    chained = chained_outputs(cut(model, exits), backend, frames)
    assert len({row[-1].tobytes() for row in whole}) > 10  # the frames tell something
    for expected, found in zip(whole, chained, strict=True):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)


@settings(max_examples=examples(25))
@given(data=st.data())
def test_any_chain_of_blocks_and_skips_cuts_bit_exact(data: st.DataObject) -> None:
    builder = ModelBuilder(data.draw(st.integers(0, 1000), "weights"))
    frame = frame_tensor(builder)
    maps = [builder.conv("map_0", frame, 2)]
    heads = []
    for index in range(1, data.draw(st.integers(2, 6), "blocks")):
        fresh = builder.conv(f"map_{index}", maps[-1], 2)
        skip = data.draw(st.sampled_from([None, *maps]), "skip")
        maps.append(fresh if skip is None else builder.add(f"sum_{index}", skip, fresh))
        if data.draw(st.booleans(), "exit"):
            heads.append(builder.head(f"head_{index}", maps[-1], 3))
    heads.append(builder.head("head_last", builder.conv("map_last", maps[-1], 2), 3))
    model = builder.build([frame], heads)
    backend = open_backend(resolver="builtin")
    names = list(Graph(model).output_names())
    frames = random_frames(4)
    whole = whole_outputs(model, backend, frames, range(len(heads)))
    chained = chained_outputs(cut(model, names), backend, frames)
    assert [[v.tolist() for v in row] for row in whole] == [
        [v.tolist() for v in row] for row in chained
    ]


def test_a_skip_over_two_cuts_passes_through_the_stage_between() -> None:
    first, second, third = cut(early_exit_model(), EXITS)
    assert (first.reads, second.reads, third.reads) == ("frame", "previous", "previous")
    carried = [[Graph(s.model).tensors[i].name for i in Graph(s.model).inputs] for s in (second,)]
    assert carried == [["map_1"]]
    graph = Graph(third.model)
    assert {graph.tensors[index].name for index in graph.inputs} == {"map_1", "sum_2"}
    assert len(second.features) == len(graph.inputs)
    assert third.features == ()


def test_the_big_branch_reads_the_frame_again() -> None:
    little, big = cut(little_big_model(), ["little_out", "big_out"])
    assert (little.reads, little.features) == ("frame", ())
    assert (big.reads, big.features) == ("frame", ())
    assert len(big.model) < len(little_big_model())


def test_a_stage_leaves_behind_what_it_does_not_use() -> None:
    stages = cut(early_exit_model(), EXITS)
    names = [{tensor.name for tensor in Graph(stage.model).tensors} for stage in stages]
    assert "head_2/w" not in names[0] and "head_1/w" not in names[1]
    for stage in stages:
        graph = Graph(stage.model)
        used = {i for node in graph.nodes for i in (*node.inputs, *node.outputs)}
        assert {t.index for t in graph.tensors} == used | set(graph.inputs) | set(graph.outputs)
        codes = {op.opcodeIndex for op in graph.tree.subgraphs[0].operators}
        assert codes == set(range(len(graph.tree.operatorCodes)))
        owners = [*graph.tree.subgraphs[0].tensors, *graph.tree.metadata]
        assert {int(o.buffer) for o in owners} | {0} == set(range(len(graph.tree.buffers)))
        assert not graph.tree.signatureDefs
        assert {name: data.tobytes() for name, data in graph.metadata.items()} == {
            "min_runtime_version": b"1.5.0".ljust(16, b"\0")
        }


def test_every_weight_is_aligned_as_the_schema_wants() -> None:
    for stage in cut(early_exit_model(), EXITS):
        base = np.frombuffer(stage.model, np.uint8).__array_interface__["data"][0]
        for buffer in Graph(stage.model).tree.buffers:
            if buffer.data is not None and len(buffer.data):
                offset = buffer.data.__array_interface__["data"][0] - base
                assert offset % BUFFER_ALIGNMENT == 0


def test_a_tensor_inside_the_graph_can_be_an_exit() -> None:
    stages = cut(early_exit_model(), ["map_1", "exit_3"])
    graph = Graph(stages[0].model)
    assert [graph.tensors[index].name for index in graph.outputs] == ["map_1"]


def test_an_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(CutError, match=r"no output 'sum_4'.*exit_1 .*exit_3 .*near.*sum_2"):
        cut(early_exit_model(), ["exit_1", "sum_4"])


def test_exits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(CutError, match="'map_1' needs nothing beyond"):
        cut(early_exit_model(), ["exit_2", "map_1"])


def test_a_crossing_tensor_of_a_type_that_cannot_cross_is_named() -> None:
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    little = builder.head("little", builder.conv("map", frame, 2))
    index = builder.tensor("index", [1], "int32", 0.0)
    axis = builder.tensor("axis", [1], "int32", 0.0, data=np.array([1], np.int32))
    builder.op("ARG_MAX", [little, axis], [index], "ArgMaxOptions", outputType=2)
    answer = builder.tensor("answer", [1], "float32")
    builder.op("CAST", [index], [answer], "CastOptions", inDataType=2, outDataType=0)
    model = builder.build([frame], [little, index, answer])
    with pytest.raises(CutError, match="'index' crosses between index and answer and is int32"):
        cut(model, ["little", "index", "answer"])


def test_state_that_two_stages_share_is_refused() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 3], "float32")
    feature = builder.tensor("f", [4, 3], "float32", data=np.ones((4, 3), np.float32))
    time = builder.tensor("t", [4, 2], "float32", data=np.ones((4, 2), np.float32))
    state = builder.tensor("state", [1, 8], "float32", variable=True)
    outputs = [builder.tensor(f"scores_{i}", [1, 4], "float32") for i in range(2)]
    for output in outputs:
        builder.op("SVDF", [frame, feature, time, -1, state], [output], "SVDFOptions", rank=1)
    with pytest.raises(CutError, match="variable 'state' is used up to scores_0 and after it"):
        cut(builder.build([frame], outputs), ["scores_0", "scores_1"])


def test_several_inputs_are_refused() -> None:
    builder = ModelBuilder()
    frames = [builder.tensor(f"frame_{i}", [1, 4], scale=0.1) for i in range(2)]
    total = builder.add("sum", *frames)
    with pytest.raises(CutError, match="2 inputs"):
        cut(builder.build(frames, [total]), ["sum"])


@pytest.mark.parametrize("damage", [b"", b"not a model", early_exit_model()[:200]])
def test_what_is_no_model_is_a_named_error(damage: bytes) -> None:
    with pytest.raises(ModelError, match=r"not a TFLite model|truncated or damaged"):
        cut(damage, ["exit_1"])


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
def test_a_published_residual_net_cuts_bit_exact(
    foreign_models: Path, name: str, resolver: str
) -> None:
    model = (foreign_models / "mlperf_tiny" / "pretrainedResnet_quant.tflite").read_bytes()
    graph = Graph(model)
    # After the first, second and third convolution of a block: the skip crosses each cut.
    computed = [graph.tensors[node.outputs[0]].name for node in graph.nodes]
    exits = [computed[1], computed[5], computed[9], computed[-1]]
    stages = cut(model, exits)
    assert [len(stage.features) for stage in stages] == [2, 2, 2, 0]
    frames = random_frames(5, (32, 32, 3))
    backend = open_backend(name, resolver)
    whole = whole_outputs(model, backend, frames, [0])
    chained = chained_outputs(stages, backend, frames)
    assert [row[0].tolist() for row in whole] == [row[-1].tolist() for row in chained]


def test_several_subgraphs_are_refused() -> None:
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    builder.build([frame], [builder.head("head", builder.conv("map", frame, 2))])
    builder.model.subgraphs *= 2
    with pytest.raises(ModelNotSupportedError, match="2 subgraphs"):
        cut(pack(builder.model), ["head"])

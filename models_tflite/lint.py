"""Findings about a model or a bundle: what cannot work, what will surprise, on which target."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node, Tensor
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.ops import activation, node_macs
from edge_infer.models_tflite.stage import SCALE_TOLERANCE
from edge_infer.models_tflite.stage_spec import Dtype
from edge_infer.models_tflite.tensors import described, is_vector, output_name, outputs_text

Severity = Literal["error", "warning", "note"]
"""error: cannot run as a stage; warning: runs, and not as one expects; note: not on a target."""

_PICKING = ("ARG_MAX", "ARG_MIN", "TOPK_V2")
"""Operators that give an answer, no scores of every class."""
_PASSES_ON = {"RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE"}
"""Operators that a head's values go through without changing their order."""


_CUSTOM = {
    "edgetpu-custom-op": "compiled for the Edge TPU: bundle the .tflite from before the compiler",
    "TFLite_Detection_PostProcess": "an object detector's, which gives boxes: no classifier",
    "PosenetDecoderOp": "a pose estimator's, which gives key points: no classifier",
}
"""What to say of custom operators that are known; of others that they have no kernel."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know."""

    severity: Severity
    where: str
    """The stage or file, and the tensor or operator."""
    what: str
    advice: str
    """What to try."""

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what}: {self.advice}"


def lint_model(graph: Graph, where: str) -> list[Finding]:
    """Return the findings about a model that shall be a whole net, errors first.

    Args:
        graph: the model.
        where: name of the file, for the messages.
    """
    return _run(
        (_operators, _answers, _ends, _one_input, _one_output, *_STAGE_CHECKS[2:]), graph, where
    )


def lint_stage(graph: Graph, where: str) -> list[Finding]:
    """Return the findings about one stage, errors first; it may have several inputs and outputs.

    Args:
        graph: the model.
        where: name of the stage, for the messages.
    """
    return _run((_ends, *_STAGE_CHECKS), graph, where)


def lint_bundle(bundle: Bundle) -> list[Finding]:
    """Return the findings about every stage of a bundle, and about how the stages chain.

    Raises:
        PrunableError: a stage of a prunable bundle cannot be cut to one of its ratios.
        ModelError: a model cannot be read, or lacks an output that the manifest hands on.
    """
    findings: list[Finding] = []
    for ratio in bundle.manifest.ratios:
        stages = bundle.manifest.stages_at(ratio)
        graphs = [Graph(bundle.stage_model(index, ratio)) for index in range(len(stages))]
        if ratio == FULL_RATIO:  # narrower ones have the same operators
            named = zip(stages, graphs, strict=True)
            findings += [found for stage, graph in named for found in lint_stage(graph, stage.name)]
        where = "" if ratio == FULL_RATIO else f" at ratio {ratio}"
        for (before, after), (given, taken) in zip(pairwise(stages), pairwise(graphs), strict=True):
            if after.input.reads == "previous":
                if max(before.features) >= len(given.outputs):
                    raise ModelError(
                        f"stage {before.name}: the manifest hands on output "
                        f"{max(before.features)}, the model has {len(given.outputs)}: the parts "
                        "are not from one model, make the bundle again"
                    )
                outputs = [given.tensors[given.outputs[index]] for index in before.features]
                inputs = [taken.tensors[index] for index in taken.inputs]
                findings += _chain(f"{before.name} to {after.name}{where}", outputs, inputs)
    return findings


def find_head_kind(graph: Graph, output: int) -> Literal["logits", "softmax"]:
    """Tell what an output is, by the operator that computes it."""
    return "softmax" if head_operator(graph, output) == "SOFTMAX" else "logits"


def head_operator(graph: Graph, output: int) -> str | None:
    """Return the operator that computes an output's values, None for what none computes."""
    producers = graph.producers()
    tensor = graph.outputs[output]
    for _ in graph.nodes:  # a damaged file may go in circles
        if tensor not in producers:
            break
        node = graph.nodes[producers[tensor]]
        if node.op not in _PASSES_ON:
            return node.op
        tensor = graph.operand(node, 0).index
    return None


_Entry = tuple[Severity, str, str, str]


def _operators(graph: Graph) -> Iterator[_Entry]:
    for name in sorted({node.custom for node in graph.nodes if node.custom}):
        advice = _CUSTOM.get(
            name, "no interpreter here has its kernel: export with builtin operators only"
        )
        yield "error", name, "custom operator", advice
    for name in sorted({node.op for node in graph.nodes if node.op.startswith("builtin ")}):
        yield "error", name, "unknown operator", "newer than the schema here, update ai-edge-litert"
    if any(node.op == "VAR_HANDLE" for node in graph.nodes):
        yield (
            "error", "VAR_HANDLE", "resource variables keep their state between frames",
            "export a stateless model, or one with variable tensors",
        )  # fmt: skip


def _ends(graph: Graph) -> Iterator[_Entry]:
    for what, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        if not tensors:
            yield "error", "", f"no {what}", f"wants an {what} at least: the file is damaged"


def _one_input(graph: Graph) -> Iterator[_Entry]:
    if len(graph.inputs) > 1:
        listed = described(graph, [graph.tensors[index] for index in graph.inputs])
        what, advice = f"{len(graph.inputs)} inputs ({listed})", "a stage takes one, the frame"
        yield "error", "", what, advice


def _one_output(graph: Graph) -> Iterator[_Entry]:
    if len(graph.outputs) < 2:
        return
    outputs = [graph.tensors[index] for index in graph.outputs]
    vectors = [output_name(graph, tensor) for tensor in outputs if is_vector(tensor)]
    if vectors:
        advice = (
            f"name the one with the class scores, --head OUTPUT ({' or '.join(vectors[:4])}), or "
            "if they are exits, cut it at them: bundle cut"
        )
    else:
        advice = "none is a classifier's [1, classes]; if one has scores, name it: --head OUTPUT"
    what = f"{len(outputs)} outputs ({outputs_text(graph)})"
    yield "error", "", what, advice


def _answers(graph: Graph) -> Iterator[_Entry]:
    """Outputs that are picked from the scores, which no exit can be judged by."""
    for index, node in _picked(graph).items():
        scores, tensor = graph.operand(node, 0), graph.tensors[index]
        if is_vector(scores):
            what = f"{list(tensor.shape)} is the answer, not the scores"
            advice = f"name these, {list(scores.shape)} before it: --head {scores.name}"
        else:
            what, advice = f"{list(tensor.shape)} is a map of classes", "no classifier"
        yield "error", tensor.name, what, advice


def _picked(graph: Graph) -> dict[int, Node]:
    """Return the outputs that are the largest of some values or where these lie, with the node."""
    return {
        index: node for node in graph.nodes if node.op in _PICKING for index in node.outputs
        if index in graph.outputs
    }  # fmt: skip


def _boundaries(graph: Graph) -> Iterator[_Entry]:
    for index in dict.fromkeys((*graph.inputs, *graph.outputs)):
        if index not in _picked(graph):
            yield from _boundary(graph.tensors[index])


def _boundary(tensor: Tensor) -> Iterator[_Entry]:
    if tensor.dtype not in get_args(Dtype):
        what = f"{list(tensor.shape)} is {tensor.dtype}"
        yield "error", tensor.name, what, f"wants {', '.join(get_args(Dtype))}"
    if -1 in tensor.signature[1:]:
        yield (
            "error", tensor.name, f"dynamic shape {list(tensor.signature)}",
            "export with fixed sizes",
        )  # fmt: skip
    elif tensor.shape[:1] != (1,):
        what, advice = f"shape {list(tensor.shape)}", "wants a batch of 1 in front: export it so"
        yield "error", tensor.name, what, advice
    elif not tensor.elements:
        yield "error", tensor.name, f"shape {list(tensor.shape)}", "holds no value: export it anew"


def _quantisation(graph: Graph) -> Iterator[_Entry]:
    kinds = {activation(graph, node).dtype for node in graph.nodes if node_macs(graph, node)}
    integer = bool(kinds & {"int8", "uint8", "int16"})
    for index, node in enumerate(graph.nodes):
        place = f"{node.op} {index}"
        if not node_macs(graph, node) or activation(graph, node).dtype != "float32":
            continue
        if graph.operand(node, 1).dtype in ("int8", "uint8", "int4"):
            yield (
                "warning", place, "hybrid: integer weights, float32 activations",
                "quantise with a representative data set",
            )  # fmt: skip
        elif integer:
            yield "warning", place, "float32 island in an integer model", "quantise it as well"
    if kinds == {"float32"}:
        yield "note", "", "float32 arithmetic", "full int8 takes a quarter of the bytes"


def _per_channel(graph: Graph) -> Iterator[_Entry]:
    for index, node in enumerate(graph.nodes):
        if node.op == "FULLY_CONNECTED" and len(graph.operand(node, 1).scales) > 1:
            yield (
                "warning", f"FULLY_CONNECTED {index}",
                "weights with one scale per channel: TFLite Micro builds take the first, silently",
                "export with one scale per tensor for microcontrollers",
            )  # fmt: skip


def _softmax(graph: Graph) -> Iterator[_Entry]:
    for output, index in enumerate(graph.outputs):
        head = graph.tensors[index]
        if head.dtype != "float32" and find_head_kind(graph, output) == "softmax":
            yield (
                "warning", head.name, f"a softmax in {head.dtype} saturates: margins are lost",
                "export logits",
            )  # fmt: skip


def _targets(graph: Graph) -> Iterator[_Entry]:
    used = {node.op for node in graph.nodes if not node.custom}
    for target in _op_support().values():
        missing = sorted(used - set(target["ops"]))
        if missing:
            yield "note", ", ".join(missing), f"not run by {target['name']}", target["source"]


_STAGE_CHECKS = (_operators, _answers, _boundaries, _quantisation, _per_channel, _softmax, _targets)


def _run(
    checks: Sequence[Callable[[Graph], Iterator[_Entry]]], graph: Graph, where: str
) -> list[Finding]:
    findings = [
        Finding(severity, f"{where}: {place}" if place else where, what, advice)
        for check in checks
        for severity, place, what, advice in check(graph)
    ]
    order: tuple[Severity, ...] = get_args(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


@cache
def _op_support() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("op_support.toml").read_text("utf-8"))


def _chain(where: str, outputs: list[Tensor], inputs: list[Tensor]) -> Iterator[Finding]:
    if len(outputs) != len(inputs):
        what = f"{len(outputs)} features are handed on, {len(inputs)} inputs take them"
        yield Finding("error", where, what, "cut both stages from one model")
    for given, taken in zip(outputs, inputs, strict=False):
        for key in ("shape", "dtype", "scale", "zero_point"):
            before, after = getattr(given, key), getattr(taken, key)
            near = key == "scale" and abs(before - after) <= SCALE_TOLERANCE * max(before, after)
            if before != after and not near:
                yield Finding(
                    "error", f"{where}: {taken.name}", f"{key} {before} becomes {after}",
                    "cut both stages from one model",
                )  # fmt: skip


def has_state(graph: Graph) -> bool:
    """Tell whether a model has variable tensors, which must be reset between frames."""
    used = {index for node in graph.nodes for index in node.inputs} - {NO_TENSOR}
    return any(graph.tensors[index].variable for index in used)

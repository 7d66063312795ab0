"""What a model costs on a board, before anything is built: time and energy by clock and threads."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import CostRow, OperatingPoint, OpWork, Work
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.uncertainty import one_by_one
from edge_infer.lab.costs.board_costs import weakest_origin
from edge_infer.models_tflite.describe import arithmetic_of
from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node
from edge_infer.models_tflite.ops import activation, list_ops, node_macs
from edge_infer.runtime.errors import PolicyError

WAITING = "waiting for threads"
TPU_OPERATOR = "edgetpu-custom-op"


@dataclass(frozen=True)
class _Point:
    """The stages of a model at one operating point."""

    time_ns: float
    net_nj: float
    gross_nj: float


def model_works(name: str, model: bytes) -> tuple[Work, ...]:
    """Return a .tflite file as work: any model, a classifier or not.

    Raises:
        ModelError: it is none, or damaged.
        ModelNotSupportedError: it has several subgraphs, or work that cannot be counted.
    """
    graph = Graph(model)
    _check_countable(graph)
    ops = tuple(
        OpWork(*op)
        for node, op in zip(graph.nodes, list_ops(graph), strict=True)
        if not _happens_once(graph, node)
    )
    return (Work(name, ops, decides=False, dtype=arithmetic_of(graph)),)


def _check_countable(graph: Graph) -> None:
    """Refuse a graph whose shapes or operators hide its work: it would look far too cheap."""
    for tensor in (graph.tensors[index] for index in graph.inputs):
        if -1 in tensor.signature[1:] or not tensor.elements:
            sizes = tensor.signature if -1 in tensor.signature else tensor.shape
            raise ModelNotSupportedError(
                f"the input {tensor.name} is {list(sizes)}: its work hangs on the open sizes; "
                "export the model with a fixed shape"
            )
    if any(node.custom == TPU_OPERATOR for node in graph.nodes):
        raise ModelNotSupportedError(
            "compiled for the Edge TPU, whose work cannot be counted: give the .tflite from before "
            "the compiler"
        )
    if any(_is_hybrid(graph, node) for node in graph.nodes):
        raise ModelNotSupportedError(
            "int8 weights under float32 activations (dynamic-range quantised): nobody counted such "
            "kernels; give the model in float32, or quantise its activations too"
        )


def _is_hybrid(graph: Graph, node: Node) -> bool:
    if not node_macs(graph, node) or activation(graph, node).dtype != "float32":
        return False
    return any(graph.tensors[index].dtype == "int8" for index in node.inputs if index != NO_TENSOR)


def _happens_once(graph: Graph, node: Node) -> bool:
    """Whether weights that the file has in float16 are made float32, which is when it is loaded."""
    return node.op == "DEQUANTIZE" and graph.operand(node, 0).constant


def model_cost(
    name: str,
    works: Sequence[Work],
    board: str,
    threads: Sequence[int] = (),
    kernel_set: str = "",
) -> dict[str, Any]:
    """Return the document of `cost --json`.

    Args:
        name: of the model, for the document.
        works: run one after the other.
        board: a profile's name, with or without sim:.
        threads: thread counts; one to the board's cores if empty.
        kernel_set: other kernels that the profile's counts know a factor for.

    Raises:
        UnknownBoardError: there is no such board.
        ProfileError: its costs cannot be modelled.
        PolicyError: more threads than cores, or kernels that it knows no factor for.
    """
    profile = load_profile(board.removeprefix("sim:"))
    model = CostModel(profile, kernel_set)
    counts = tuple(threads) or tuple(n for n in (1, 2, 4) if n <= model.cpu.cores)
    try:
        model.row(works[0], OperatingPoint(model.cpu.clocks_khz[-1], max(counts)))
    except ProfileError as error:
        raise PolicyError(str(error)) from None
    points = [OperatingPoint(khz, n) for n in counts for khz in model.cpu.clocks_khz]
    others = [(key, CostModel(other, kernel_set)) for key, other in one_by_one(profile)]
    operators = _operators(model, works, 1)
    return {
        "model": name,
        "board": profile.name,
        "kernels": kernel_set or _kernels(profile),
        "dtype": works[0].dtype,
        "macs": sum(work.macs for work in works),
        "points": [_point_document(model, others, works, point) for point in points],
        "operators": operators,
        "bottleneck": _bottleneck(model, works, counts, operators),
        "idle_mw": model.idle_uw / 1e3,
        "basis": _basis(profile),
    }


def _point_document(
    model: CostModel, others: Sequence[tuple[str, CostModel]], works: Sequence[Work],
    point: OperatingPoint,
) -> dict[str, Any]:  # fmt: skip
    rows = [model.row(work, point) for work in works]
    own = _sums(model, rows)
    changed = [(key, _sums(m, [m.row(w, point) for w in works])) for key, m in others]
    return {
        "clock_khz": point.clock_khz,
        "threads": point.threads,
        "time_us": own.time_ns / 1e3,
        "time_range_us": _range(own, changed, lambda p: p.time_ns / 1e3),
        "net_uj": own.net_nj / 1e3,
        "net_range_uj": _range(own, changed, lambda p: p.net_nj / 1e3),
        "gross_uj": own.gross_nj / 1e3,
        "hangs_on": _greatest(own, changed),
        "origin": weakest_origin(rows),
    }


def _sums(model: CostModel, rows: Sequence[CostRow]) -> _Point:
    time_ns = sum(row.time_ns for row in rows)
    gross_nj = sum(row.energy_nj for row in rows)
    return _Point(time_ns, gross_nj - model.idle_uw * time_ns / 1e6, gross_nj)


def _range(
    own: _Point, changed: Sequence[tuple[str, _Point]], of: Callable[[_Point], float]
) -> list[float]:
    """Return what the ranges of all figures together allow: independent, so in quadrature."""
    value = of(own)
    below: dict[str, float] = defaultdict(float)
    above: dict[str, float] = defaultdict(float)
    for key, point in changed:
        off = math.log(of(point) / value)
        below[key], above[key] = min(below[key], off), max(above[key], off)
    return [
        value * math.exp(-math.hypot(*below.values())),
        value * math.exp(math.hypot(*above.values())),
    ]


def _greatest(own: _Point, changed: Sequence[tuple[str, _Point]]) -> str | None:
    """Return the figure that the net energy hangs on most."""
    if not changed:
        return None
    return max(changed, key=lambda each: abs(math.log(each[1].net_nj / own.net_nj)))[0]


def _operators(model: CostModel, works: Sequence[Work], threads: int) -> list[dict[str, Any]]:
    """Return the time of each kind of operator at the top clock, longest first."""
    cycles: dict[str, float] = defaultdict(float)
    found: dict[str, list[OpWork]] = defaultdict(list)
    for work in works:
        for op in work.ops:
            cycles[op.op] += model.op_cycles(op, work, threads).work
            found[op.op].append(op)
    top_khz = model.cpu.clocks_khz[-1]
    busy_uw = model.busy_cores_uw(threads, top_khz)
    rows = [
        {
            "kind": kind,
            "count": len(found[kind]),
            "macs": sum(op.macs for op in found[kind]),
            "time_us": each * 1e3 / top_khz,
            "net_uj": busy_uw * each / top_khz / 1e3,
        }
        for kind, each in cycles.items()
    ]
    return sorted(rows, key=lambda row: float(str(row["time_us"])), reverse=True)


def _bottleneck(
    model: CostModel, works: Sequence[Work], counts: Sequence[int], operators: Sequence[Any]
) -> str:
    """Return in words what the time goes into, and whether threads help."""
    if not operators:
        return "there are no operators: only the invocation costs"
    whole = sum(row["time_us"] for row in operators) or 1
    first = operators[0]
    text = f"{first['kind']} takes {100 * first['time_us'] / whole:.0f} % of the operators' time"
    times = {n: sum(sum(_parts(model, work, n)) for work in works) for n in counts}
    best = min(times, key=lambda n: times[n])
    if len(times) < 2:
        return text
    waiting = sum(_parts(model, work, max(times))[1] for work in works)
    share = 100 * waiting / times[max(times)]
    return (
        f"{text}; fastest on {best} thread{'s'[: best > 1]}; on {max(times)} "
        f"{share:.0f} % of the time is {WAITING}"
    )


def _parts(model: CostModel, work: Work, threads: int) -> tuple[float, float]:
    cycles = model.cycles(work, threads)
    return cycles.kernel - cycles.waiting + cycles.overhead, cycles.waiting


def _kernels(profile: BoardProfile) -> str:
    if profile.kernels is None:
        raise ProfileError(f"board profile {profile.name} states no kernels")
    return profile.kernels.counts.name


def _basis(profile: BoardProfile) -> str:
    assert profile.kernels is not None  # asked before
    return (
        f"modelled from the profile {profile.name} and the counted instructions of "
        f"{profile.kernels.counts.title}; not measured. Ranges: every figure that nobody settled "
        "within its own, together in quadrature"
    )

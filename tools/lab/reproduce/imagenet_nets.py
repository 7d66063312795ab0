"""Published ImageNet classifiers in .tflite files: which network each is, known by its file's name.

A file is called like the network in `edge_infer.lab.costs.networks`, in any common spelling:
efficientnet-lite2.tflite, mobilenet_v1_0.75_192_quant.tflite. That it is that network is checked by
its multiply-accumulates, its input size and its classes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.boards.cost_table import Work
from edge_infer.lab.costs.networks import network
from edge_infer.models_tflite.classifier import read_classifier
from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.ops import list_ops
from edge_infer.runtime.errors import InputError, SourceMissingError

CLASSES = 1000
LABELS = tuple(str(number) for number in range(CLASSES))
"""Class numbers in the order of the WordNet ids."""
BIG = "efficientnet-lite2"
"""The net that a loss and a saving are counted against."""
_SPELLING = re.compile(r"[-_](quant(ized)?|int8|uint8)$")
_OFF = 0.03
"""How far the multiply-accumulates of a file may be off its network's."""


@dataclass(frozen=True)
class PublishedNet:
    """A .tflite file of a published network, 8 bits in and out."""

    name: str
    """As `edge_infer.lab.costs.networks` has it."""
    path: Path
    sha256: str
    head: str
    """Tensor of the logits: what a softmax at the end reads, else the output."""
    calibration: tuple[str, ...]
    """Names of the pictures that its activation ranges come from, as the .json beside it says."""

    @property
    def work(self) -> Work:
        """One invocation."""
        return network(self.name)


def find_nets(where: Sequence[Path]) -> list[PublishedNet]:
    """Read the published nets at some paths, the least work first.

    Args:
        where: .tflite files, or folders that hold some.

    Raises:
        SourceMissingError: there is no such path.
        InputError: no .tflite file is there, the big net is missing or alone, or two are of one
            network.
        ModelNotSupportedError: a file is not the network that its name says, or not in 8 bits.
    """
    nets = sorted(map(read_net, _files(where)), key=lambda net: net.work.macs)
    names = [net.name for net in nets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two files are of {twice[0]}: give one of each network")
    there = ", ".join(names) or "none"
    if BIG not in names:
        raise InputError(
            f"the big net {BIG} is missing among the nets ({there}): make it with edge-infer train "
            f"{BIG} --data IMAGES --out {BIG}.tflite, and name its folder with --net"
        )
    smaller = names[: names.index(BIG)]
    if not smaller:
        raise InputError(
            f"no net smaller than {BIG} is there ({there}): give one or more with --net"
        )
    return nets[: len(smaller) + 1]


def _files(where: Sequence[Path]) -> Iterable[Path]:
    for path in where:
        if path.is_dir():
            yield from sorted(path.glob("*.tflite"))
        elif path.exists():
            yield path
        else:
            raise SourceMissingError(f"there is no net {path}")


def read_net(path: Path) -> PublishedNet:
    """Read one file. Raises as `find_nets`."""
    name = network_name(path)
    net = read_classifier(path, labels=LABELS)
    _check(net.graph, name, path.name)
    head = net.graph.tensors[net.graph.outputs[0]]
    for node in net.graph.nodes:
        if node.op == "SOFTMAX" and head.index in node.outputs:
            head = net.graph.operand(node, 0)
    return PublishedNet(
        name, path, hashlib.sha256(net.model).hexdigest(), head.name, calibration_pictures(path)
    )


def network_name(path: Path) -> str:
    """Return the network that a file is called after. Raises InputError if none."""
    name = _SPELLING.sub("", path.stem.lower()).replace("_", "-")
    try:
        network(name)
    except ValueError:
        raise InputError(
            f"{path.name}: no published network is called {name}: call the file after the one that "
            "it is, as efficientnet-lite2.tflite or mobilenet_v1_0.75_192_quant.tflite"
        ) from None
    return name


def _check(graph: Graph, name: str, where: str) -> None:
    first, last = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    if {first.dtype, last.dtype} - {"int8", "uint8"}:
        raise ModelNotSupportedError(
            f"{where}: goes from {first.dtype} to {last.dtype}, its published energy is of 8 bits "
            "in and out: quantise it so"
        )
    size, macs = first.shape[1], sum(op.macs for op in list_ops(graph))
    said = network(name)
    if abs(macs / said.macs - 1) > _OFF:
        raise ModelNotSupportedError(
            f"{where}: has {macs / 1e6:.1f} MMAC at {size}x{size}, {name} has "
            f"{said.macs / 1e6:.1f}: call the file after the network that it is"
        )


def calibration_pictures(path: Path) -> tuple[str, ...]:
    """Return the pictures that a net was quantised with, by the .json beside it; none without.

    Raises:
        InputError: there is such a file, and it does not say.
    """
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return ()
    try:
        found = json.loads(beside.read_text("utf-8"))["calibration"]
        return tuple(map(str, found))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{beside}: does not say which pictures {path.name} was quantised with ({error!r}): "
            "make the net again, or take the file away"
        ) from None

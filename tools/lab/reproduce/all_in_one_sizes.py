"""What one file for all ratios takes in bytes and in memory, against a file for each."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.prunable import PrunableModel
from edge_infer.models_tflite.redraft import ratio_bytes


def byte_sizes(bundle: Bundle) -> dict[str, Any]:
    """Return bytes of a prunable bundle's stage files, and of the same ratios as separate files."""
    manifest = bundle.manifest
    assert manifest.prunable is not None
    stages = range(len(manifest.stages))
    whole = sum(len(bundle.stage_model(index)) for index in stages)
    auxiliary = manifest.prunable.auxiliary_bytes
    weights = sum(_weights(Graph(bundle.stage_model(index))) for index in stages)
    separate = ratio_bytes(bundle)
    return {
        "weights": weights,
        "auxiliary": auxiliary,
        "file": whole,
        "separate": separate,
        "auxiliary_percent_of_weights": 100 * auxiliary / weights,
        "file_percent_of_full_width": 100 * whole / (whole - auxiliary),
        "file_percent_of_separate": 100 * whole / sum(separate.values()),
    }


def _weights(graph: Graph) -> int:
    kernels = {
        node.inputs[1]
        for node in graph.nodes
        if node.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    }
    return sum(graph.tensors[index].elements for index in kernels)


def memory_growth(bundle: Bundle) -> dict[str, int]:
    """Return by how many bytes a process grows that runs the bundle's nets on this computer.

    Each case is measured in a process of its own, after one tiny inference: `one_file` at the
    narrowest ratio and at full width, and `separate` with an interpreter for each ratio.
    """
    paths = [str(bundle.path / stage.file) for stage in bundle.manifest.stages]
    ratios = sorted(bundle.manifest.ratios, key=float, reverse=True)
    cases = {
        "one_file_full": [FULL_RATIO],
        "one_file_narrowest": [ratios[-1]],
        "separate": ratios,
    }
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return {name: pool.apply(_grow, (paths, chosen)) for name, chosen in cases.items()}


def _grow(paths: Sequence[str], ratios: Sequence[str]) -> int:
    """Load and run every stage at every ratio, keep the interpreters, and return the growth."""
    backend = open_backend()
    kept = [_run(backend, paths[0], ratios[-1])]  # has the libraries paged in
    before = _resident_bytes()
    kept += [_run(backend, path, ratio) for ratio in ratios for path in paths]
    return _resident_bytes() - before


def _run(backend: Backend, path: str, ratio: str) -> Any:
    interpreter = backend.load(PrunableModel.open(Path(path)).materialise(ratio))
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], np.zeros(tensor["shape"], tensor["dtype"]))
    interpreter.invoke()
    return interpreter


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0

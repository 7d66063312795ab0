"""A bundle's exit predictor as the small binary table that a microcontroller reads.

The format stands beside the C code: firmware/include/edge_infer/predictor.h. The factors are the
ones that the host multiplies raw features with, so that both compute the same numbers.
"""

import struct

from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.runtime.prediction.predictor import KIND, SoftmaxPredictor

PREDICTOR_FILE = "predictor.bin"
"""Name of the entry in a bundle file."""

MAX_RANKS = 16
"""Scores below the top one that a microcontroller looks at."""

_HEADER = struct.Struct("<4sBBBBIId")
_VERSION = 1
_FULL_WIDTH = 1_000_000


def predictor_table(manifest: Manifest) -> bytes | None:
    """Return the table of the full width's predictor.

    None where the bundle carries none, or one of a kind that a microcontroller does not know: it
    then runs without prediction.
    """
    carried = (manifest.predictor or {}).get(FULL_RATIO)
    if carried is None or carried.get("kind") != KIND:
        return None
    predictor = SoftmaxPredictor.from_document(carried)
    if predictor.ranks > MAX_RANKS:
        return None
    numbers = [value for constant, slopes in predictor.folded for value in (constant, *slopes)]
    numbers += predictor.edges
    numbers += [share for exits in predictor.bin_exits for share in exits]
    size = _HEADER.size + 8 * len(numbers)
    counts = len(predictor.weights) + 1, predictor.ranks, len(predictor.bin_exits)
    header = _HEADER.pack(b"EIPR", _VERSION, *counts, size, _FULL_WIDTH, predictor.scale)
    return header + struct.pack(f"<{len(numbers)}d", *numbers)

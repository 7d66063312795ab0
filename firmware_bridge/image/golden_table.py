"""The golden vectors as the small binary table that a microcontroller reads.

The format stands beside the C code: firmware/include/edge_infer/golden.h. The bundle's own golden
file is compressed, which a microcontroller does not read.
"""

import struct

import numpy as np

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.quantization import FrameInput

GOLDEN_FILE = "golden.bin"
"""Name of the entry in a bundle file."""

_HEADER = struct.Struct("<4sBBBxII")
_VERSION = 1
_FROM_A_CAMERA, _QUANTISED = 0, 1


def golden_table(bundle: Bundle) -> bytes | None:
    """Return the table of a bundle, None where inputs or heads are no int8: none runs it.

    Raises BundleVerificationError when the golden file is unusable.
    """
    stages = bundle.manifest.stages
    spec = stages[0].input
    if spec.dtype != "int8" or any(stage.scores.dtype != "int8" for stage in stages):
        return None
    golden = bundle.golden()
    raw = golden.frames.dtype == np.uint8 and golden.frames.shape[1:] == spec.frame_shape
    convert = FrameInput(spec)
    frames = [frame if raw else convert(frame) for frame in golden.frames]
    kind = _FROM_A_CAMERA if raw else _QUANTISED
    header = _HEADER.pack(b"EIGV", _VERSION, len(stages), kind, len(frames), frames[0].nbytes)
    parts = [*frames, *(scores.astype(np.int8) for scores in golden.scores)]
    return header + b"".join(part.tobytes() for part in parts)

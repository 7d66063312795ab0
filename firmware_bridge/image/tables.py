"""What a microcontroller reads of a bundle: small binary tables, made when the file is packed.

Each is an entry of the bundle file; its format stands beside the C code that reads it, in
firmware/include/edge_infer/. A microcontroller reads neither JSON nor a compressed golden file.
"""

import struct

import numpy as np

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest, Thresholds
from edge_infer.models_tflite.quantization import FrameInput
from edge_infer.models_tflite.stage_spec import Stage, StageInput
from edge_infer.runtime.predictor import KIND, carried_predictor

_VERSION = 1
"""Of each format."""

CLOCK_PLAN_FILE = "clock_plan.bin"
"""Name of the entry of one more table, which is not of the bundle alone: see clock_plan.py."""


def tables(bundle: Bundle) -> dict[str, bytes]:
    """Return the tables of a bundle, by the names of their entries in its file.

    Raises:
        ImageError: a stage hands on more features than the table holds.
        BundleVerificationError: the golden file is unusable.
    """
    found = {
        DECISIONS_FILE: decision_table(bundle.manifest),
        GOLDEN_FILE: golden_table(bundle),
        PREDICTOR_FILE: predictor_table(bundle.manifest),
    }
    return {name: table for name, table in found.items() if table is not None}


# --- decisions.h: what a manifest decides ---

DECISIONS_FILE = "decisions.bin"
MAX_FEATURES = 8
"""Features from one stage to the next that fit the table."""

_DECISIONS = struct.Struct("<4sBBBxIHHI")
_STAGE = struct.Struct("<IHBBBBHHBB8sIfiBBHI")
_RATIO = struct.Struct("<IB3xI")
assert (_DECISIONS.size, _STAGE.size, _RATIO.size) == (20, 44, 12)

_READS = {"frame": 0, "previous": 1}
_DTYPES = {"int8": 0, "uint8": 1, "float32": 2}
_LAYOUTS = {"NHWC": 0, "NCHW": 1}
_KINDS = {"logits": 0, "softmax": 1}
_CRITERIA = {"score-margin": 0, "top-score": 1, "entropy": 2}
_LOOKED_UP, _QUANTISED_BEFORE = 0, 1


def decision_table(manifest: Manifest) -> bytes:
    """Return the table of a manifest. Every bundle file has one, so that the same runs everywhere.

    A bundle whose heads are no int8 or whose criterion is entropy has one too, and a
    microcontroller refuses it by name.

    Raises ImageError for a stage that hands on more than `MAX_FEATURES` features.
    """
    ratios = [FULL_RATIO, *sorted(r for r in manifest.thresholds if _other_ratio(manifest, r))]
    fixed = _DECISIONS.size + len(manifest.stages) * _STAGE.size + len(ratios) * _RATIO.size
    tail = bytearray()
    stages = b"".join(_stage(stage, fixed, tail) for stage in manifest.stages)
    rules = b"".join(_ratio(manifest, ratio, fixed, tail) for ratio in ratios)
    name = manifest.name.encode()
    name_at = _append(tail, name, fixed)
    counts = len(manifest.stages), len(ratios)
    sizes = fixed + len(tail), len(manifest.labels), len(name), name_at
    header = _DECISIONS.pack(b"EIDT", _VERSION, *counts, *sizes)
    return header + stages + rules + bytes(tail)


def _other_ratio(manifest: Manifest, ratio: str) -> bool:
    """Return True for a ratio below the full width that a microcontroller can run.

    That takes frames by the same lookup tables, and is a whole number of millionths.
    """
    if ratio == FULL_RATIO or len(ratio) > len("0.123456"):
        return False
    both = zip(manifest.stages, manifest.stages_at(ratio), strict=True)
    return all(
        full.input.reads != "frame" or full.input.tensors == own.input.tensors for full, own in both
    )


def _stage(stage: Stage, fixed: int, tail: bytearray) -> bytes:
    if len(stage.features) > MAX_FEATURES:
        raise ImageError(
            f"stage {stage.name} hands on {len(stage.features)} features, the decision table "
            f"holds {MAX_FEATURES}: cut the model elsewhere"
        )
    tables = _lookup_tables(stage.input)
    file, name = stage.file.encode(), stage.name.encode()
    file_at, name_at = _append(tail, file, fixed), _append(tail, name, fixed)
    tables_at = _append(tail, b"".join(tables), fixed)
    preprocess, scores = stage.input.preprocess, stage.scores
    return _STAGE.pack(
        file_at,
        len(file),
        _READS[stage.input.reads],
        _LOOKED_UP if tables else _QUANTISED_BEFORE,
        scores.output,
        _DTYPES[scores.dtype],
        scores.classes,
        scores.label_offset,
        len(stage.features),
        len(tables),
        bytes(stage.features),
        tables_at,
        scores.scale,
        scores.zero_point,
        _LAYOUTS[preprocess.layout if preprocess else "NHWC"],
        _KINDS[scores.kind],
        len(name),
        name_at,
    )


def _lookup_tables(spec: StageInput) -> list[bytes]:
    """Return 256 tensor values for each frame value; one table, or one a channel."""
    preprocess = spec.preprocess
    if preprocess is None or preprocess.source != "uint8" or spec.dtype != "int8":
        return []
    channels = max(len(preprocess.mean), len(preprocess.std))
    convert = FrameInput(spec)
    columns = []
    for level in range(256):
        tensor = convert(np.full(spec.frame_shape, level, np.uint8))[0]
        if preprocess.layout == "NCHW":
            tensor = np.moveaxis(tensor, 0, -1)
        columns.append(tensor.reshape(-1, spec.frame_shape[-1])[0, :channels])
    return [table.tobytes() for table in np.stack(columns, axis=1).astype(np.int8)]


def _ratio(manifest: Manifest, ratio: str, fixed: int, tail: bytearray) -> bytes:
    rule = manifest.thresholds[ratio]
    values = _thresholds(rule, len(manifest.labels)) if _whole(manifest, rule) else []
    at = _append(tail, struct.pack(f"<{len(values)}i", *values), fixed)
    return _RATIO.pack(round(float(ratio) * 1_000_000), _CRITERIA[rule.criterion], at)


def _whole(manifest: Manifest, rule: Thresholds) -> bool:
    """Return True when thresholds are score units of integer heads."""
    floats = any(stage.scores.dtype == "float32" for stage in manifest.stages)
    return rule.criterion != "entropy" and not floats


def _thresholds(rule: Thresholds, labels: int) -> list[int]:
    """Return one a stage and label."""
    values: list[int] = []
    for value in rule.values:
        each = value if isinstance(value, tuple) else (value,) * labels
        values += [int(bound) for bound in each]
    return values


def _append(tail: bytearray, content: bytes, fixed: int) -> int:
    """Append to the part behind the records, on a multiple of 4; return its offset."""
    tail += bytes(-(fixed + len(tail)) % 4)
    at = fixed + len(tail)
    tail += content
    return at if content else 0


# --- golden.h: the golden vectors ---

GOLDEN_FILE = "golden.bin"

_GOLDEN = struct.Struct("<4sBBBxII")
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
    header = _GOLDEN.pack(b"EIGV", _VERSION, len(stages), kind, len(frames), frames[0].nbytes)
    parts = [*frames, *(scores.astype(np.int8) for scores in golden.scores)]
    return header + b"".join(part.tobytes() for part in parts)


# --- predictor.h: the exit predictor ---

PREDICTOR_FILE = "predictor.bin"
MAX_RANKS = 16
"""Scores below the top one that a microcontroller looks at."""

_PREDICTOR = struct.Struct("<4sBBBBIId")
_FULL_WIDTH = 1_000_000


def predictor_table(manifest: Manifest) -> bytes | None:
    """Return the table of the full width's predictor, with the factors of raw features.

    They are those that the host multiplies with, so that both compute the same numbers.

    None where the bundle carries none, or one of a kind that a microcontroller does not know: it
    then runs without prediction.
    """
    carried = (manifest.predictor or {}).get(FULL_RATIO)
    if carried is None or carried.get("kind") != KIND:
        return None
    predictor = carried_predictor(manifest)
    if predictor is None or predictor.ranks > MAX_RANKS:
        return None
    numbers = [value for constant, slopes in predictor.folded for value in (constant, *slopes)]
    numbers += predictor.edges
    numbers += [share for exits in predictor.bin_exits for share in exits]
    size = _PREDICTOR.size + 8 * len(numbers)
    counts = len(predictor.weights) + 1, predictor.ranks, len(predictor.bin_exits)
    header = _PREDICTOR.pack(b"EIPR", _VERSION, *counts, size, _FULL_WIDTH, predictor.scale)
    return header + struct.pack(f"<{len(numbers)}d", *numbers)

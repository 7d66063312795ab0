"""What a manifest decides, as the small binary table that a microcontroller reads.

The format stands beside the C struct: firmware/include/edge_infer/decisions.h. It is an entry of
every bundle file, so that the same file runs everywhere; a bundle whose heads are no int8 or
whose criterion is entropy has a table too, and a microcontroller refuses it by name.
"""

import struct

import numpy as np

from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest, Thresholds
from edge_infer.models_tflite.quantization import FrameInput
from edge_infer.models_tflite.stage_spec import Stage, StageInput

DECISIONS_FILE = "decisions.bin"
"""Name of the entry in a bundle file."""

MAX_FEATURES = 8
"""Features from one stage to the next that fit the table."""

_HEADER = struct.Struct("<4sBBBxIHHI")
_STAGE = struct.Struct("<IHBBBBHHBB8sIfiBBHI")
_RATIO = struct.Struct("<IB3xI")
assert (_HEADER.size, _STAGE.size, _RATIO.size) == (20, 44, 12)

_VERSION = 1
_READS = {"frame": 0, "previous": 1}
_DTYPES = {"int8": 0, "uint8": 1, "float32": 2}
_LAYOUTS = {"NHWC": 0, "NCHW": 1}
_KINDS = {"logits": 0, "softmax": 1}
_CRITERIA = {"score-margin": 0, "top-score": 1, "entropy": 2}
_LOOKED_UP, _QUANTISED_BEFORE = 0, 1


def decision_table(manifest: Manifest) -> bytes:
    """Return the table of a manifest.

    Raises ValueError for a stage that hands on more than `MAX_FEATURES` features.
    """
    ratios = [FULL_RATIO, *sorted(r for r in manifest.thresholds if _other_ratio(manifest, r))]
    fixed = _HEADER.size + len(manifest.stages) * _STAGE.size + len(ratios) * _RATIO.size
    tail = bytearray()
    stages = b"".join(_stage(stage, fixed, tail) for stage in manifest.stages)
    rules = b"".join(_ratio(manifest, ratio, fixed, tail) for ratio in ratios)
    name = manifest.name.encode()
    name_at = _append(tail, name, fixed)
    counts = len(manifest.stages), len(ratios)
    sizes = fixed + len(tail), len(manifest.labels), len(name), name_at
    header = _HEADER.pack(b"EIDT", _VERSION, *counts, *sizes)
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
        raise ValueError(
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

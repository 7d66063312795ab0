"""What becomes of pixel values on their way into a model: the range that reaches it, and doubts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.stage_spec import StageInput

PIXELS = (0, 128, 255)
INTEGERS = (-128, 0, 127)
"""Of frames that are the model's own int8 input."""
_USED_SHARE = 0.5
"""Less of the model's range than this is worth a word."""
_SLACK_STEPS = 2
"""Steps of the quantised input beyond its range that rounding explains."""


def frame_values(spec: StageInput) -> tuple[int, ...]:
    """Return the frame values that stand for all: least, middle and greatest."""
    assert spec.preprocess is not None
    return INTEGERS if spec.preprocess.source == "int8" else PIXELS


def real_values(spec: StageInput) -> list[float]:
    """Return what those frame values become; of several channels, on average."""
    assert spec.preprocess is not None
    mean, std = np.mean(spec.preprocess.mean), np.mean(spec.preprocess.std)
    return [float((value - mean) / std) for value in frame_values(spec)]


def mapping_text(spec: StageInput) -> str:
    """Return one line: what 0, 128 and 255 become, and the range that the model can take."""
    reached = real_values(spec)
    shown = ", ".join(f"{v} -> {x:.4g}" for v, x in zip(frame_values(spec), reached, strict=True))
    if spec.dtype == "float32":
        return f"{shown} (float32)"
    low, high = _limits(spec)
    return f"{shown} ({spec.dtype} takes {low:.4g} to {high:.4g})"


def input_document(spec: StageInput) -> dict[str, Any]:
    """Return the mapping as `bundle build --json` has it."""
    takes = None if spec.dtype == "float32" else list(_limits(spec))
    values = dict(zip(map(str, frame_values(spec)), real_values(spec), strict=True))
    return {"values": values, "takes": takes, "doubts": mapping_doubts(spec)}


def mapping_doubts(spec: StageInput) -> list[str]:
    """Return what is odd about how 8-bit pixels fill a quantised input's range."""
    if spec.preprocess is None or spec.preprocess.source != "uint8" or spec.dtype == "float32":
        return []
    low, high = _limits(spec)
    first, _, last = real_values(spec)
    first, last = min(first, last), max(first, last)
    slack = _SLACK_STEPS * spec.scale
    if first < low - slack or last > high + slack:
        inside = max(0.0, min(last, high) - max(first, low)) / (last - first)
        return [
            f"pixels become {first:.4g} to {last:.4g}, the input takes {low:.4g} to {high:.4g}: "
            f"{100 * (1 - inside):.0f} % of the pixel values saturate, see --mean and --std"
        ]
    share = (last - first) / (high - low)
    if share < _USED_SHARE:
        return [
            f"pixels become {first:.4g} to {last:.4g}, the input takes {low:.4g} to {high:.4g}: "
            f"{100 * share:.1f} % of its range is used, see --mean and --std"
        ]
    return []


def refuse_unit_constants(
    spec: StageInput, mean: Sequence[float] | None, std: Sequence[float] | None
) -> None:
    """Refuse --mean and --std that were meant for pixels of 0 to 1, where pixels are 0 to 255.

    Raises:
        ModelNotSupportedError: with the constants that do the same to pixels of 0 to 255.
    """
    pixels = spec.preprocess is not None and spec.preprocess.source == "uint8"
    if not pixels or std is None or not all(0 < value < 1 for value in std):
        return
    if any(abs(value) > 1 for value in mean or (0,)) or _fits(spec):
        return
    meant = [",".join(f"{255 * v:.5g}" for v in given) for given in (mean or (0,), std)]
    raise ModelNotSupportedError(
        f"--std {','.join(map(str, std))} is for pixels of 0 to 1, these are 0 to 255 and would "
        f"become up to {max(map(abs, real_values(spec))):.4g}: give --mean {meant[0]} "
        f"--std {meant[1]}"
    )


def _fits(spec: StageInput) -> bool:
    return spec.dtype != "float32" and not any("saturate" in d for d in mapping_doubts(spec))


def _limits(spec: StageInput) -> tuple[float, float]:
    limits = np.iinfo(spec.dtype)
    low, high = (spec.scale * (raw - spec.zero_point) for raw in (limits.min, limits.max))
    return float(low), float(high)

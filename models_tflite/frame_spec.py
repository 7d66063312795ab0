"""The frames that a bundle takes, and the one check of frames for all doors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.quantization import FrameInput
from edge_infer.models_tflite.stage_spec import StageInput

if TYPE_CHECKING:
    from edge_infer.models_tflite.bundle import Bundle

SHIFTED = "int8 frames shifted by 128 to 0..255"
"""What `FrameSpec.as_source` does to int8 frames of a uint8 bundle, in words."""
_PIXEL_STD = 32.0
"""What is divided by so much, was a pixel of 0 to 255."""
_OUTSIDE = 0.01
"""Share of values beyond what the input can hold that is worth a warning."""


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """What a bundle takes: shape [height, width, channels] and dtype of a raw frame."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    any_size: bool = False
    """Height and width may differ: the bundle's preprocessing resizes."""
    classes: int | None = None
    """Labels lie below; None where that is not known."""
    signed: bool = False
    """An int8 frame is a uint8 one less 128: the model's own int8 input is just that picture."""
    span: tuple[float, float] | None = None
    """Least and greatest frame value that the model's input tells apart, where that is known."""
    like_pixels: bool = True
    """Frame values 0 to 255 become what image models take; False where raw bytes may be int8."""
    background: tuple[int, ...] | None = None
    """What stands behind transparent images: one value, or red, green and blue."""

    @classmethod
    def of(cls, bundle: "Bundle") -> "FrameSpec":
        """Return what the first stage of a bundle takes."""
        return cls.of_input(bundle.manifest.stages[0].input, len(bundle.manifest.labels))

    @classmethod
    def of_input(cls, first: StageInput, classes: int) -> "FrameSpec":
        """Return what a stage that reads the frame takes, with the number of labels."""
        preprocess, signed = first.preprocess, _signed(first)
        assert preprocess is not None  # the manifest's consistency check: stage 0 reads the frame
        return cls(
            first.frame_shape,
            np.dtype(preprocess.source),
            preprocess.resize != "none",
            classes,
            signed,
            _span(first),
            _like_pixels(first, signed),
            preprocess.background,
        )

    @property
    def takes_pictures(self) -> bool:
        """Whether a frame is a gray or colour picture of 8 bits."""
        return len(self.shape) == 3 and self.shape[2] in (1, 3) and self.dtype == np.uint8

    def check(self, data: NDArray[Any], name: str) -> NDArray[Any]:
        """Return one frame as the bundle takes it. Raises FrameError with both shapes or dtypes."""
        if data.ndim == len(self.shape) - 1 and self.shape[-1] == 1:
            data = data[..., np.newaxis]
        same = data.shape == self.shape
        sized = data.shape[2:] == self.shape[2:] and data.ndim == 3 and 0 not in data.shape
        if not same and not (self.any_size and sized):
            raise FrameError(
                f"{name}: frame of shape {list(data.shape)}, the bundle takes {list(self.shape)}"
                f"{self._order_advice(data)}"
            )
        return self.as_source(data, name)[0]

    def _order_advice(self, data: NDArray[Any]) -> str:
        """Return what mends a frame with its channels first, "" for others."""
        if len(self.shape) != 3 or data.shape != (self.shape[2], *self.shape[:2]):
            return ""
        return ": its channels come first; give frames.transpose(0, 2, 3, 1)"

    def as_source(self, data: NDArray[Any], name: str) -> tuple[NDArray[Any], str | None]:
        """Return frame values in the source dtype, where they are the same picture.

        Args:
            data: any shape, any dtype.
            name: for the message.

        Returns:
            The values, and in words what was done to them, None for nothing.

        Raises:
            FrameError: values that are not finite, or that mean another picture in this dtype.
        """
        if data.dtype.kind not in "iufb":
            raise FrameError(f"{name}: frames of dtype {data.dtype}: a frame is made of numbers")
        _refuse_not_finite(data, name)
        if data.dtype == self.dtype:
            return data, None
        if self.dtype == np.uint8 and data.dtype == np.int8:
            return self._shifted(data, name), SHIFTED
        wide = data.dtype.kind == "f" and self.dtype == np.float32
        if wide or self._whole(data):
            return data.astype(self.dtype), f"{data.dtype} frames taken as {self.dtype}"
        raise FrameError(f"{name}: frame of dtype {data.dtype}, {self._advice(data)}")

    def _shifted(self, data: NDArray[Any], name: str) -> NDArray[Any]:
        if not self.signed:
            raise FrameError(
                f"{name}: frame of dtype int8, the bundle takes uint8, and its model's input is "
                "not pixel - 128: whether these are pixels or the model's own integers cannot be "
                "told; build the bundle with --source int8 for the latter"
            )
        shifted: NDArray[Any] = np.ascontiguousarray(data).view(np.uint8) ^ np.uint8(128)
        return shifted

    def _whole(self, data: NDArray[Any]) -> bool:
        """Return True for whole numbers that the dtype holds, and that are no shares of 1."""
        if self.dtype.kind == "f" or data.dtype.kind == "b" or not data.size:
            return False
        if self.dtype == np.int8 and data.dtype == np.uint8:
            return False
        limits, low, high = np.iinfo(self.dtype), data.min(), data.max()
        if not limits.min <= low <= high <= limits.max:
            return False
        return data.dtype.kind in "iu" or (high > 1 and bool((data == np.rint(data)).all()))

    def _advice(self, data: NDArray[Any]) -> str:
        takes = f"values from {float(data.min()):.4g} to {float(data.max()):.4g}; the bundle takes "
        takes += str(self.dtype)
        if self.dtype == np.int8:
            return f"{takes}, the model's own integers (--source int8): quantise the values first"
        if self.dtype == np.uint8 and data.min() >= 0 and data.max() <= 1:
            return f"{takes} from 0 to 255: multiply by 255 and round first"
        if self.dtype == np.uint8 and data.dtype.kind == "i" and -128 <= data.min() < 0:
            return (
                f"{takes} from 0 to 255: where these are the model's own integers, give them as "
                "int8; else scale and round to that range first"
            )
        if self.dtype == np.uint8:
            return f"{takes} from 0 to 255: scale and round to that range first"
        between = f" from {self.span[0]:.4g} to {self.span[1]:.4g}" if self.span else ""
        return f"{takes}{between}: scale to what the net was trained on first"

    def range_warning(self, data: NDArray[Any], name: str) -> str | None:
        """Return what is odd about the range of the values of frames, None for nothing."""
        if not data.size:
            return None
        low, high = float(data.min()), float(data.max())
        found = f"{name}: frame values from {low:.4g} to {high:.4g}"
        span = (0.0, 255.0) if self.dtype == np.uint8 else self.span
        if span is None:
            return None
        if low >= 0 and high <= 1 and span[1] > 100:
            return f"{found} where the bundle takes 0 to 255: were they to be multiplied by 255?"
        slack = 0.02 * (span[1] - span[0])
        outside = float(((data < span[0] - slack) | (data > span[1] + slack)).mean())
        if outside > _OUTSIDE:
            return (
                f"{found}: {100 * outside:.0f} % lie outside {span[0]:.4g} to {span[1]:.4g}, which "
                "is what the model's input can hold; they saturate"
            )
        return None


@dataclass(frozen=True)
class CheckedFrames:
    """Frames that a bundle takes."""

    frames: list[NDArray[Any]]
    """Each [height, width, channels], in the source dtype."""
    done: str | None
    """In words what was done to all of them, None for nothing."""
    warning: str | None
    """What is odd about their values."""


def check_frames(frames: NDArray[Any], spec: FrameSpec, name: str) -> CheckedFrames:
    """Check an array of frames, shape [n, height, width(, channels)].

    Raises:
        FrameError: there is none, or a scalar, or one without a batch; shape, dtype or values do
            not fit.
    """
    if frames.ndim == 0:
        raise FrameError(f"{name}: a single value, no frames [n, {_dims(spec)}]")
    batchless = frames.ndim < len(spec.shape) or frames.shape == spec.shape
    if batchless or (frames.ndim == len(spec.shape) and spec.shape[-1] != 1):
        raise FrameError(
            f"{name}: an array of shape {list(frames.shape)}, wants frames [n, {_dims(spec)}]"
            f"{_batch_advice(frames, spec)}"
        )
    if len(frames) == 0:
        raise FrameError(f"{name}: holds no frame")
    values, done = spec.as_source(frames, name)
    checked = [spec.check(frame, f"{name}[{i}]") for i, frame in enumerate(values)]
    return CheckedFrames(checked, done, spec.range_warning(values, name))


def _refuse_not_finite(data: NDArray[Any], name: str) -> None:
    if data.dtype.kind != "f":
        return
    finite = np.isfinite(data)
    if finite.all():
        return
    at = np.argwhere(~finite)[0]
    value = "NaN" if np.isnan(data[tuple(at)]) else "infinity"
    where = f"frame {at[0]} holds {value} at {[int(i) for i in at[1:]]}" if data.ndim > 3 else value
    count = int((~finite).sum())
    raise FrameError(f"{name}: {where}: {count} of {data.size} values are not finite")


def _dims(spec: FrameSpec) -> str:
    return ", ".join(map(str, spec.shape))


def _batch_advice(frames: NDArray[Any], spec: FrameSpec) -> str:
    alone = frames.shape in (spec.shape, spec.shape[:-1] if spec.shape[-1] == 1 else spec.shape)
    return ": one frame without a batch; give frames[numpy.newaxis]" if alone else ""


def _levels(first: StageInput) -> NDArray[np.float64] | None:
    """Return what frame values 0 to 255 are in the input's integers, [256, channels]."""
    if first.preprocess is None or first.preprocess.source != "uint8" or first.dtype == "float32":
        return None
    tables = FrameInput(first).tables
    assert tables is not None  # a uint8 source has them
    levels: NDArray[np.float64] = np.atleast_2d(tables).astype(np.float64).T
    return levels


def _signed(first: StageInput) -> bool:
    levels = _levels(first)
    if levels is None:
        return False
    shift = 128 if first.dtype == "int8" else 0
    return bool((np.abs(levels - (np.arange(256) - shift)[:, None]) <= 1).all())


def _span(first: StageInput) -> tuple[float, float] | None:
    preprocess = first.preprocess
    assert preprocess is not None
    if preprocess.source != "float32":
        return None
    mean, std = np.asarray(preprocess.mean), np.asarray(preprocess.std)
    if first.dtype == "float32":
        return (0.0, 255.0) if std.max() >= _PIXEL_STD else None
    limits = np.iinfo(first.dtype)
    ends = [
        mean + std * first.scale * (level - first.zero_point) for level in (limits.min, limits.max)
    ]
    return float(np.min(ends)), float(np.max(ends))


def _like_pixels(first: StageInput, signed: bool) -> bool:
    """Return False where pixels just enter as they are, and become reals of no image model."""
    preprocess = first.preprocess
    if preprocess is None or first.dtype != "int8" or not signed:
        return True
    mean, std = np.asarray(preprocess.mean), np.asarray(preprocess.std)
    low, high = float(np.min((0 - mean) / std)), float(np.max((255 - mean) / std))
    wide = high - low
    from_zero = abs(low) <= 0.02 * wide and (wide <= 1.1 or 240 <= wide <= 270)
    return from_zero or abs(low + high) <= 0.05 * wide or wide <= 6

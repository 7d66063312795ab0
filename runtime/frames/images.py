"""Image files as pixels, through Pillow (extra `images`)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112
"""Tag of EXIF."""
_WIDE = 4096
"""A 16-bit image that stays below is 12 bits in a larger box."""


@dataclass
class ImageReader:
    """Makes pixels of image files, and counts what it did to them."""

    spec: FrameSpec
    background: tuple[int, ...] | None = None
    """What stands behind transparent images; the bundle's if None."""
    advice: str = "give --background black, white or #RRGGBB"
    """What to try where that is not known."""
    done: Counter[str] = field(default_factory=Counter)
    """Images by what was done to them."""
    brightest: int = 0
    """Highest value seen in a 16-bit image."""

    def read(self, file: Path | BinaryIO, name: str) -> NDArray[Any]:
        """Read an image as uint8 [height, width, channels], upright and without transparency.

        Args:
            file: any file that Pillow reads; of several pictures the first.
            name: for messages.

        Raises:
            InputError: it is transparent and nothing says on what, or its values have no known
                range, or the bundle takes no images.
            SourceError: Pillow is missing, or the file is not an image it can read.
        """
        module = _pillow()
        channels = self._channels(name)
        try:
            with module.open(file) as image:
                pixels = self._resized(self._flat(image, name, channels), channels)
                data = np.asarray(pixels, dtype=np.uint8)
        except InputError:
            raise
        except (OSError, ValueError, SyntaxError, EOFError, module.DecompressionBombError) as error:
            raise SourceError(f"{name}: not a readable image: {error}") from error
        return data.reshape(data.shape[0], data.shape[1], channels)

    def warnings(self) -> Iterator[str]:
        """Yield what is odd about the images read so far."""
        if 255 < self.brightest < _WIDE:
            yield (
                f"{self.done['16-bit scaled']} images of 16 bits hold no value above "
                f"{self.brightest}: they may be of 10 or 12 bits and enter darker than they are"
            )

    def _channels(self, name: str) -> int:
        shape = self.spec.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or self.spec.dtype == np.int8:
            raise InputError(
                f"{name}: an image has 1 or 3 channels of pixels, the bundle takes "
                f"{self.spec.dtype} {list(shape)}"
            )
        return shape[2]

    def _flat(self, image: "Image", name: str, channels: int) -> "Image":
        """Return the image upright, in 8 bits, in gray or RGB."""
        from PIL import ImageOps

        if getattr(image, "n_frames", 1) > 1:
            self.done["first of several pictures"] += 1
        if image.getexif().get(_ORIENTATION, 1) not in (0, 1):
            image = ImageOps.exif_transpose(image)
            self.done["turned by EXIF"] += 1
        if image.mode.startswith(("I", "F")):
            image = self._narrowed(image, name)
        if image.has_transparency_data:
            image = self._composited(image.convert("RGBA"), name)
        elif image.mode not in ("L", "RGB"):
            self.done[f"converted from {image.mode}"] += 1
        return image.convert("L" if channels == 1 else "RGB")

    def _narrowed(self, image: "Image", name: str) -> "Image":
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"{name}: pixels of {values.dtype} from {values.min():g} to {values.max():g}: no "
                "range to scale them by; save 8 or 16 bits"
            )
        self.done["16-bit scaled"] += 1
        self.brightest = max(self.brightest, int(values.max()))
        narrowed: Image = _pillow().fromarray(
            ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        )
        return narrowed

    def _composited(self, image: "Image", name: str) -> "Image":
        if image.getchannel("A").getextrema()[0] == 255:
            return image
        behind = self.background or self.spec.background
        if behind is None:
            raise InputError(
                f"{name}: is transparent in part, and nothing says on what it lies; {self.advice}"
            )
        self.done["composited"] += 1
        colour = tuple(behind) * 3 if len(behind) == 1 else tuple(behind)
        ground = _pillow().new("RGBA", image.size, (*colour, 255))
        ground.alpha_composite(image)
        flat: Image = ground
        return flat

    def _resized(self, pixels: "Image", channels: int) -> "Image":
        height, width = self.spec.shape[:2]
        if self.spec.any_size or pixels.size == (width, height):
            return pixels
        self.done["resized"] += 1
        return pixels.resize((width, height), _pillow().Resampling.BILINEAR)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise SourceError(
            "images need Pillow, which is not installed; try: pip install 'edge-infer[images]'"
        ) from None
    return Image

"""Image files as frames, through Pillow (extra `images`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.errors import SourceError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm"})


def list_images(folder: Path, labels: Sequence[str]) -> list[tuple[Path, int | None]]:
    """List the images of a folder with their class.

    Subfolders are classes: matched to `labels` by name, else by number ("7"); images directly in
    the folder have none.

    Raises:
        SourceError: there is no image, or a subfolder names no class.
    """
    found: list[tuple[Path, int | None]] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            inside = path.relative_to(folder).parts
            found.append((path, _class_of(inside[0], labels) if len(inside) > 1 else None))
    if not found:
        raise SourceError(f"{folder}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return found


def _class_of(name: str, labels: Sequence[str]) -> int:
    if name in labels:
        return list(labels).index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    raise SourceError(
        f"the subfolder {name!r} is no class of the bundle; there are: {', '.join(labels[:20])}"
        + (", ..." if len(labels) > 20 else "")
    )


def read_image(path: Path, shape: tuple[int, ...], *, resize: bool) -> NDArray[Any]:
    """Read an image as uint8.

    Args:
        path: any file that Pillow reads.
        shape: [height, width, channels]; one channel gives grey, three give RGB.
        resize: scale to height and width (bilinear), else keep the file's size.

    Raises:
        SourceError: Pillow is missing, or the file is not an image it can read.
    """
    try:
        from PIL import Image
    except ImportError:
        raise SourceError(
            "images need Pillow, which is not installed; try: pip install 'edge-infer[images]'"
        ) from None
    height, width, channels = shape
    if channels not in (1, 3):
        raise SourceError(f"{path.name}: an image has 1 or 3 channels, the bundle takes {channels}")
    try:
        with Image.open(path) as image:
            pixels = image.convert("L" if channels == 1 else "RGB")
            if resize and pixels.size != (width, height):
                pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
            data = np.asarray(pixels, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError(f"{path}: not a readable image: {error}") from error
    return data.reshape(data.shape[0], data.shape[1], channels)

"""Random variants of training images: flip, crop, cutout, and a smooth warp.

All work on a uint8 batch of shape [n, height, width, channels] and return a new one. Sources:
padded crops and flips, K. He et al., CVPR 2016, section 4.2; cutout, DeVries and Taylor,
arXiv 1708.04552; affine and elastic distortion of digits, Simard, Steinkraus and Platt,
ICDAR 2003, section 2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Batch = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Augment:
    """How strongly to vary; zero leaves a kind out."""

    flip: bool = False
    """Mirror left to right, half of the images."""
    crop_pixels: int = 0
    """Shift by up to so many pixels each way, edges mirrored in."""
    cutout_pixels: int = 0
    """Side of one square painted in the mean grey."""
    rotate_degrees: float = 0.0
    scale: float = 0.0
    """Relative change of size, each axis for itself."""
    shift_pixels: float = 0.0
    elastic_pixels: float = 0.0
    """Standard deviation of the displacements at the nodes of a 5 x 5 net."""

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """A varied copy of `batch`."""
        if self.rotate_degrees or self.scale or self.shift_pixels or self.elastic_pixels:
            batch = self._warp(batch, rng)
        if self.flip:
            batch = flip(batch, rng)
        if self.crop_pixels:
            batch = crop(batch, self.crop_pixels, rng)
        return cutout(batch, self.cutout_pixels, rng) if self.cutout_pixels else batch

    def _warp(self, batch: Batch, rng: np.random.Generator) -> Batch:
        n, height, width, _ = batch.shape
        angle = np.deg2rad(rng.uniform(-self.rotate_degrees, self.rotate_degrees, n))
        stretch = 1 + rng.uniform(-self.scale, self.scale, (2, n))
        shift = rng.uniform(-self.shift_pixels, self.shift_pixels, (2, n))
        y, x = np.mgrid[:height, :width].astype(np.float32)
        y, x = y - (height - 1) / 2, x - (width - 1) / 2
        cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
        rows = stretch[0][:, None, None] * (cos * y - sin * x) + shift[0][:, None, None]
        columns = stretch[1][:, None, None] * (sin * y + cos * x) + shift[1][:, None, None]
        if self.elastic_pixels:
            rows = rows + elastic(n, height, width, self.elastic_pixels, rng)
            columns = columns + elastic(n, height, width, self.elastic_pixels, rng)
        return sample(batch, rows + (height - 1) / 2, columns + (width - 1) / 2)


def flip(batch: Batch, rng: np.random.Generator) -> Batch:
    """Mirror about half of the images left to right."""
    mirrored = rng.random(len(batch)) < 0.5
    return np.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)


def crop(batch: Batch, pixels: int, rng: np.random.Generator) -> Batch:
    """Shift each image by up to `pixels` each way; what comes in mirrors the edge."""
    n, height, width, _ = batch.shape
    padded = np.pad(batch, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), "reflect")
    top, left = rng.integers(0, 2 * pixels + 1, (2, n))
    out = np.empty_like(batch)
    for k in range(n):
        out[k] = padded[k, top[k] : top[k] + height, left[k] : left[k] + width]
    return out


def cutout(batch: Batch, pixels: int, rng: np.random.Generator) -> Batch:
    """Paint one square of side `pixels`, its centre anywhere, in the batch's mean colour."""
    n, height, width, _ = batch.shape
    grey = batch.mean((0, 1, 2)).astype(np.uint8)
    top = rng.integers(0, height, (n,)) - pixels // 2
    left = rng.integers(0, width, (n,)) - pixels // 2
    out = batch.copy()
    for k in range(n):
        rows = slice(max(top[k], 0), top[k] + pixels)
        out[k, rows, max(left[k], 0) : left[k] + pixels] = grey
    return out


def _upsample(size: int, nodes: int) -> NDArray[np.float32]:
    """Matrix [size, nodes] that interpolates linearly between evenly spread nodes."""
    at = np.linspace(0, nodes - 1, size)
    weights = np.maximum(0, 1 - np.abs(at[:, np.newaxis] - np.arange(nodes)))
    return np.asarray(weights, np.float32)


def elastic(
    n: int, height: int, width: int, pixels: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Smooth random displacements in pixels, shape [n, height, width]."""
    nodes = rng.normal(0, pixels, (n, 5, 5)).astype(np.float32)
    field = _upsample(height, 5) @ nodes @ _upsample(width, 5).T
    return np.asarray(field, np.float32)


def sample(batch: Batch, rows: NDArray[Any], columns: NDArray[Any]) -> Batch:
    """Bilinear samples of each image at (rows, columns), [n, height, width]; black outside."""
    n, height, width, channels = batch.shape
    padded = np.zeros((n, height + 2, width + 2, channels), np.float32)
    padded[:, 1:-1, 1:-1] = batch
    rows = np.clip(rows + 1, 0, height + 1 - 1e-3).astype(np.float32)
    columns = np.clip(columns + 1, 0, width + 1 - 1e-3).astype(np.float32)
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    k = np.arange(n)[:, None, None]
    upper = padded[k, top, left] * (1 - right) + padded[k, top, left + 1] * right
    lower = padded[k, top + 1, left] * (1 - right) + padded[k, top + 1, left + 1] * right
    mixed: Batch = (upper * (1 - down) + lower * down + 0.5).astype(np.uint8)
    return mixed

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_infer.lab.train.augment import Augment, crop, cutout, elastic, flip, sample

Array = NDArray[Any]


def batch(seed: int, n: int = 6, height: int = 9, width: int = 11, channels: int = 3) -> Array:
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, (n, height, width, channels), np.uint8)


@given(st.integers(0, 99), st.integers(0, 99))
def test_the_same_generator_gives_the_same_images_and_the_input_stays(seed: int, draw: int) -> None:
    vary = Augment(True, 2, 3, 15.0, 0.1, 1.5, 0.5)
    images = batch(seed)
    before = images.copy()
    first, again = (vary(images, np.random.default_rng(draw)) for _ in range(2))
    assert (first == again).all() and (images == before).all()
    assert first.shape == images.shape and first.dtype == np.uint8


def test_no_augmentation_changes_nothing() -> None:
    images = batch(0)
    assert (Augment()(images, np.random.default_rng(0)) == images).all()


@given(st.integers(0, 99))
def test_flip_mirrors_some_images_and_leaves_the_rest(seed: int) -> None:
    images = batch(seed, n=64)
    flipped = flip(images, np.random.default_rng(seed))
    same = (flipped == images).all((1, 2, 3))
    assert (flipped[~same] == images[~same][:, :, ::-1]).all()
    assert 8 < same.sum() < 56  # 64 coins: either bound is missed once in 10^9


@given(st.integers(0, 99), st.integers(1, 4))
def test_crop_is_a_shift_of_at_most_so_many_pixels(seed: int, pixels: int) -> None:
    images = batch(seed)
    shifted = crop(images, pixels, np.random.default_rng(seed))
    padded = np.pad(images, ((0, 0), (pixels,) * 2, (pixels,) * 2, (0, 0)), "reflect")
    height, width = images.shape[1:3]
    for image, source in zip(shifted, padded, strict=True):
        assert any(
            (image == source[y : y + height, x : x + width]).all()
            for y in range(2 * pixels + 1)
            for x in range(2 * pixels + 1)
        )


@given(st.integers(0, 99), st.integers(1, 6))
def test_cutout_paints_one_square_grey(seed: int, pixels: int) -> None:
    images = batch(seed)
    cut = cutout(images, pixels, np.random.default_rng(seed))
    grey = images.mean((0, 1, 2)).astype(np.uint8)
    for image, before in zip(cut, images, strict=True):
        rows, columns = np.nonzero((image != before).any(-1))
        assert np.ptp(rows) < pixels and np.ptp(columns) < pixels
        assert (image[rows, columns] == grey).all()


@given(st.integers(0, 99), st.integers(-3, 3), st.integers(-3, 3))
def test_sampling_a_shifted_grid_shifts_and_brings_in_black(
    seed: int, down: int, right: int
) -> None:
    images = batch(seed)
    n, height, width, _ = images.shape
    rows, columns = (np.broadcast_to(g, (n, height, width)) for g in np.mgrid[:height, :width])
    moved = sample(images, rows + down, columns + right)
    wide = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)))
    wanted = wide[:, 3 + down : 3 + down + height, 3 + right : 3 + right + width]
    # The grid ends 0.001 pixels before the black frame, which costs at most one grey level.
    assert abs(moved.astype(int) - wanted).max() <= 1


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = np.array([[[0], [100]]], np.uint8)[None]
    assert sample(image, np.zeros((1, 1, 2)), np.array([[[0.5, 0.25]]])).ravel().tolist() == [
        50,
        25,
    ]


def test_elastic_displacements_have_the_stated_spread_and_are_smooth() -> None:
    field = elastic(4000, 9, 9, 2.0, np.random.default_rng(0))
    assert field[:, ::2, ::2].std() == pytest.approx(2.0, rel=0.02)  # at the nodes
    between = (field[:, 0:-2:2] + field[:, 2::2]) / 2
    assert np.allclose(field[:, 1::2], between, atol=1e-5)  # linear from node to node


def test_rotation_turns_about_the_centre() -> None:
    images = np.zeros((200, 9, 9, 1), np.uint8)
    images[:, 4, 4] = 200
    turned = Augment(rotate_degrees=45)(images, np.random.default_rng(0))
    assert (turned[:, 4, 4, 0] >= 199).all()

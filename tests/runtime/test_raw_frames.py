import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.runtime.errors import SourceError
from edge_infer.runtime.frames.raw import RawFormat, read_raw_frames


class Trickle(io.RawIOBase):
    """A pipe that gives fewer bytes than asked, as pipes do."""

    def __init__(self, content: bytes, step: int) -> None:
        self._stream = io.BytesIO(content)
        self._step = step

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, self._step))


@given(step=st.integers(1, 40), count=st.integers(1, 4))
def test_frames_are_whole_however_the_pipe_splits_them(step: int, count: int) -> None:
    frames = np.random.default_rng(step).integers(0, 256, (count, 4, 6, 1), np.uint8)
    read = read_raw_frames(
        Trickle(frames.tobytes(), step),
        RawFormat(6, 4, "gray"),
        (4, 6, 1),
    )
    assert np.array_equal(np.stack(list(read)), frames)


def test_a_frame_cut_short_is_an_error_with_its_numbers() -> None:
    with pytest.raises(SourceError, match=r"5 bytes into frame 1 of 24 bytes.*6x4 gray"):
        list(read_raw_frames(io.BytesIO(bytes(29)), RawFormat(6, 4, "gray"), (4, 6, 1)))


def test_an_empty_pipe_is_an_error() -> None:
    with pytest.raises(SourceError, match="gave no frame"):
        list(read_raw_frames(io.BytesIO(b""), RawFormat(6, 4, "gray"), (4, 6, 1)))


def yuv420(y: int, u: int, v: int) -> bytes:
    return bytes([y] * 16 + [u] * 4 + [v] * 4)


@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [  # full-range BT.601, as JFIF 1.02 prints its matrix
        ((255, 128, 128), (255, 255, 255)),
        ((76, 85, 255), (254, 0, 0)),
        ((150, 44, 21), (0, 255, 1)),
        ((29, 255, 107), (0, 0, 254)),
    ],
)
def test_yuv420_becomes_rgb(yuv: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    frames = list(read_raw_frames(io.BytesIO(yuv420(*yuv)), RawFormat(4, 4, "yuv420"), (4, 4, 3)))
    assert np.abs(frames[0].astype(int) - rgb).max() <= 1


def test_yuv420_to_one_channel_is_its_luma() -> None:
    stream = io.BytesIO(yuv420(90, 10, 200))
    (frame,) = read_raw_frames(stream, RawFormat(4, 4, "yuv420"), (4, 4, 1))
    assert (frame == 90).all()


def test_odd_sides_have_no_half() -> None:
    with pytest.raises(SourceError, match="5x4 must be even"):
        RawFormat(5, 4, "yuv420")


def test_another_size_is_scaled_by_nearest_centre() -> None:
    big = np.arange(16, dtype=np.uint8).reshape(4, 4)
    (frame,) = read_raw_frames(io.BytesIO(big.tobytes()), RawFormat(4, 4, "gray"), (2, 2, 1))
    assert frame[..., 0].tolist() == [[5, 7], [13, 15]]

"""Other orders of channels, tried on frames that a net answers wrong."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.runtime.frame_trials import better_frames
from edge_infer.runtime.frames.source import RawFrame


class Brightest:
    """A stage that answers the channel with the most light, R, G or B."""

    reset = None

    def prepare(self, frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8]]:
        return (frame,)

    def run(self, inputs: tuple[NDArray[np.uint8], ...]) -> NDArray[np.float64]:
        return np.asarray(inputs[0].mean(axis=(0, 1)))

    def features(self) -> tuple[()]:
        return ()


def frames(order: tuple[int, ...]) -> list[RawFrame]:
    rng = np.random.default_rng(2)
    found = []
    for label in rng.integers(0, 3, 90).tolist():
        data = rng.integers(0, 100, (4, 5, 3)).astype(np.uint8)
        data[..., label] += 150
        found.append(RawFrame(np.ascontiguousarray(data[..., list(order)]), label))
    return found


@pytest.mark.parametrize(
    ("order", "told"), [((2, 1, 0), "BGR"), ((1, 2, 0), "GBR"), ((2, 0, 1), "BRG")]
)
def test_the_order_of_the_channels_is_named(order: tuple[int, ...], told: str) -> None:
    found = better_frames([Brightest()], frames(order), 90)  # type: ignore[list-item]
    assert found is not None
    assert f"in the order {told}" in found.text
    assert found.accuracy == 1


def test_frames_that_are_right_are_left_alone() -> None:
    assert better_frames([Brightest()], frames((0, 1, 2)), 90) is None  # type: ignore[list-item]

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.calibration import Calibration, KnownLoad, calibrate
from edge_infer.boards.errors import MeterError


def readings(power_uw: float, gain: float, offset_uw: float, noise_uw: int, seed: int) -> list[int]:
    random = Random(seed)
    return [
        round(power_uw * gain + offset_uw + random.uniform(-noise_uw, noise_uw)) for _ in range(200)
    ]


def test_two_loads_give_the_line() -> None:
    # The meter reads 2 % too little and 5 mW too much.
    low = KnownLoad(1_000_000, readings(1_000_000, 0.98, 5_000, 0, 0))
    high = KnownLoad(8_000_000, readings(8_000_000, 0.98, 5_000, 0, 0))
    calibration = calibrate(low, high)
    assert calibration.gain_ppm == pytest.approx(1e6 / 0.98 - 1e6, abs=1)
    assert calibration.offset_uw == pytest.approx(-5_000 / 0.98, abs=1)
    assert calibration.apply(round(4_000_000 * 0.98 + 5_000)) == pytest.approx(4_000_000, abs=3)


@given(
    gain=st.floats(0.95, 1.05),
    offset_uw=st.integers(-10_000, 10_000),
    step_uw=st.integers(1, 1_000),
    power_uw=st.integers(0, 16_000_000),
    reference_ppm=st.integers(-2_000, 2_000),
)
def test_the_stated_bound_covers_the_error_at_any_power(
    gain: float, offset_uw: int, step_uw: int, power_uw: int, reference_ppm: int
) -> None:
    def read(true_uw: float) -> int:
        return round((true_uw * gain + offset_uw) / step_uw) * step_uw

    def load(said_uw: int) -> KnownLoad:
        # The reference instrument says said_uw when the truth is a little off.
        return KnownLoad(said_uw, [read(said_uw / (1 + reference_ppm / 1e6))] * 16, step_uw)

    calibration = calibrate(load(1_000_000), load(8_000_000), abs(reference_ppm))
    error_uw = abs(calibration.apply(read(power_uw)) - power_uw)
    bound_uw = (
        power_uw * calibration.gain_uncertainty_ppm / 1e6
        + calibration.offset_uncertainty_uw
        + step_uw  # the reading's own quantisation: the meter's resolution
        + 20  # rounding to whole ppm and uW
    )
    assert error_uw <= bound_uw


def test_noise_widens_the_bound() -> None:
    def bound(noise_uw: int) -> Calibration:
        return calibrate(
            KnownLoad(1_000_000, readings(1_000_000, 1, 0, noise_uw, 1)),
            KnownLoad(8_000_000, readings(8_000_000, 1, 0, noise_uw, 2)),
        )

    assert bound(50_000).gain_uncertainty_ppm > 10 * bound(1_000).gain_uncertainty_ppm > 0


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (KnownLoad(1_000_000, [1] * 15), KnownLoad(8_000_000, [9] * 16), "15 readings at 1 W"),
        (KnownLoad(5_000_000, [5] * 16), KnownLoad(6_000_000, [6] * 16), "too close"),
        (KnownLoad(1_000_000, [9] * 16), KnownLoad(8_000_000, [1] * 16), "do not rise"),
    ],
)
def test_loads_that_cannot_calibrate_are_refused(
    low: KnownLoad, high: KnownLoad, message: str
) -> None:
    with pytest.raises(MeterError, match=message):
        calibrate(low, high)

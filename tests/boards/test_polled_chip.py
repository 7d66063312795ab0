import errno

import pytest
from tests.fakes.kernel_power import AnsweringFirmware

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import BusError
from edge_infer.boards.polled_chip import PolledChip
from edge_infer.boards.power import PowerSample, SampleFlag
from edge_infer.boards.simulated.i2c import BusTime
from edge_infer.boards.videocore import PmicGauge

PERIOD_NS = 100_000_000


def chip(calibration: Calibration | None = None) -> tuple[PolledChip, AnsweringFirmware, BusTime]:
    firmware, time = AnsweringFirmware(), BusTime()
    polled = PolledChip(PmicGauge(firmware), time, PERIOD_NS, calibration)
    polled.start()
    return polled, firmware, time


def polls(polled: PolledChip, count: int) -> list[PowerSample]:
    return [sample for sample in (polled.poll() for _ in range(count)) if sample is not None]


def test_it_asks_on_a_grid() -> None:
    polled, _, time = chip()
    samples = polls(polled, 5)
    assert [s.timestamp_ns for s in samples] == [PERIOD_NS * n for n in range(1, 6)]
    assert [s.seq for s in samples] == list(range(5))
    assert {s.interval_ns for s in samples} == {PERIOD_NS}
    assert time.now_ns() == 5 * PERIOD_NS


def test_what_was_missed_is_counted_and_flagged() -> None:
    polled, _, time = chip()
    first = polls(polled, 1)
    time.sleep_until_ns(4 * PERIOD_NS + 1)
    late = polls(polled, 1)
    assert [first[0].seq, late[0].seq] == [0, 3]
    assert late[0].flags == SampleFlag.GAP
    assert polled.statistics().lost == 2
    assert polls(polled, 1)[0].timestamp_ns == 5 * PERIOD_NS


def test_a_silence_of_a_second_ends_it_and_a_shorter_one_does_not() -> None:
    polled, firmware, _ = chip()
    firmware.broken = True
    assert polls(polled, 9) == []
    firmware.broken = False
    assert polls(polled, 1)[0].flags == SampleFlag.GAP
    assert polled.statistics().retries == 9
    firmware.broken = True
    with pytest.raises(BusError, match="silent"):
        polls(polled, 13)


def test_a_calibration_corrects_power_and_current_together() -> None:
    polled, _, _ = chip(Calibration(gain_ppm=145_100, offset_uw=587_900))
    sample = polls(polled, 1)[0]
    assert sample.power_uw == 2_230_000 + 323_573 + 587_900
    assert sample.current_ua == sample.power_uw * 1000 // 5_100


def test_bounds_without_a_calibration_are_the_gauges() -> None:
    polled, _, _ = chip()
    assert polled.gain_uncertainty_ppm == 145_100
    assert polled.offset_uncertainty_uw == 587_900
    assert BusError(errno.EIO, "x").errno == errno.EIO

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.kernel_power import PMIC_ANSWER, AnsweringFirmware

from edge_infer.boards import videocore
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.errors import BusError, MeterError
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.videocore import (
    IOCTL_PROPERTY,
    MESSAGE_BYTES,
    PmicGauge,
    VideoCore,
    measured_clock_khz,
    power_of,
)


def test_the_power_is_the_sum_over_rails_with_current_and_voltage() -> None:
    power = power_of(PMIC_ANSWER)
    assert power.power_uw == 370_000 + 660_000 + 1_200_000
    assert power.bus_mv == 5_100  # the 5 V input: its current is not measured
    assert power.current_ua == pytest.approx(2_230_000 / 5.1, abs=1)


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Z0-9]{2,8}\Z"),
        st.tuples(st.integers(0, 5_000_000), st.integers(0, 5_500_000)),
        min_size=1,
        max_size=12,
    )
)
def test_any_set_of_rails_adds_up(rails: dict[str, tuple[int, int]]) -> None:
    lines = [
        f"  {name}_A current({i})={ua / 1e6:.8f}A"
        for i, (name, (ua, _)) in enumerate(rails.items())
    ]
    lines += [
        f"  {name}_V volt({i})={uv / 1e6:.8f}V" for i, (name, (_, uv)) in enumerate(rails.items())
    ]
    exact_uw = sum(ua * uv for ua, uv in rails.values()) // 1_000_000
    assert power_of("\n".join(lines)).power_uw == exact_uw


@pytest.mark.parametrize("answer", ["", "error=1", "EXT5V_V volt(24)=5.1V", "X_A current(1)=A"])
def test_an_answer_without_a_rail_is_an_error(answer: str) -> None:
    with pytest.raises(MeterError, match="names no rail"):
        PmicGauge(AnsweringFirmware(answer)).open()


def test_no_firmware_is_named_with_what_it_means(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="no Raspberry Pi") as caught:
        VideoCore(tmp_path / "vcio")
    assert caught.value.errno == errno.ENOENT


def test_a_file_that_is_no_firmware_refuses_the_question(tmp_path: Path) -> None:
    (tmp_path / "vcio").write_text("")
    before = len(list(Path("/proc/self/fd").iterdir()))
    firmware = VideoCore(tmp_path / "vcio")
    with pytest.raises(BusError, match="Inappropriate ioctl"):
        firmware.ask("measure_clock arm")
    firmware.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_message_and_its_number_are_those_of_vcgencmd() -> None:
    # _IOWR(100, 0, char *): direction 3, size of a pointer, type 100, number 0.
    assert IOCTL_PROPERTY in (0xC0086400, 0xC0046400)
    assert MESSAGE_BYTES == 4 * ((1024 >> 2) + 7)


def test_the_measured_clock_is_read_in_hz() -> None:
    firmware = AnsweringFirmware("frequency(0)=1500345728")
    assert measured_clock_khz(firmware) == 1_500_345
    assert firmware.asked == ["measure_clock arm"]
    with pytest.raises(BusError, match="gives no clock"):
        measured_clock_khz(AnsweringFirmware("error=1"))


def test_clocks_are_verified_by_the_firmware_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Firmware(AnsweringFirmware):
        def close(self) -> None:
            self.closed = True

    firmware = Firmware("frequency(0)=1500000000")
    monkeypatch.setattr(videocore, "VideoCore", lambda: firmware)
    clock = CpufreqClock(SimulatedCpufreq((1_000_000, 1_500_000), lambda old, new: None))
    videocore.drop_clocks_that_lie(clock, LinuxThermometer(RealSysfs(Path("/nonexistent"))))
    assert clock.supported_khz() == (1_500_000,)
    assert "clock of 1000 MHz dropped: the hardware runs 1500 MHz" in caplog.text
    assert firmware.closed

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.kernel_power import HWMON_FILES, make_device

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import MeterError
from edge_infer.boards.meter_config import (
    KINDS,
    MeterConfig,
    meter_file,
    meter_text,
    parse_meter,
    profile_meter,
    read_meter_file,
)
from edge_infer.boards.meters import open_chip, open_meter
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sysfs import RealSysfs

TEXTS = st.text(st.characters(min_codepoint=0x20, exclude_characters="\x7f"), max_size=20)
BOUNDS = st.integers(0, 10**9)
CALIBRATIONS = st.builds(
    Calibration, st.integers(-500_000, 1_000_000), st.integers(-(10**7), 10**7), BOUNDS, BOUNDS
)
CONFIGS = st.builds(
    MeterConfig,
    kind=st.sampled_from(KINDS),
    i2c_bus=st.integers(0, 30),
    address=st.integers(0x40, 0x4F),
    shunt_uohm=st.integers(200, 10**8),
    device=st.text(
        st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f"), max_size=20
    ),
    calibration=st.none() | CALIBRATIONS,
)


@given(config=CONFIGS)
def test_a_meter_file_reads_back_as_it_was_written(
    config: MeterConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("meter") / "meter.toml"
    path.write_text(meter_text(config, "made by a test\nof two lines"), encoding="utf-8")
    assert read_meter_file(path) == config


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("ina219", MeterConfig("ina219", 1, 0x40)),
        ("ina219:20", MeterConfig("ina219", 20, 0x40)),
        ("ina226:1:0x44", MeterConfig("ina226", 1, 0x44)),
        ("kernel", MeterConfig("kernel")),
        ("kernel:iio:device0", MeterConfig("kernel", device="iio:device0")),
        ("pmic", MeterConfig("pmic")),
        ("log:a:b.csv", MeterConfig("log", device="a:b.csv")),
    ],
)
def test_short_texts_name_meters(text: str, config: MeterConfig) -> None:
    assert parse_meter(text) == config
    assert parse_meter(str(config)) == config


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no meter ''"),
        ("ina3221", "write one of: ina219"),
        ("log", "write one of"),
        ("ina219:x", "bus and address are numbers"),
        ("ina219:1:0x40:3", "too much"),
        ("ina219:1:0x78", "answer at 0x40 to 0x4f by their pins, not at 0x78"),
        ("pmic:1", "takes nothing more"),
    ],
)
def test_other_texts_are_refused(text: str, reason: str) -> None:
    with pytest.raises(MeterError, match=reason):
        parse_meter(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind = 3", "kind: must be of the kind str; kind must be one of ina219"),
        ("", "kind must be one of ina219, ina226, kernel, pmic, log, not None"),
        ('kind = "ina219"\nshunt = 3', "shunt: unknown key"),
        ('kind = "ina219"\nshunt_uohm = 0.1', "shunt_uohm: must be of the kind int"),
        ('kind = "ina219"\ncalibration = 3', "calibration must be a table"),
        ('kind = "ina219"\n[calibration]\ngain = 3', "calibration.gain: unknown key"),
        ("kind =", "cannot read the meter file"),
        ('kind = "ina219"\nshunt_uohm = 0', "a shunt of 0 uohm: from 200 to"),
        ('kind = "ina226"\nshunt_uohm = -100000', "a shunt of -100000 uohm"),
        ('kind = "kernel"\nshunt_uohm = 100', "0.1 ohm is 100000"),
        ('kind = "ina219"\naddress = 8192', "answer at 0x40 to 0x4f by their pins, not at 0x2000"),
        ('kind = "ina219"\ni2c_bus = -1', "at least 0"),
        ('kind = "ina219"\n[calibration]\ngain_ppm = -999500', "a gain of 0.0005 is no calib"),
        ('kind = "ina219"\n[calibration]\ngain_ppm = 9000000', "a gain of 10 is no calibration"),
        ('kind = "ina219"\n[calibration]\noffset_uw = -99000000', "an offset of -99 W"),
        ('kind = "ina219"\n[calibration]\ngain_uncertainty_ppm = -1', "uncertainty is below 0"),
    ],
)
def test_bad_files_name_every_key(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "meter.toml"
    path.write_text(text)
    with pytest.raises(MeterError, match=reason):
        read_meter_file(path)


def test_the_variable_stands_over_the_users_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("EDGE_INFER_METER_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    user = tmp_path / "edge-infer" / "meter.toml"
    user.parent.mkdir()
    user.write_text('kind = "pmic"')
    assert meter_file() == user
    monkeypatch.setenv("EDGE_INFER_METER_FILE", "/named.toml")
    assert meter_file() == Path("/named.toml")


def test_a_profile_states_its_meter() -> None:
    meter = load_profile("raspberry-pi-5").meter
    assert meter is not None
    assert profile_meter(meter) == MeterConfig("ina219", 1, 0x40, 100_000, 10_000)


def test_an_absent_kernel_device_lists_those_that_are_there(tmp_path: Path) -> None:
    make_device(tmp_path, "class/hwmon/hwmon2", HWMON_FILES)
    with pytest.raises(MeterError, match=r"monitor hwmon7; there are: hwmon2 \(ina219\)"):
        open_meter(MeterConfig("kernel", device="hwmon7"), RealSysfs(tmp_path))
    with pytest.raises(MeterError, match="monitor at all; there are: none"):
        open_meter(MeterConfig("kernel"), RealSysfs(tmp_path / "none"))


def test_a_log_cannot_be_polled(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="log:x cannot be polled"):
        open_chip(MeterConfig("log", device="x"), RealSysfs(tmp_path))

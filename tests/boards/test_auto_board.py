"""`open_board("auto")` on faked sysfs trees: what is there is used, nothing else is touched."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.kernel_power import HWMON_FILES, INA3221_FILES, make_device
from tests.fakes.other_chips import OTHERS
from tests.fakes.register_bus import INA219_AT_RESET, TableBus
from tests.fakes.sysfs_tree import make_tree, policy_files

from edge_infer.boards import auto_board, clock_lease, cpufreq_policy, meters, open_board, registry
from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.boards.errors import ClockError
from edge_infer.boards.linux_board import KernelsClock, LinuxBoard
from edge_infer.boards.sysfs import RealSysfs

PI_5 = "raspberrypi,5-model-b\0brcm,bcm2712\0"
WORK = Work("net", (OpWork("CONV_2D", 1_000_000, 1000, 1),))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Raspberry Pi 5 with a clock and without any meter."""
    sysfs = tmp_path / "sys"
    tree = sysfs / registry.DEVICE_TREE
    tree.parent.mkdir(parents=True)
    tree.write_text(PI_5)
    make_tree(sysfs)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "i2c-1").write_text("")
    monkeypatch.setattr(registry, "RealSysfs", lambda: RealSysfs(sysfs))
    monkeypatch.setattr(auto_board, "DEV", tmp_path / "dev")
    for module in (auto_board, clock_lease):
        monkeypatch.setattr(module, "ClockLease", lambda: ClockLease(tmp_path / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EDGE_INFER_METER_FILE", raising=False)
    return tmp_path


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Puts a chip on every bus."""

    def put(bus: object) -> None:
        monkeypatch.setattr(meters, "open_i2c_bus", lambda number: bus)

    return put


class Ina219Bus(TableBus):
    """An INA219 that a reset sets back."""

    def __init__(self) -> None:
        super().__init__(dict(INA219_AT_RESET))

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        super().write_word_data(i2c_addr, register, 0x9F39 if value == 0x0080 else value)


def auto(name: str = registry.AUTO) -> LinuxBoard:
    board: Board = open_board(name)
    assert isinstance(board, LinuxBoard)
    return board


def name_ina219(here: Path) -> None:
    file = here / "config" / "edge-infer" / "meter.toml"
    file.parent.mkdir(parents=True)
    file.write_text('kind = "ina219"\n')


def test_the_clock_is_left_alone_and_known(here: Path) -> None:
    found = policy_files(here / "sys")
    with auto() as board:
        assert isinstance(board.clock, KernelsClock)
        assert (board.name, board.simulated, board.meter) == ("raspberry-pi-5", False, None)
        assert board.clock.supported_khz() == (0,) and board.clock.set_khz(0) == 0
        assert (board.clock.governor, board.clock.running_khz()) == ("ondemand", 1_500_000)
        assert board.cost_table([WORK]) is None
    assert policy_files(here / "sys") == found
    assert not (here / "run").exists()


def test_what_a_killed_run_left_is_put_back(here: Path) -> None:
    file = here / "sys" / cpufreq_policy.POLICIES / "policy0" / "scaling_governor"
    with auto(registry.AUTO_MOVED) as board:
        board.clock.set_khz(600_000)
        left = {p.name: p.read_text() for p in (here / "run").iterdir()}
    file.write_text("userspace\n")
    for name, text in left.items():
        (here / "run" / name).write_text(text)
    with auto():
        assert file.read_text().strip() == "ondemand"


def test_policies_move_the_clock_when_they_shall(here: Path) -> None:
    with auto(registry.AUTO_MOVED) as board:
        assert len(board.clock.supported_khz()) == 3
        board.clock.set_khz(600_000)
        assert policy_files(here / "sys")["scaling_governor"] == "userspace"
        assert board.cost_table([WORK]) is not None
    assert policy_files(here / "sys")["scaling_governor"] == "ondemand"


def test_a_clock_that_may_not_be_moved_is_said_before_anything_runs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ClockError, match=r"no permission to write .*governor: run as root"):
        auto(registry.AUTO_MOVED)
    auto().close()


@pytest.mark.parametrize(
    ("buses", "allowed", "said"),
    [
        ((), True, "I2C is off: sudo modprobe i2c-dev; on a Raspberry Pi: sudo raspi-config"),
        (("i2c-1",), False, "/i2c-1: sudo usermod -aG i2c"),
        (("i2c-1",), True, "no power meter is named; edge-infer doctor"),
    ],
)
def test_without_a_meter_one_line_says_what_to_do(
    buses: tuple[str, ...], allowed: bool, said: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "dev" / "i2c-1").unlink()
    for name in buses:
        (here / "dev" / name).write_text("")
    monkeypatch.setattr("os.access", lambda path, mode: allowed)
    (lack,) = auto().lacks
    assert lack.startswith("energies are not measured: ") and said in lack and "\n" not in lack


def test_no_chip_is_asked_that_nobody_named(here: Path, chip: Callable[[object], None]) -> None:
    bus = Ina219Bus()
    chip(bus)
    bus.errors.extend([errno.EBUSY] * 9)
    board = auto()
    assert board.meter is None and len(bus.errors) == 9 and bus.written == []


def test_the_meter_of_the_meter_file_is_used(here: Path, chip: Callable[[object], None]) -> None:
    name_ina219(here)
    chip(Ina219Bus())
    with auto() as board:
        assert board.lacks == () and board.meter is not None
        assert board.meter.origin == "measured"


@pytest.mark.parametrize("name", OTHERS)
def test_another_chip_at_the_meters_address_is_left_alone(
    name: str, here: Path, chip: Callable[[object], None]
) -> None:
    name_ina219(here)
    other = OTHERS[name]()
    chip(other)
    board = auto()
    assert board.meter is None and other.harmed == []
    assert len(board.lacks) == 1 and "address 0x40" in board.lacks[0]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENXIO, "nothing answers there"),
        (errno.EBUSY, "a kernel driver holds the address"),
        (errno.ETIMEDOUT, "the bus hangs"),
    ],
)
def test_a_meter_that_does_not_answer_is_said_and_the_run_goes_on(
    code: int, said: str, here: Path, chip: Callable[[object], None]
) -> None:
    name_ina219(here)
    chip(TableBus({}, (code,) * 99))
    board = auto()
    assert board.meter is None and said in board.lacks[0]


def test_a_meter_file_that_is_none_is_said(here: Path) -> None:
    name_ina219(here)
    (here / "config" / "edge-infer" / "meter.toml").write_text('kind = "ina219"\naddress = 0x20\n')
    (lack,) = auto().lacks
    assert "meter.toml" in lack and "0x40 to 0x4f" in lack


def test_a_meter_of_a_kernel_driver_is_used(here: Path) -> None:
    make_device(here / "sys", "class/hwmon/hwmon2", HWMON_FILES)
    with auto() as board:
        assert board.meter is not None and board.lacks == ()


def test_of_several_supplies_none_is_guessed(here: Path) -> None:
    make_device(here / "sys", "class/hwmon/hwmon2", INA3221_FILES)
    (lack,) = auto().lacks
    assert "kernel:hwmon2:1 (VDD_IN), kernel:hwmon2:2" in lack and "power calibrate --meter" in lack


def test_another_computer_is_the_host_and_says_so(here: Path) -> None:
    (here / "sys" / registry.DEVICE_TREE).write_text("some,board\0")
    for name in (registry.AUTO, registry.AUTO_MOVED):
        with auto(name) as board:
            assert board.name == "host" and board.clock.supported_khz() == (0,)
            assert len(board.lacks) == 1 and "--board sim:raspberry-pi-5" in board.lacks[0]


def test_a_board_whose_kernel_has_no_clock_is_used_without(here: Path) -> None:
    for file in (here / "sys" / cpufreq_policy.POLICIES / "policy0").iterdir():
        file.unlink()
    (here / "sys" / cpufreq_policy.POLICIES / "policy0").rmdir()
    board = auto()
    assert board.lacks[0].startswith("the clock is not known: ")
    with pytest.raises(ClockError):
        auto(registry.AUTO_MOVED)

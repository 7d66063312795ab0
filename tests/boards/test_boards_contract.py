"""What every board, clock and meter must do, whichever it is."""

import threading
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.fakes.ina226_chip import Ina226Chip
from tests.fakes.kernel_power import (
    HWMON_FILES,
    IIO_FILES,
    INA228_FILES,
    INA260_FILES,
    INA3221_FILES,
    AnsweringFirmware,
    make_device,
)
from tests.fakes.register_bus import INA219_AT_RESET, TableBus
from tests.fakes.sysfs_tree import make_tree

from edge_infer.boards import (
    Board,
    BoardError,
    Clock,
    ClockError,
    CostTable,
    PowerMeter,
    UnknownBoardError,
    board_names,
    open_board,
)
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.ina219 import SHUNT_VOLTAGE, Ina219
from edge_infer.boards.ina226 import Ina226
from edge_infer.boards.kernel_gauge import KernelGauge, kernel_devices
from edge_infer.boards.linux_board import FixedClock
from edge_infer.boards.polled_chip import PolledChip
from edge_infer.boards.power import MeterStatistics, PowerSample
from edge_infer.boards.power_csv import PowerCsvWriter, RecordedMeter, read_power_log
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sampler import InlineSampler, MeterChip, ThreadSampler
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.simulated.i2c import BusTime, SimulatedI2cBus
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.timebase import MonotonicTimebase
from edge_infer.boards.videocore import PmicGauge
from edge_infer.lab.costs.networks import network

OPENABLE = [name for name in board_names() if name == "host" or name.startswith("sim:")]


@pytest.fixture(params=OPENABLE)
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    with open_board(request.param) as opened:
        assert opened.name == request.param
        yield opened


def test_a_board_walks_every_clock_it_offers(board: Board) -> None:
    clocks = board.clock.supported_khz()
    assert list(clocks) == sorted(set(clocks))
    for khz in clocks:
        assert board.clock.set_khz(khz) == khz
        assert board.clock.current_khz() == khz


def test_a_board_lets_time_pass(board: Board) -> None:
    before_ns = board.timebase.now_ns()
    board.timebase.sleep_until_ns(before_ns + 1_000)
    assert board.timebase.now_ns() >= before_ns + 1_000
    board.spend(network("resnet-8"), OperatingPoint(board.clock.current_khz()))
    passed_ns = board.timebase.now_ns() - before_ns
    assert (passed_ns > 100_000) or not board.simulated


def test_a_boards_cost_table_covers_every_clock_or_there_is_none(board: Board) -> None:
    table = board.cost_table([network("resnet-8")])
    if board.profile.cpu is None:
        assert table is None
        return
    assert table is not None
    assert table.board == board.name
    for khz in board.clock.supported_khz():
        assert table.row(network("resnet-8").name, OperatingPoint(khz)).time_ns > 0
        assert table.idle_uw[khz] >= table.idle_reference_uw
    assert CostTable.from_json(table.to_json()) == table


def test_a_board_tells_its_heat_or_that_it_cannot(board: Board) -> None:
    heat = board.thermometer.millicelsius()
    assert heat is None or -40_000 < heat < 125_000
    assert board.thermometer.throttled() in (True, False)
    assert not (board.simulated and board.thermometer.throttled())


def test_closing_a_board_twice_leaves_the_clock_as_it_was_found(board: Board) -> None:
    clocks_khz = board.clock.supported_khz()
    found_khz = board.clock.current_khz()
    board.clock.set_khz(clocks_khz[0])
    for _ in range(2):
        board.close()
        assert board.clock.current_khz() == found_khz


# -- clocks ------------------------------------------------------------------------------------


def simulated_clock(userspace: bool) -> Clock:
    return CpufreqClock(SimulatedCpufreq((600_000, 900_000), lambda old, new: None, userspace))


CLOCKS: dict[str, Callable[[Path], Clock]] = {
    "fixed": lambda path: FixedClock(1_000_000),
    "cpufreq, userspace": lambda path: simulated_clock(True),
    "cpufreq, limits": lambda path: simulated_clock(False),
    "cpufreq, files": lambda path: CpufreqClock(RealSysfs(make_tree(path))),
}


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> Clock:
    return CLOCKS[request.param](tmp_path)


def test_a_clock_takes_what_it_offers_and_reads_back_a_clock(clock: Clock) -> None:
    for khz in clock.supported_khz():
        got = clock.set_khz(khz)
        assert got in clock.supported_khz()
        assert clock.current_khz() == got
    clock.reset()
    clock.reset()


def test_a_clock_refuses_what_it_does_not_offer(clock: Clock) -> None:
    with pytest.raises(ClockError, match=r"no clock of 123\.456 MHz"):
        clock.set_khz(123_456)
    clock.reset()


# -- meters ------------------------------------------------------------------------------------

SEEN = 20


class ReadyBus(TableBus):
    """An INA219 that always has a new pair, and tells when it was read often enough."""

    def __init__(self) -> None:
        # 5 V, ready; 1 A over 0.1 ohm.
        super().__init__(INA219_AT_RESET | {SHUNT_VOLTAGE: 10_000})
        self.read_often = threading.Event()
        self._reads = 0

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        self._reads += register == SHUNT_VOLTAGE
        if self._reads > SEEN + 2:  # identity, twice
            self.read_often.set()
        return super().read_word_data(i2c_addr, register)

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        super().write_word_data(i2c_addr, register, 0x9F39 if value == 0x0080 else value)


def simulated_samples(name: str) -> tuple[PowerMeter, list[PowerSample]]:
    place = SimulatedBoard(load_profile(name), name=f"sim:{name}")
    assert place.meter is not None
    place.meter.start()
    samples: list[PowerSample] = []
    for step_ns in range(0, 40_000_000, 4_000_000):
        place.timebase.sleep_until_ns(step_ns)
        samples += place.meter.drain(step_ns)
    return place.meter, samples


def thread_samples() -> tuple[PowerMeter, list[PowerSample]]:
    bus = ReadyBus()
    meter = ThreadSampler(Ina219(I2cDevice(bus, 0x40), MonotonicTimebase()), lambda: False)
    meter.start()
    assert bus.read_often.wait(30)
    meter.stop()
    return meter, list(meter.drain(MonotonicTimebase.now_ns()))


def inline_samples(chip: MeterChip, time: BusTime) -> tuple[PowerMeter, list[PowerSample]]:
    meter = InlineSampler(chip, time, time.now_ns, 0, "simulated", lambda: False)
    meter.start()
    samples: list[PowerSample] = []
    for _ in range(2 * SEEN):
        time.sleep_until_ns(chip.due_ns + 1_000_000)
        samples += meter.drain(time.now_ns())
    return meter, samples


def ina226_samples() -> tuple[PowerMeter, list[PowerSample]]:
    time = BusTime()
    bus = SimulatedI2cBus(Ina226Chip(10_000, 5_000), 0x44, time)
    return inline_samples(Ina226(I2cDevice(bus, 0x44), time), time)


def kernel_samples(folder: str, files: dict[str, str]) -> tuple[PowerMeter, list[PowerSample]]:
    time = BusTime()
    with TemporaryDirectory() as root:
        make_device(Path(root), folder, files)
        sysfs = RealSysfs(Path(root))
        gauge = KernelGauge(sysfs, kernel_devices(sysfs)[0])
        return inline_samples(PolledChip(gauge, time, 5_000_000), time)


def pmic_samples() -> tuple[PowerMeter, list[PowerSample]]:
    time = BusTime()
    return inline_samples(PolledChip(PmicGauge(AnsweringFirmware()), time, 100_000_000), time)


def recorded_samples() -> tuple[PowerMeter, list[PowerSample]]:
    original, samples = simulated_samples("raspberry-pi-5")
    text = StringIO()
    PowerCsvWriter(text, original).write(samples)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "power.csv"
        path.write_text(text.getvalue())
        meter = RecordedMeter(read_power_log(path), lambda: 0)
    meter.start()
    return meter, list(meter.drain(samples[-1].timestamp_ns))


METERS: dict[str, Callable[[], tuple[PowerMeter, list[PowerSample]]]] = {
    "simulated INA219 of the Pi 4": lambda: simulated_samples("raspberry-pi-4b"),
    "simulated INA219 of the Pi 5": lambda: simulated_samples("raspberry-pi-5"),
    "INA219 in a thread": thread_samples,
    "INA226": ina226_samples,
    "kernel, hwmon": lambda: kernel_samples("class/hwmon/hwmon0", HWMON_FILES),
    "kernel, IIO": lambda: kernel_samples("bus/iio/devices/iio:device0", IIO_FILES),
    "kernel, INA228": lambda: kernel_samples("class/hwmon/hwmon0", INA228_FILES),
    "kernel, INA260": lambda: kernel_samples("class/hwmon/hwmon0", INA260_FILES),
    "kernel, INA3221": lambda: kernel_samples("class/hwmon/hwmon0", INA3221_FILES),
    "Raspberry Pi 5 PMIC": pmic_samples,
    "recorded log": recorded_samples,
}


@pytest.mark.parametrize("name", METERS)
def test_a_meter_gives_samples_in_order_and_counts_them(name: str) -> None:
    meter, samples = METERS[name]()
    assert len(samples) >= SEEN
    assert all(b.seq > a.seq and b.timestamp_ns > a.timestamp_ns for a, b in pairwise(samples))
    for sample in samples:
        assert sample.interval_ns > 0
        assert sample.power_uw == pytest.approx(sample.current_ua * sample.bus_mv / 1000, rel=1e-3)
    statistics: MeterStatistics = meter.statistics()
    assert statistics.samples == len(samples)
    assert statistics.busy_ns >= 0
    assert meter.origin in ("measured", "simulated")
    assert meter.gain_uncertainty_ppm > 0
    assert meter.offset_uncertainty_uw > 0
    assert meter.resolution_uw > 0
    meter.stop()
    meter.stop()


# -- names -------------------------------------------------------------------------------------


def test_an_unknown_board_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownBoardError) as caught:
        open_board("raspberry-pi-3")
    for name in board_names():
        assert name in str(caught.value)
    with pytest.raises(UnknownBoardError):
        open_board("sim:host")


def test_no_board_is_offered_here_that_does_not_exist_here() -> None:
    real = {name for name in board_names() if not name.startswith("sim:")}
    assert not {name for name in real if name.startswith(("generic-", "stm32"))}
    assert {"host", "linux", "raspberry-pi-5"} <= real
    assert "sim:linux" not in board_names()


def test_a_real_board_is_not_opened_on_another_computer() -> None:
    tree = Path("/sys/firmware/devicetree/base/compatible")
    if tree.exists() and "raspberrypi,4-model-b" in tree.read_text():
        pytest.skip("this computer is a Raspberry Pi 4B")
    with pytest.raises(BoardError, match=r"no Raspberry Pi 4 Model B: .* sim:raspberry-pi-4b"):
        open_board("raspberry-pi-4b")


def test_the_host_has_no_meter_no_table_and_one_unknown_clock() -> None:
    with open_board("host") as host:
        assert not host.simulated
        assert host.meter is None
        assert host.cost_table([network("resnet-8")]) is None
        assert host.clock.supported_khz() == (0,)

"""A simulated board: the truth of time and power, with the real drivers above it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.closing import Closing
from edge_infer.boards.cost_model import CostModel, modelled_cost_table
from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.simulated.ina219_chip import MeterFaults
from edge_infer.boards.simulated.meter import simulated_meter
from edge_infer.boards.simulated.power_trace import PowerTrace
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.timebase import NEVER_NS, VirtualTimebase

SWITCH = "switch"
"""Name of the changes of clock among the activities."""


@dataclass(frozen=True, slots=True)
class RowError:
    """How the truth of one stage differs from its row: factors on time and power."""

    time: float = 1.0
    power: float = 1.0
    """On what the stage draws above idle."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is different on a simulated board from what its cost table says; nothing by default."""

    slowdown: float = 1.0
    """Factor on the time of every stage: 1.25 is a board 25 % slower than its table."""
    rows: Mapping[str, RowError] = field(default_factory=dict)
    """By name of the stage."""
    caps: tuple[tuple[int, int | None], ...] = ()
    """(when in ns, clock in kHz the firmware caps at, or None to lift the cap)."""


@dataclass(slots=True)
class ActivityTruth:
    """What one activity really took and drew, idle power included."""

    count: int = 0
    time_ns: int = 0
    energy_fj: int = 0

    @property
    def energy_nj(self) -> int:
        """Gross energy in nJ."""
        return round(self.energy_fj / 1e6)


class SimulatedBoard(Closing):
    """A board that exists as its profile. Nothing in it depends on this computer's speed.

    Args:
        profile: what it is; it needs cpu, power, overhead and rates.
        name: its name; "sim:" and the profile's name by default.
        seed: of everything random: faults of the meter and lost reads.
        disturbance: how it differs from its cost table.
        meter_faults: errors of the meter chip; a typical chip, drawn by the seed, by default.
        calibration: the meter's calibration; by default it is calibrated with two known loads.
        lost_reads_ppm: share of I2C transactions that fail, in parts per million.
        retries: how often the driver repeats a failed one.
        bus_fails_at_ns: from then on the meter answers no more.
        userspace: whether the kernel offers the userspace governor.
        keep_power_history: keep the whole past for `energy_nj`, whatever memory it takes.

    Raises:
        ProfileError: the profile does not state what a simulation needs.
    """

    def __init__(
        self,
        profile: BoardProfile,
        *,
        name: str | None = None,
        seed: int = 0,
        disturbance: Disturbance | None = None,
        meter_faults: MeterFaults | None = None,
        calibration: Calibration | None = None,
        lost_reads_ppm: int = 0,
        retries: int = 2,
        bus_fails_at_ns: int = NEVER_NS,
        userspace: bool = True,
        keep_power_history: bool = False,
    ) -> None:
        self.name = name or f"sim:{profile.name}"
        self.simulated = True
        self.profile = profile
        self.timebase = VirtualTimebase()
        self.disturbance = disturbance or Disturbance()
        self._model = CostModel(profile)
        self._idle_uw = self._model.idle_uw
        self.trace = PowerTrace(0, self._idle_uw, keep_power_history)
        """The truth of the power over time."""
        self._prices: dict[tuple[int, int, int], tuple[int, int, ActivityTruth, Work]] = {}
        self._activities: dict[str, ActivityTruth] = {}
        self.sysfs = SimulatedCpufreq(self._model.cpu.clocks_khz, self._switch, userspace)
        """The kernel's files, below the real drivers."""
        self.clock = CpufreqClock(self.sysfs)
        self.thermometer = LinuxThermometer(self.sysfs)
        self.meter: PowerMeter | None = None
        if profile.meter is not None:
            self.meter = simulated_meter(
                profile.meter,
                self._model.power.supply_mv,
                self.trace,
                self.timebase.now_ns,
                self.thermometer.throttled,
                faults=meter_faults,
                calibration=calibration,
                lost_reads_ppm=lost_reads_ppm,
                retries=retries,
                fails_at_ns=bus_fails_at_ns,
                seed=seed,
            )
        for at_ns, khz in self.disturbance.caps:
            self.timebase.call_at(at_ns, lambda khz=khz: self.sysfs.cap(khz))  # type: ignore[misc]

    def cost_table(self, works: Sequence[Work]) -> CostTable:
        """Return the modelled cost of each work at every clock, with one thread to all cores.

        It is what the profile says, without the disturbance.
        """
        threads = range(1, self._model.cpu.cores + 1)
        return modelled_cost_table(self.profile, works, self.name, threads)

    def spend(self, work: Work, point: OperatingPoint) -> None:
        """Let the time and energy of `work` pass, at the clock that is really in force."""
        khz = self.sysfs.khz
        price = self._prices.get((id(work), point.threads, khz))
        if price is None:
            price = self._price(work, point.threads, khz)
        time_ns, power_uw, truth, _ = price
        timebase, trace = self.timebase, self.trace
        start_ns = timebase.now_ns()
        truth.count += 1
        if timebase.next_due_ns > start_ns + time_ns:
            trace.set_level(start_ns, power_uw)
            timebase.sleep_until_ns(start_ns + time_ns)
            trace.set_level(start_ns + time_ns, self._idle_uw)
            truth.time_ns += time_ns
            truth.energy_fj += time_ns * power_uw
        else:
            self._spend_with_events(work, point.threads, khz, truth)

    def energy_nj(self, from_ns: int, to_ns: int) -> int:
        """Return the true gross energy of a window of the past. Raises MeterError if dropped."""
        return self.trace.energy_nj(from_ns, to_ns)

    def activities(self) -> Mapping[str, ActivityTruth]:
        """Return what each stage, by name, and the changes of clock really took so far."""
        return self._activities

    def close(self) -> None:
        """Stop the meter and put the clock back. May be called twice."""
        if self.meter is not None:
            self.meter.stop()
        self.trace.read_from(None)
        self.clock.reset()

    def _price(self, work: Work, threads: int, khz: int) -> tuple[int, int, ActivityTruth, Work]:
        """Return true time, power and activity of a work at a clock; kept with the work itself."""
        row = self._model.row(work, OperatingPoint(khz, threads))
        wrong = self.disturbance.rows.get(work.name, RowError())
        time_ns = max(1, round(row.time_ns * self.disturbance.slowdown * wrong.time))
        above_uw = row.energy_nj * 1e6 / row.time_ns - self._idle_uw
        truth = self._activities.setdefault(work.name, ActivityTruth())
        price = time_ns, round(self._idle_uw + above_uw * wrong.power), truth, work
        self._prices[id(work), threads, khz] = price
        return price

    def _spend_with_events(self, work: Work, threads: int, khz: int, truth: ActivityTruth) -> None:
        """Spend with events falling due meanwhile, each of which may change the clock."""
        left = 1.0
        while left > 0:
            khz = self.sysfs.khz
            price = self._prices.get((id(work), threads, khz)) or self._price(work, threads, khz)
            time_ns, power_uw = price[0], price[1]
            start_ns = self.timebase.now_ns()
            end_ns = min(start_ns + max(1, round(left * time_ns)), self.timebase.next_due_ns)
            self.trace.set_level(start_ns, power_uw)
            passed_ns = max(0, end_ns - start_ns)
            truth.time_ns += passed_ns
            truth.energy_fj += passed_ns * power_uw
            done = end_ns != self.timebase.next_due_ns
            left = 0.0 if done else left - passed_ns / time_ns
            # What happens in an event happens at idle power, unless it says otherwise.
            self.trace.set_level(max(start_ns, end_ns), self._idle_uw)
            self.timebase.sleep_until_ns(end_ns)

    def _switch(self, from_khz: int, to_khz: int) -> None:
        """A change of clock: the processor stands still for its time, at its power."""
        cost = self._model.switch()
        start_ns = self.timebase.now_ns()
        end_ns = start_ns + cost.time_ns
        power_uw = round(cost.energy_nj * 1e6 / cost.time_ns)
        before_uw = self.trace.level_uw
        self.trace.set_level(start_ns, power_uw)
        self.timebase.hold_until_ns(end_ns)
        self.trace.set_level(end_ns, before_uw)
        truth = self._activities.setdefault(SWITCH, ActivityTruth())
        truth.count += 1
        truth.time_ns += cost.time_ns
        truth.energy_fj += cost.time_ns * power_uw

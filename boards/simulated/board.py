"""A simulated board: the truth of time and power, with the real drivers above it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.closing import Closing
from edge_infer.boards.cost_model import CostModel, modelled_cost_table
from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.simulated.activity import ActivityTruth, StageTruth
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.simulated.disturbance import HYSTERESIS_K, Disturbance
from edge_infer.boards.simulated.ina219_chip import MeterFaults
from edge_infer.boards.simulated.meter import simulated_meter
from edge_infer.boards.simulated.power_trace import PowerTrace
from edge_infer.boards.simulated.stage_shape import ShapedPower, stage_shape
from edge_infer.boards.simulated.supply import Supply
from edge_infer.boards.simulated.surroundings import Surroundings
from edge_infer.boards.simulated.truth import DISTURBED, Jitter, RowError, Truth, drawn, row_error
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.timebase import NEVER_NS, VirtualTimebase

SWITCH = "switch"
"""Name of the changes of clock among the activities."""


class SimulatedBoard(Closing):
    """A board that exists as its profile. Nothing in it depends on this computer's speed.

    Args:
        profile: what it is; it needs cpu, power, overhead and rates.
        name: its name; "sim:" and the profile's name by default.
        seed: of everything random: the truth, faults of the meter and lost reads.
        truth: sizes of what its cost table leaves out; `IDEAL` does what the table says.
        disturbance: what else is to happen to it.
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
        truth: Truth = DISTURBED,
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
        self._truth, self._seed = truth, seed
        self._stages: dict[tuple[int, int, int], StageTruth] = {}
        self._activities: dict[str, ActivityTruth] = {}
        self._jitter = Jitter(truth, seed) if truth.jitters else None
        self._surroundings = Surroundings(truth, self._idle_uw, seed)
        self._looked_fj = 0
        self._base_uw = self._idle_uw
        """What the board draws while it computes, without what it computes."""
        self._attached_uw = 0
        self._hot = False
        self.supply_mv = self._voltages_mv()[0]
        """Mean voltage of the supply, behind the shunt."""
        self._wait_uw = {khz: self._waiting_uw(khz) for khz in self._model.cpu.clocks_khz}
        """What it draws beyond that while it waits, by clock."""
        self.sysfs = SimulatedCpufreq(
            self._model.cpu.clocks_khz,
            self._switch,
            userspace,
            celsius=lambda: self._surroundings.celsius,
            lies=self.disturbance.lies,
        )
        """The kernel's files, below the real drivers."""
        self.clock = CpufreqClock(self.sysfs)
        self.thermometer = LinuxThermometer(self.sysfs)
        _, *bench_mv = self._voltages_mv()
        self._meter_of = partial(
            simulated_meter,
            supply=Supply(self.supply_mv, truth.ripple),
            load=self.trace,
            now_ns=self.timebase.now_ns,
            throttled=self.thermometer.throttled,
            faults=meter_faults,
            calibration=calibration,
            bench_mv=(bench_mv[0], bench_mv[1]),
            lost_reads_ppm=lost_reads_ppm,
            retries=retries,
            fails_at_ns=bus_fails_at_ns,
            seed=seed,
        )
        self.meter: PowerMeter | None = None
        if profile.meter is not None:
            self.meter = self._meter_of(profile.meter)
        self.trace.set_level(0, self._idle_level_uw())
        if truth.surrounded:
            self.timebase.call_at(self._surroundings.due_ns, self._surround)
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
        stage = self._stages.get((id(work), point.threads, khz))
        if stage is None:
            stage = self._stage(work, point.threads, khz)
        time_ns = self._invocation_ns(stage, point.threads)
        timebase, trace, total = self.timebase, self.trace, stage.total
        start_ns = timebase.now_ns()
        total.count += 1
        if timebase.next_due_ns > start_ns + time_ns:
            power = ShapedPower(stage.shape, self._base_uw, 0, time_ns)
            trace.set_shape(start_ns, power)
            timebase.sleep_until_ns(start_ns + time_ns)
            trace.set_level(start_ns + time_ns, self._base_uw + self._wait_uw[khz])
            total.time_ns += time_ns
            total.energy_fj += power.energy_fj(time_ns)
        else:
            self._spend_with_events(stage, point.threads, time_ns)

    def energy_nj(self, from_ns: int, to_ns: int) -> int:
        """Return the true gross energy of a window of the past. Raises MeterError if dropped."""
        return self.trace.energy_nj(from_ns, to_ns)

    def meter_at(self, adc_bits: int) -> PowerMeter | None:
        """Return another meter of this board, at that resolution; None where it has none."""
        meter = self.profile.meter
        return None if meter is None else self._meter_of(replace(meter, adc_bits=adc_bits))

    def activities(self) -> Mapping[str, ActivityTruth]:
        """Return what each stage, by name, and the changes of clock really took so far."""
        return self._activities

    def close(self) -> None:
        """Stop the meter and put the clock back. May be called twice."""
        if self.meter is not None:
            self.meter.stop()
        self.trace.read_from(None)
        self.clock.reset()

    def _stage(self, work: Work, threads: int, khz: int) -> StageTruth:
        """Return a work as it really is at a clock; kept with the work itself."""
        point, truth = OperatingPoint(khz, threads), self._truth
        row = self._model.row(work, point)
        wrong = self.disturbance.rows.get(work.name, RowError())
        own = row_error(truth, self._seed, work.name, point)
        time_ns = max(1, round(row.time_ns * self.disturbance.slowdown * wrong.time * own.time))
        above_uw = row.energy_nj * 1e6 / row.time_ns - self._idle_uw
        power_uw = round(self._idle_uw + above_uw * wrong.power * own.power)
        random = Random(f"{self._seed} {work.name} operators")
        shape = stage_shape(
            self._model, work, point, time_ns, power_uw - self._idle_uw, truth, random
        )
        total = self._activities.setdefault(work.name, ActivityTruth())
        stage = StageTruth(time_ns, shape, total, work)
        self._stages[id(work), threads, khz] = stage
        return stage

    def _invocation_ns(self, stage: StageTruth, threads: int) -> int:
        """Return the time of the invocation that begins now."""
        mean_ns: float = stage.time_ns
        if self._surroundings.crowded:
            mean_ns *= self._truth.slowdown(threads, self._model.cpu.cores)
        return round(mean_ns) if self._jitter is None else self._jitter.time_ns(mean_ns)

    def _spend_with_events(self, stage: StageTruth, threads: int, time_ns: int) -> None:
        """Spend with events falling due meanwhile, each of which may change the clock."""
        left = 1.0
        slower = time_ns / stage.time_ns
        while left > 0:
            khz = self.sysfs.khz
            now = self._stages.get((id(stage.work), threads, khz))
            now = now or self._stage(stage.work, threads, khz)
            time_ns = max(1, round(now.time_ns * slower))
            start_ns = self.timebase.now_ns()
            end_ns = min(start_ns + max(1, round(left * time_ns)), self.timebase.next_due_ns)
            begun_ns = round((1 - left) * time_ns)
            power = ShapedPower(now.shape, self._base_uw, begun_ns, time_ns)
            self.trace.set_shape(start_ns, power)
            passed_ns = max(0, end_ns - start_ns)
            now.total.time_ns += passed_ns
            now.total.energy_fj += power.energy_fj(passed_ns)
            done = end_ns != self.timebase.next_due_ns
            left = 0.0 if done else left - passed_ns / time_ns
            # What happens in an event happens at idle power, unless it says otherwise.
            self.trace.set_level(max(start_ns, end_ns), self._idle_level_uw())
            self.timebase.sleep_until_ns(end_ns)

    def _surround(self) -> None:
        """An event of the surroundings: from now on the board draws more, or less."""
        now_ns, surroundings = self.timebase.now_ns(), self._surroundings
        fj = self.trace.until_fj(now_ns)
        if surroundings.pass_until(now_ns, (fj - self._looked_fj) / 1e6):
            self._looked_fj = fj
        self._heed_heat()
        self._set_base()
        self.timebase.call_at(surroundings.due_ns, self._surround)

    def attach(self, ohm: float | None) -> None:
        """Connect a resistor behind the shunt, beside the board; None takes it away."""
        self._attached_uw = 0 if ohm is None else round(self.supply_mv**2 / ohm)
        self._set_base()

    def _set_base(self) -> None:
        surroundings = self._surroundings
        process_uw = self._model.busy_cores_uw(surroundings.crowded, self.sysfs.khz)
        own_uw = self._idle_uw + self._attached_uw
        self._base_uw = own_uw + surroundings.leakage_uw + round(process_uw)
        self.trace.set_level(self.timebase.now_ns(), self._idle_level_uw())

    def _heed_heat(self) -> None:
        hot = self.disturbance.hot
        if hot is None:
            return
        limit = hot.celsius - HYSTERESIS_K * self._hot
        if (self._surroundings.celsius >= limit) != self._hot:
            self._hot = not self._hot
            self.sysfs.cap(hot.khz if self._hot else None)

    def _idle_level_uw(self) -> int:
        return self._base_uw + self._wait_uw[self.sysfs.khz]

    def _voltages_mv(self) -> list[int]:
        """Return the voltages of the supply, and of two others that the meter was calibrated on."""
        random, nominal_mv = Random(f"{self._seed} supply"), self._model.power.supply_mv
        return [round(nominal_mv * drawn(random, self._truth.regulation)) for _ in range(3)]

    def _waiting_uw(self, khz: int) -> int:
        """Return what idle cores draw at a clock beyond what they do at the lowest."""
        model = self._model
        busy_uw = [
            model.busy_cores_uw(model.cpu.cores, at) for at in (model.cpu.clocks_khz[0], khz)
        ]
        return round(self._truth.idle_clock * (busy_uw[1] - busy_uw[0]))

    def _switch(self, from_khz: int, to_khz: int) -> None:
        """A change of clock: the processor stands still for its time, at its power."""
        cost = self._model.switch()
        start_ns = self.timebase.now_ns()
        end_ns = start_ns + cost.time_ns
        power_uw = round(cost.energy_nj * 1e6 / cost.time_ns) + self._base_uw - self._idle_uw
        self.trace.set_level(start_ns, power_uw)
        self.timebase.hold_until_ns(end_ns)
        self.trace.set_level(end_ns, self._base_uw + self._wait_uw[to_khz])
        truth = self._activities.setdefault(SWITCH, ActivityTruth())
        truth.count += 1
        truth.time_ns += cost.time_ns
        truth.energy_fj += cost.time_ns * power_uw

"""Time and energy of a stage computed from a board profile: one formula for table and simulation.

    instructions = start + what the kernel of each operator takes at its shape   (kernel_counts)
    cycles = invoke + sum over operators (instructions * cycles each / speed-up + synchronisation)
    speed-up of n threads = 1 / (1 - p + p / n)                                  (Amdahl's law)
    time = (cycles + stage + decision + runtime, in the first stage alone) / f
    power = idle + (first core + further cores) * (s + (1 - s) * V(f)^2 * f)     (1 at the top)

Where threads wait for each other they draw less. The shape is that of the kernels which are
dispatched on the core, the scale that of published latencies: one figure for each arithmetic type
meets five published networks on two cores within 9 % (edge-infer boards check).

Time is inversely proportional to the clock: the n-body figures published for a Raspberry Pi 4
(1.513 s at 1500 MHz, 3.782 s at 600 MHz for C++, chaitanyamehta.github.io) hold that exactly for
code in cache. V^2 holds to about 10 % on chips measured at two voltages (MLPerf Tiny v1.0, GAP9
and NDP120 submissions); the share s that scales with neither is not published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge_infer.boards.cost_table import (
    CostOrigin,
    CostRow,
    CostTable,
    OperatingPoint,
    OpWork,
    SwitchCost,
    Work,
)
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.profile_sections import CpuProfile, KernelSpeed

SYNTHETIC_LIMIT = 0.05
"""A row is called synthetic when figures that nobody published make up more of its time."""
KERNELS_OF = {"int8": "int8", "uint8": "int8", "float32": "float32"}
"""Kernels of each arithmetic type; XNNPACK's uint8 kernels are the int8 ones with an offset."""


@dataclass(frozen=True, slots=True)
class WorkCycles:
    """The cycles of one work, by what they rest on."""

    kernel: float
    """Invocation and operators, on all threads; waiting included."""
    waiting: float
    """The part of it that threads wait for each other."""
    overhead: float
    """Runtime and decision, on one core."""
    synthetic: float
    """The part of all that rests on figures nobody published."""


@dataclass(frozen=True, slots=True)
class OpCycles:
    """One operator on some threads."""

    work: float
    waiting: float
    assumed: bool


class CostModel:
    """The cost of works on one board.

    Args:
        profile: the board.
        kernel_set: a set of kernels that the profile's counts know a factor for; theirs if empty.

    Raises:
        ProfileError: the profile has no cost figures.
    """

    def __init__(self, profile: BoardProfile, kernel_set: str = "") -> None:
        cpu, power, overhead, kernels = (
            profile.cpu, profile.power, profile.overhead, profile.kernels,
        )  # fmt: skip
        if cpu is None or power is None or overhead is None or kernels is None:
            raise ProfileError(
                f"board profile {profile.name} states no cpu, power, kernels or overhead figures, "
                "so costs cannot be modelled; measure them with: edge-infer measure --board "
                f"{profile.name}"
            )
        self.profile = profile
        self.cpu: CpuProfile = cpu
        self.power = power
        self._overhead = overhead
        self._kernels = kernels
        self._kernel_set = kernel_set

    @property
    def idle_uw(self) -> int:
        """Idle board power in uW, at every clock."""
        return self.power.idle_uw

    def core_uv(self, khz: int) -> int:
        """Return the core voltage at a clock, on a line between two clocks of the profile."""
        known = list(zip(self.cpu.clocks_khz, self.cpu.core_uv, strict=True))
        for (low_khz, low_uv), (high_khz, high_uv) in pairwise(known):
            if low_khz <= khz <= high_khz:
                share = (khz - low_khz) / (high_khz - low_khz)
                return round(low_uv + share * (high_uv - low_uv))
        return known[0][1] if khz < known[0][0] else known[-1][1]

    def busy_cores_uw(self, cores: float, khz: int) -> float:
        """Return what `cores` busy cores add to the idle power at a clock, in uW."""
        top_khz, top_uv = self.cpu.clocks_khz[-1], self.cpu.core_uv[-1]
        dynamic = (self.core_uv(khz) / top_uv) ** 2 * (khz / top_khz)
        fixed = self.power.fixed_permille / 1000
        first, further = min(cores, 1), max(cores - 1, 0)
        top_uw = first * self.power.busy_core_uw + further * self.power.more_core_uw
        return top_uw * (fixed + (1 - fixed) * dynamic)

    def row(self, work: Work, point: OperatingPoint) -> CostRow:
        """Return the modelled cost of one invocation of `work` at `point`."""
        threads = self._checked_threads(point.threads)
        cycles = self.cycles(work, threads)
        ns_per_cycle = 1e6 / point.clock_khz
        kernel_ns, overhead_ns = cycles.kernel * ns_per_cycle, cycles.overhead * ns_per_cycle
        saved_ns = cycles.waiting * ns_per_cycle * (1 - self.power.waiting_permille / 1000)
        shared = self._speed(work).shared_permille / 1000 if threads > 1 else 1
        time_ns = kernel_ns + overhead_ns
        # uW * ns is fJ.
        energy_fj = (
            self.idle_uw * time_ns
            + self.busy_cores_uw(threads, point.clock_khz) * shared * (kernel_ns - saved_ns)
            + self.busy_cores_uw(1, point.clock_khz) * overhead_ns
        )
        share = cycles.synthetic / (cycles.kernel + cycles.overhead)
        # A clock that the profile does not list has an assumed voltage.
        known = point.clock_khz in self.cpu.clocks_khz and share <= SYNTHETIC_LIMIT
        return CostRow(
            time_ns=round(time_ns),
            energy_nj=round(energy_fj / 1e6),
            overhead_ns=round(overhead_ns),
            origin="modelled" if known else "synthetic",
        )

    def cycles(self, work: Work, threads: int = 1) -> WorkCycles:
        """Return the cycles of one invocation on `threads` threads.

        Raises ProfileError for an arithmetic type without kernels.
        """
        ops = [self.op_cycles(op, work, threads) for op in work.ops]
        waiting = sum(op.waiting for op in ops)
        kernel = sum(op.work for op in ops) + waiting
        synthetic = sum(op.work for op in ops if op.assumed)
        speed = f"kernels.{self._dtype(work)}"
        synthetic += waiting if waiting and self._assumed(f"{speed}.sync_cycles") else 0
        around = {
            "invoke_cycles": self._overhead.invoke_cycles,
            "runtime_cycles": self._overhead.runtime_cycles if work.first else 0,
            "stage_cycles": self._overhead.stage_cycles,
            "decision_cycles": self._overhead.decision_cycles if work.decides else 0,
        }
        if work.bare:
            around = {"invoke_cycles": self._overhead.invoke_cycles}
        for key, cycles in around.items():
            synthetic += cycles if self._assumed(f"overhead.{key}") else 0
        invoke = around.pop("invoke_cycles")
        return WorkCycles(kernel + invoke, waiting, sum(around.values()), synthetic)

    def op_cycles(self, op: OpWork, work: Work, threads: int = 1) -> OpCycles:
        """Return the cycles of one operator of a work."""
        dtype, speed, counts = self._dtype(work), self._speed(work), self._kernels.counts
        row = counts.op(dtype, op.op)
        instructions = counts.start + row.instructions(op)
        scale = counts.set_permille(self._kernel_set, dtype) / 1000
        own = speed.ops_permille.get(op.op, 1000) / 1000
        cycles = scale * own * instructions * speed.cycles_per_kinstruction / 1000
        assumed = (
            row.assumed
            or (op.macs > 0 and not op.channels)
            or self._assumed(f"kernels.{dtype}.cycles_per_kinstruction")
        )
        waiting = scale * speed.sync_cycles if threads > 1 else 0
        return OpCycles(cycles / self.speed_up(threads), waiting, assumed)

    def switch(self) -> SwitchCost:
        """Return the cost of one change of the clock.

        The time is the profile's. The power during it is not published; one core busy at the top
        clock is assumed.
        """
        power_uw = self.idle_uw + self.busy_cores_uw(1, self.cpu.clocks_khz[-1])
        time_ns = self.cpu.switch_ns
        return SwitchCost(time_ns, round(power_uw * time_ns / 1e6), origin="synthetic")

    def speed_up(self, threads: int) -> float:
        """Return how many times faster kernels run on some threads than on one."""
        parallel = self.cpu.parallel_permille / 1000
        return 1 / (1 - parallel + parallel / threads)

    def _dtype(self, work: Work) -> str:
        dtype = KERNELS_OF.get(work.dtype, work.dtype)
        if dtype not in self._kernels.speeds:
            raise ProfileError(
                f"board profile {self.profile.name} has no {work.dtype} kernels "
                f"(stage {work.name}); it has {', '.join(self._kernels.speeds)}"
            )
        return dtype

    def _speed(self, work: Work) -> KernelSpeed:
        return self._kernels.speeds[self._dtype(work)]

    def _assumed(self, key: str) -> bool:
        return self.profile.figures[key].basis == "synthetic"

    def _checked_threads(self, threads: int) -> int:
        if not 1 <= threads <= self.cpu.cores:
            raise ProfileError(
                f"{threads} threads on {self.profile.name}: it has {self.cpu.cores} cores"
            )
        return threads


def modelled_cost_table(
    profile: BoardProfile,
    works: Sequence[Work],
    board_name: str,
    threads: Sequence[int] = (1,),
    clocks_khz: Sequence[int] = (),
) -> CostTable:
    """Return the cost of every work at every clock and thread count.

    Args:
        profile: the board.
        works: what to price.
        board_name: name for the table.
        threads: thread counts, each at most the board's cores.
        clocks_khz: the clocks that the board itself offers; the profile's by default.

    Raises:
        ProfileError: the profile does not state what the model needs.
    """
    model = CostModel(profile)
    clocks_khz = clocks_khz or model.cpu.clocks_khz
    points = [OperatingPoint(khz, n) for khz in clocks_khz for n in threads]
    rows = {(work.name, point): model.row(work, point) for work in works for point in points}
    return CostTable(
        board=board_name,
        rows=rows,
        switch=model.switch(),
        idle_uw=dict.fromkeys(clocks_khz, model.idle_uw),
        idle_reference_uw=model.idle_uw,
        notes=_notes(profile, {row.origin for row in rows.values()}),
    )


def _notes(profile: BoardProfile, origins: set[CostOrigin]) -> tuple[str, ...]:
    kernels = profile.kernels.counts.title if profile.kernels else ""
    notes = [
        f"modelled from the profile {profile.name}, {kernels}; not measured",
        "idle power is taken as equal at every clock",
        "power during a change of clock is synthetic: one core busy at the top clock",
    ]
    if "synthetic" in origins:
        keys = ", ".join(profile.synthetic_keys)
        notes.append(
            f"synthetic rows rest for more than {SYNTHETIC_LIMIT:.0%} of their time on figures "
            f"that nobody published: {keys}"
        )
    return tuple(notes)

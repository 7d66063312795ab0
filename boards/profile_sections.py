"""The parts of a board profile, and how each is read from its TOML table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from edge_infer.boards.calibration import LEAST_SHUNT_UOHM
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.kernel_counts import KernelCounts, load_kernel_counts
from edge_infer.boards.toml_reader import TomlReader


@dataclass(frozen=True, slots=True)
class CpuProfile:
    """The processor."""

    core: str
    cores: int
    clocks_khz: tuple[int, ...]
    """Ascending. A real board's own list, read at run time, stands over this one."""
    core_uv: tuple[int, ...]
    """Core voltage in uV at each clock."""
    switch_ns: int
    """Time one change of the clock takes."""
    parallel_permille: int
    """Share of a kernel's work that threads divide (Amdahl's law)."""


@dataclass(frozen=True, slots=True)
class PowerProfile:
    """Whole-board power at the supply input."""

    idle_uw: int
    """Idle, interpreter loaded, no frames; the same at every clock."""
    busy_core_uw: int
    """What one busy core adds at the top clock."""
    more_core_uw: int
    """What each further busy core adds: it shares caches, memory and regulator with the first."""
    fixed_permille: int
    """Share of what busy cores add that follows neither voltage nor clock."""
    waiting_permille: int
    """What cores draw that wait for each other at an operator's end, of what they draw at work."""
    supply_mv: int


@dataclass(frozen=True, slots=True)
class KernelSpeed:
    """How fast a core takes the counted instructions of one arithmetic type's kernels."""

    cycles_per_kinstruction: int
    """Cycles per 1000 instructions, on one thread."""
    sync_cycles: int
    """Each operator's price of several threads: waking and joining them, their caches cold."""
    shared_permille: int
    """What several cores draw at these kernels, of power.busy_core_uw and more_core_uw: less where
    they wait for memory."""
    ops_permille: Mapping[str, int] = field(default_factory=dict)
    """Time of an operator against what its count and the cycles above give, where a survey found
    it; 1000 for all others."""


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """The kernels a board runs."""

    counts: KernelCounts
    speeds: Mapping[str, KernelSpeed]
    """By arithmetic type: int8, float32."""


@dataclass(frozen=True, slots=True)
class OverheadProfile:
    """What an inference costs besides its arithmetic, in cycles."""

    invoke_cycles: int
    """Each invocation of an interpreter."""
    runtime_cycles: int
    """This project's code around one inference: once, however many stages run."""
    stage_cycles: int
    """This project's code around each stage of it."""
    decision_cycles: int
    """One exit decision."""


@dataclass(frozen=True, slots=True)
class MeterProfile:
    """A power meter chip and how it is wired."""

    chip: str
    i2c_bus: int
    address: int
    i2c_hz: int
    shunt_uohm: int
    shunt_tolerance_ppm: int
    shunt_range_mv: int
    bus_range_v: int
    adc_bits: int
    adc_samples: int


@dataclass(frozen=True, slots=True)
class AcceleratorProfile:
    """An Edge TPU, whose clock is chosen when its delegate is opened."""

    delegate: str
    """Shared library of the delegate."""
    device: str
    """What the delegate is asked for: usb or pci."""
    levels: tuple[str, ...]
    """Performance levels, slowest first."""
    clocks_khz: tuple[int, ...]
    """Core clock of each level."""


def read_cpu(table: TomlReader) -> CpuProfile:
    """Return the [cpu] table."""
    cpu = CpuProfile(
        core=table.text("core"),
        cores=table.integer("cores", 1),
        clocks_khz=table.integers("clocks_khz"),
        core_uv=table.integers("core_uv"),
        switch_ns=table.integer("switch_ns"),
        parallel_permille=table.integer("parallel_permille", most=1000),
    )
    if not cpu.clocks_khz or any(low >= high for low, high in pairwise(cpu.clocks_khz)):
        table.complain("clocks_khz", "must be ascending and not empty")
    if len(cpu.core_uv) != len(cpu.clocks_khz):
        table.complain("core_uv", f"needs {len(cpu.clocks_khz)} values, one a clock")
    table.done()
    return cpu


def read_power(table: TomlReader) -> PowerProfile:
    """Return the [power] table."""
    power = PowerProfile(
        idle_uw=table.integer("idle_uw", 1),
        busy_core_uw=table.integer("busy_core_uw", 1),
        more_core_uw=table.integer("more_core_uw"),
        fixed_permille=table.integer("fixed_permille", most=1000),
        waiting_permille=table.integer("waiting_permille", most=1000),
        supply_mv=table.integer("supply_mv", 1),
    )
    table.done()
    return power


def read_kernels(table: TomlReader) -> KernelProfile | None:
    """Return the [kernels] table; None where its counts cannot be had, which is complained of."""
    counts = None
    try:
        counts = load_kernel_counts(table.text("counts"))
    except ProfileError as error:
        table.complain("counts", str(error))
    speeds = {
        dtype: _kernel_speed(table.table(dtype)) for dtype in table.names if dtype != "counts"
    }
    for dtype in speeds if counts else ():
        if counts is not None and dtype not in counts.ops:
            table.complain(dtype, f"{counts.name} counts {', '.join(counts.ops)}")
    return KernelProfile(counts, speeds) if counts else None


def _kernel_speed(table: TomlReader) -> KernelSpeed:
    speed = KernelSpeed(
        cycles_per_kinstruction=table.integer("cycles_per_kinstruction", 1),
        sync_cycles=table.integer("sync_cycles"),
        shared_permille=table.integer("shared_permille", 1),
        ops_permille=_permilles(table.optional_table("ops_permille")),
    )
    table.done()
    return speed


def _permilles(table: TomlReader | None) -> dict[str, int]:
    return {} if table is None else {name: table.integer(name, 1) for name in table.names}


def read_overhead(table: TomlReader) -> OverheadProfile:
    """Return the [overhead] table."""
    overhead = OverheadProfile(
        invoke_cycles=table.integer("invoke_cycles"),
        runtime_cycles=table.integer("runtime_cycles"),
        stage_cycles=table.integer("stage_cycles"),
        decision_cycles=table.integer("decision_cycles"),
    )
    table.done()
    return overhead


def read_meter(table: TomlReader) -> MeterProfile:
    """Return the [meter] table."""
    meter = MeterProfile(
        chip=table.text("chip"),
        i2c_bus=table.integer("i2c_bus"),
        address=table.integer("address"),
        i2c_hz=table.integer("i2c_hz", 1),
        shunt_uohm=table.integer("shunt_uohm", LEAST_SHUNT_UOHM),
        shunt_tolerance_ppm=table.integer("shunt_tolerance_ppm"),
        shunt_range_mv=table.integer("shunt_range_mv", 1),
        bus_range_v=table.integer("bus_range_v", 1),
        adc_bits=table.integer("adc_bits", 1),
        adc_samples=table.integer("adc_samples", 1),
    )
    table.done()
    return meter


def read_accelerator(table: TomlReader) -> AcceleratorProfile:
    """Return the [accelerator] table."""
    accelerator = AcceleratorProfile(
        delegate=table.text("delegate"),
        device=table.text("device"),
        levels=table.texts("levels"),
        clocks_khz=table.integers("clocks_khz"),
    )
    if len(accelerator.levels) != len(accelerator.clocks_khz):
        table.complain("levels", f"needs {len(accelerator.clocks_khz)} values, one a clock")
    table.done()
    return accelerator

"""The parts of a board profile, and how each is read from its TOML table."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from edge_infer.boards.calibration import LEAST_SHUNT_UOHM
from edge_infer.boards.toml_reader import TomlReader

OTHER = "OTHER"
"""Row of a rate table that stands for every operator without one of its own."""


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
    """What one busy core adds at the top clock; scales with V^2 f and the number of cores."""
    supply_mv: int


@dataclass(frozen=True, slots=True)
class KernelRates:
    """Single-threaded speed of one arithmetic type's kernels."""

    cycles_per_kmac: Mapping[str, int]
    """Cycles per 1000 multiply-accumulates by operator, for operators that have any."""
    cycles_per_kelement: Mapping[str, int]
    """Cycles per 1000 output elements by operator, for operators without MACs."""


@dataclass(frozen=True, slots=True)
class OverheadProfile:
    """What an inference costs besides its arithmetic, in cycles."""

    op_cycles: int
    """Each operator's start."""
    sync_cycles: int
    """Waking and joining the threads for one operator, when there are several."""
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


@dataclass(frozen=True, slots=True)
class PublishedLatency:
    """A published latency of a whole network, that the rates were fitted to or checked by."""

    network: str
    latency_ns: int
    threads: int
    """0 where the publication does not say."""
    use: str
    """fit or check."""


def read_cpu(table: TomlReader) -> CpuProfile:
    """Return the [cpu] table."""
    cpu = CpuProfile(
        core=table.text("core"),
        cores=table.integer("cores", 1),
        clocks_khz=table.integers("clocks_khz"),
        core_uv=table.integers("core_uv"),
        switch_ns=table.integer("switch_ns"),
        parallel_permille=table.integer("parallel_permille"),
    )
    if not cpu.clocks_khz or any(low >= high for low, high in pairwise(cpu.clocks_khz)):
        table.complain("clocks_khz", "must be ascending and not empty")
    if len(cpu.core_uv) != len(cpu.clocks_khz):
        table.complain("core_uv", f"needs {len(cpu.clocks_khz)} values, one a clock")
    if cpu.parallel_permille > 1000:
        table.complain("parallel_permille", "must be at most 1000")
    table.done()
    return cpu


def read_power(table: TomlReader) -> PowerProfile:
    """Return the [power] table."""
    power = PowerProfile(
        idle_uw=table.integer("idle_uw", 1),
        busy_core_uw=table.integer("busy_core_uw", 1),
        supply_mv=table.integer("supply_mv", 1),
    )
    table.done()
    return power


def read_rates(table: TomlReader) -> dict[str, KernelRates]:
    """Return the [rates] table: kernel rates by arithmetic type."""
    return {dtype: _kernel_rates(table.table(dtype)) for dtype in table.names}


def _kernel_rates(table: TomlReader) -> KernelRates:
    rates = KernelRates(
        _rate_table(table.table("cycles_per_kmac")),
        _rate_table(table.table("cycles_per_kelement")),
    )
    table.done()
    return rates


def _rate_table(table: TomlReader) -> dict[str, int]:
    rates = {op: table.integer(op, 1) for op in table.names}
    if OTHER not in rates:
        table.complain(OTHER, "missing")
    return rates


def read_overhead(table: TomlReader) -> OverheadProfile:
    """Return the [overhead] table."""
    overhead = OverheadProfile(
        op_cycles=table.integer("op_cycles"),
        sync_cycles=table.integer("sync_cycles"),
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


def read_published(table: TomlReader) -> PublishedLatency:
    """Return one [[published]] entry."""
    entry = PublishedLatency(
        network=table.text("network"),
        latency_ns=table.integer("latency_ns", 1),
        threads=table.plain_integer("threads"),
        use=table.text("use"),
    )
    if entry.use not in ("fit", "check"):
        table.complain("use", "must be fit or check")
    table.done()
    return entry

"""A board profile: what is known of a board, as numbers that a model can compute with.

Read from a TOML file by `profile_file`; where each number comes from stands in `figures`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from boards.toml_reader import Figure

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
    """This project's Python code around one stage."""
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
class PublishedLatency:
    """A published latency of a whole network, that the rates were fitted to or checked by."""

    network: str
    latency_ns: int
    threads: int
    """0 where the publication does not say."""
    use: str
    """fit or check."""


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """What is known of a board."""

    name: str
    title: str
    compatible: tuple[str, ...] = ()
    """Device-tree `compatible` strings."""
    cpu: CpuProfile | None = None
    power: PowerProfile | None = None
    rates: Mapping[str, KernelRates] = field(default_factory=dict)
    """By arithmetic type: int8, float32."""
    overhead: OverheadProfile | None = None
    meter: MeterProfile | None = None
    published: tuple[PublishedLatency, ...] = ()
    quirks: Mapping[str, str] = field(default_factory=dict)
    """Known faults of the hardware or its firmware, with the reason."""
    figures: Mapping[str, Figure] = field(default_factory=dict, repr=False)
    """Where each number comes from, by dotted key, for example "power.idle_uw"."""

    @property
    def synthetic_keys(self) -> tuple[str, ...]:
        """The keys whose numbers nobody published."""
        return tuple(key for key, figure in self.figures.items() if figure.basis == "synthetic")

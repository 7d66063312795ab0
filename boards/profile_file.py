"""Reads a board profile from TOML.

Every number in the file stands beside its source; one that does not is refused.
"""

import tomllib
from importlib import resources
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from boards.errors import ProfileError, UnknownBoardError
from boards.profile import (
    OTHER,
    BoardProfile,
    CpuProfile,
    KernelRates,
    MeterProfile,
    OverheadProfile,
    PowerProfile,
    PublishedLatency,
)
from boards.toml_reader import TomlReader

FORMAT_VERSION = 1


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with this package, sorted."""
    folder = resources.files("boards") / "profiles"
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[: -len(".toml")] for name in files if name.endswith(".toml")))


def load_profile(name: str) -> BoardProfile:
    """Return the profile `name`. Raises UnknownBoardError, which lists what exists."""
    if name not in profile_names():
        raise UnknownBoardError(f"no board {name}; there are: {', '.join(profile_names())}")
    path = resources.files("boards") / "profiles" / f"{name}.toml"
    return parse_profile(path.read_text(encoding="utf-8"), name)


def read_profile(path: Path) -> BoardProfile:
    """Return the profile in a TOML file of your own. Raises ProfileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"cannot read the board profile {path}: {error}") from error
    return parse_profile(text, path.stem)


def parse_profile(text: str, name: str) -> BoardProfile:
    """Return the profile in TOML text. Raises ProfileError that names every bad key."""
    try:
        reader = TomlReader(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"board profile {name} is not TOML: {error}") from error
    profile = _board(reader, name)
    if reader.complaints:
        raise ProfileError(f"board profile {name}: {'; '.join(reader.complaints)}")
    return profile


def _board(reader: TomlReader, name: str) -> BoardProfile:
    if reader.plain_integer("format_version") != FORMAT_VERSION:
        reader.complain("format_version", f"must be {FORMAT_VERSION}")
    cpu, power = reader.optional_table("cpu"), reader.optional_table("power")
    overhead, meter = reader.optional_table("overhead"), reader.optional_table("meter")
    rates, quirks = reader.optional_table("rates"), reader.optional_table("quirks")
    profile = BoardProfile(
        name=name,
        title=reader.text("title"),
        compatible=reader.texts("compatible"),
        cpu=_cpu(cpu) if cpu else None,
        power=_power(power) if power else None,
        rates=_rates(rates) if rates else {},
        overhead=_overhead(overhead) if overhead else None,
        meter=_meter(meter) if meter else None,
        published=tuple(_published(entry) for entry in reader.tables("published")),
        quirks={key: quirks.text(key) for key in quirks.keys()} if quirks else {},  # noqa: SIM118
        figures=MappingProxyType(reader.figures),
    )
    reader.done()
    return profile


def _cpu(table: TomlReader) -> CpuProfile:
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


def _power(table: TomlReader) -> PowerProfile:
    power = PowerProfile(
        idle_uw=table.integer("idle_uw", 1),
        busy_core_uw=table.integer("busy_core_uw", 1),
        supply_mv=table.integer("supply_mv", 1),
    )
    table.done()
    return power


def _rates(table: TomlReader) -> dict[str, KernelRates]:
    return {dtype: _kernel_rates(table.table(dtype)) for dtype in table.keys()}  # noqa: SIM118


def _kernel_rates(table: TomlReader) -> KernelRates:
    rates = KernelRates(
        _rate_table(table.table("cycles_per_kmac")),
        _rate_table(table.table("cycles_per_kelement")),
    )
    table.done()
    return rates


def _rate_table(table: TomlReader) -> dict[str, int]:
    rates = {op: table.integer(op, 1) for op in table.keys()}  # noqa: SIM118
    if OTHER not in rates:
        table.complain(OTHER, "missing")
    return rates


def _overhead(table: TomlReader) -> OverheadProfile:
    overhead = OverheadProfile(
        op_cycles=table.integer("op_cycles"),
        sync_cycles=table.integer("sync_cycles"),
        invoke_cycles=table.integer("invoke_cycles"),
        runtime_cycles=table.integer("runtime_cycles"),
        decision_cycles=table.integer("decision_cycles"),
    )
    table.done()
    return overhead


def _meter(table: TomlReader) -> MeterProfile:
    meter = MeterProfile(
        chip=table.text("chip"),
        i2c_bus=table.integer("i2c_bus"),
        address=table.integer("address"),
        i2c_hz=table.integer("i2c_hz", 1),
        shunt_uohm=table.integer("shunt_uohm", 1),
        shunt_tolerance_ppm=table.integer("shunt_tolerance_ppm"),
        shunt_range_mv=table.integer("shunt_range_mv", 1),
        bus_range_v=table.integer("bus_range_v", 1),
        adc_bits=table.integer("adc_bits", 1),
        adc_samples=table.integer("adc_samples", 1),
    )
    table.done()
    return meter


def _published(table: TomlReader) -> PublishedLatency:
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

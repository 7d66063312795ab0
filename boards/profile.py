"""A board profile: what is known of a board, read from its TOML file.

Every number in the file stands beside its source; one that does not is refused.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from edge_infer.boards.errors import ProfileError, UnknownBoardError
from edge_infer.boards.profile_sections import (
    AcceleratorProfile,
    CpuProfile,
    KernelProfile,
    MeterProfile,
    OverheadProfile,
    PowerProfile,
    read_accelerator,
    read_cpu,
    read_kernels,
    read_meter,
    read_overhead,
    read_power,
)
from edge_infer.boards.toml_reader import Figure, TomlReader

_FOLDER = Path(__file__).with_name("profiles")
FORMAT_VERSION = 2
Place = Literal["here", "wire", "simulation"]
TESTED_ON = ("hardware", "vm", "simulation")


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """What is known of a board."""

    name: str
    title: str
    compatible: tuple[str, ...] = ()
    """Device-tree `compatible` strings; any computer if empty."""
    place: Place = "here"
    """here: this program runs on the board; wire: it is driven over a serial line; simulation:
    there is no such board."""
    tested: tuple[str, ...] = ()
    """What it was tested on: hardware, vm (a real kernel), simulation. Nothing else is claimed."""
    advice: str = ""
    """What a user of this board has to know first."""
    accelerator: AcceleratorProfile | None = None
    cpu: CpuProfile | None = None
    power: PowerProfile | None = None
    kernels: KernelProfile | None = None
    overhead: OverheadProfile | None = None
    meter: MeterProfile | None = None
    quirks: Mapping[str, str] = field(default_factory=dict)
    """Known faults of the hardware or its firmware, with the reason."""
    figures: Mapping[str, Figure] = field(default_factory=dict, repr=False)
    """Where each number comes from, by dotted key, for example "power.idle_uw"."""

    @property
    def synthetic_keys(self) -> tuple[str, ...]:
        """The keys whose numbers nobody published."""
        return tuple(key for key, figure in self.figures.items() if figure.basis == "synthetic")


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with this package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_profile(name: str) -> BoardProfile:
    """Return the profile `name`. Raises UnknownBoardError, which lists what exists."""
    if name not in profile_names():
        raise UnknownBoardError(f"no board {name}; there are: {', '.join(profile_names())}")
    return parse_profile((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"), name)


def profiles_naming(text: str) -> Iterator[BoardProfile]:
    """Yield the profiles whose file has a text in quotes; the others are not parsed."""
    for name in profile_names():
        if f'"{text}"' in (_FOLDER / f"{name}.toml").read_text(encoding="utf-8"):
            yield load_profile(name)


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
        return profile_from(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"board profile {name} is not TOML: {error}") from error


def profile_from(document: Mapping[str, Any], name: str) -> BoardProfile:
    """Return the profile in a parsed document. Raises ProfileError that names every bad key."""
    reader = TomlReader(document)
    profile = _board(reader, name)
    if reader.complaints:
        raise ProfileError(f"board profile {name}: {'; '.join(reader.complaints)}")
    return profile


def _board(reader: TomlReader, name: str) -> BoardProfile:
    if reader.plain_integer("format_version") != FORMAT_VERSION:
        reader.complain("format_version", f"must be {FORMAT_VERSION}")
    cpu, power = reader.optional_table("cpu"), reader.optional_table("power")
    overhead, meter = reader.optional_table("overhead"), reader.optional_table("meter")
    accelerator, place = reader.optional_table("accelerator"), reader.text("place", "here")
    if place not in get_args(Place):
        reader.complain("place", f"must be one of {', '.join(get_args(Place))}")
    tested = reader.texts("tested")
    if not set(tested) <= set(TESTED_ON):
        reader.complain("tested", f"may hold {', '.join(TESTED_ON)}")
    kernels, quirks = reader.optional_table("kernels"), reader.optional_table("quirks")
    profile = BoardProfile(
        name=name,
        title=reader.text("title"),
        compatible=reader.texts("compatible"),
        place=cast(Place, place),
        tested=tested,
        advice=reader.text("advice", ""),
        accelerator=read_accelerator(accelerator) if accelerator else None,
        cpu=read_cpu(cpu) if cpu else None,
        power=read_power(power) if power else None,
        kernels=read_kernels(kernels) if kernels else None,
        overhead=read_overhead(overhead) if overhead else None,
        meter=read_meter(meter) if meter else None,
        quirks={key: quirks.text(key) for key in quirks.names} if quirks else {},
        figures=MappingProxyType(reader.figures),
    )
    reader.done()
    return profile

"""Which power meter, how it is wired and calibrated: a short text, or a TOML file of the user's.

ina219, ina219:1, ina219:1:0x41      INA219 or ina226 on an I2C bus at an address
kernel, kernel:hwmon2                a chip that a kernel driver holds
kernel:hwmon2:1, kernel:hwmon2:VDD   one of an INA3221's three supplies, by number or label
pmic                                 the Raspberry Pi 5's power management chip
log:power.csv                        a recorded log
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from edge_infer.boards.calibration import Calibration, check_shunt_uohm
from edge_infer.boards.chip_identity import ADDRESSES
from edge_infer.boards.errors import MeterError
from edge_infer.boards.profile_sections import MeterProfile

MeterKind = Literal["ina219", "ina226", "kernel", "pmic", "log"]
_Part = TypeVar("_Part", Calibration, "MeterConfig")
KINDS: tuple[MeterKind, ...] = get_args(MeterKind)
CHIP_FORMS = "ina219[:BUS[:ADDRESS]], ina226[:BUS[:ADDRESS]], kernel[:DEVICE[:CHANNEL]], pmic"
"""Of meters that a load can be connected to."""
FORMS = f"{CHIP_FORMS}, log:FILE"
FILE_VARIABLE = "EDGE_INFER_METER_FILE"
SYSTEM_FILE = Path("/etc/edge-infer/meter.toml")


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """A meter and its wiring; what a kind has no use for is ignored."""

    kind: MeterKind
    i2c_bus: int = 1
    """1 is the header of a Raspberry Pi."""
    address: int = 0x40
    """Both address pins to ground, INA219 and INA226 alike."""
    shunt_uohm: int = 100_000
    shunt_tolerance_ppm: int = 10_000
    shunt_range_mv: int = 320
    """INA219 only, like the next three."""
    bus_range_v: int = 16
    adc_bits: int = 12
    adc_samples: int = 1
    device: str = ""
    """kernel: hwmon2 or iio:device0, the first one found if empty. log: the file."""
    period_us: int = 0
    """Time between two questions to a kernel driver or the PMIC; the kind's own if 0."""
    calibration: Calibration | None = field(default=None)

    def __post_init__(self) -> None:
        check_shunt_uohm(self.shunt_uohm)
        if self.address not in ADDRESSES:
            raise MeterError(
                f"INA219 and INA226 answer at 0x40 to 0x4f by their pins, not at {self.address:#x}"
            )
        if min(self.i2c_bus, self.shunt_tolerance_ppm, self.period_us) < 0:
            raise MeterError("i2c_bus, shunt_tolerance_ppm and period_us are at least 0")

    def __str__(self) -> str:
        if self.kind in ("ina219", "ina226"):
            return f"{self.kind}:{self.i2c_bus}:{self.address:#x}"
        return f"{self.kind}:{self.device}" if self.device else self.kind


def parse_meter(text: str) -> MeterConfig:
    """Return the meter that a short text names. Raises MeterError that lists the forms."""
    kind, *words = text.split(":", 1)
    rest = words[0] if words else ""
    config = next((MeterConfig(k) for k in KINDS if k == kind), None)
    if config is None or (kind == "log" and not rest):
        raise MeterError(f"no meter {text!r}; write one of: {FORMS}")
    if kind in ("kernel", "log"):
        return replace(config, device=rest)
    numbers = _numbers(rest, text)
    if kind == "pmic" and numbers:
        raise MeterError(f"{text!r}: pmic takes nothing more")
    wiring: dict[str, Any] = dict(zip(("i2c_bus", "address"), numbers, strict=False))
    return replace(config, **wiring)


def profile_meter(meter: MeterProfile) -> MeterConfig:
    """Return the meter that a board profile states. Raises MeterError for an unknown chip."""
    known = {f.name for f in fields(MeterConfig)}
    values: dict[str, Any] = {n: value for n, value in asdict(meter).items() if n in known}
    return replace(parse_meter(meter.chip), **values)


def meter_file() -> Path | None:
    """Return the file that states this computer's meter: the variable's, the user's, /etc's."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return next((path for path in (user_meter_file(), SYSTEM_FILE) if path.exists()), None)


def user_meter_file() -> Path:
    """Return where the user's own meter stands (XDG base directory specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "edge-infer" / "meter.toml"


def read_meter_file(path: Path) -> MeterConfig:
    """Return the meter in a file. Raises MeterError that names the file and every bad key."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeterError(f"cannot read the meter file {path}: {error}") from error
    complaints: list[str] = []
    table = document.pop("calibration", None)
    calibration = None
    if isinstance(table, dict):
        values = _known(table, Calibration, complaints, "calibration.")
        calibration = _made(Calibration, values, complaints)
    elif table is not None:
        complaints.append("calibration must be a table")
    values = _known(document, MeterConfig, complaints, "")
    kind = values.pop("kind", None)
    if kind not in KINDS:
        complaints.append(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    config = _made(MeterConfig, {"kind": kind, "calibration": calibration} | values, complaints)
    if complaints or config is None:
        raise MeterError(f"meter file {path}: {'; '.join(complaints)}")
    return config


def _made(kind: type[_Part], values: dict[str, Any], complaints: list[str]) -> _Part | None:
    try:
        return kind(**values)
    except MeterError as error:
        complaints.append(str(error))
        return None


def meter_text(config: MeterConfig, comment: str) -> str:
    """Return the text of a meter file."""
    values = asdict(config)
    calibration = values.pop("calibration")
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f"{name} = {_toml(value)}" for name, value in values.items()]
    if calibration is not None:
        lines += ["", "[calibration]"]
        lines += [f"{name} = {value}" for name, value in calibration.items()]
    return "\n".join(lines) + "\n"


def _toml(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _numbers(rest: str, text: str) -> list[int]:
    try:
        numbers = [int(word, 0) for word in rest.split(":")] if rest else []
    except ValueError:
        raise MeterError(f"{text!r}: bus and address are numbers; write {FORMS}") from None
    if len(numbers) > 2:
        raise MeterError(f"{text!r}: too much; write {FORMS}")
    return numbers


def _known(
    table: Mapping[str, Any], kind: type[Any], complaints: list[str], prefix: str
) -> dict[str, Any]:
    types = {f.name: str if f.name in ("kind", "device") else int for f in fields(kind)}
    types.pop("calibration", None)
    for name, value in table.items():
        if name not in types:
            complaints.append(f"{prefix}{name}: unknown key")
        elif type(value) is not types[name]:
            complaints.append(f"{prefix}{name}: must be of the kind {types[name].__name__}")
    return {name: value for name, value in table.items() if type(value) is types.get(name)}

"""Group 70, ours: the bundle that runs, inferences, their energy, the power log, the time.

`number` (key "n") in a write is of the client's choice: a request repeated with the same number
starts nothing twice. Times are ns of the device's monotonic clock, energies nJ.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

from edge_infer.firmware_bridge.wire.command import (
    FLAT,
    Command,
    Empty,
    Fields,
    Group,
    Op,
    Signed,
)


class EdgeCommand(IntEnum):
    """Commands of group 70."""

    INFO = 0
    STATISTICS = 1
    RUN = 2
    INFER = 3
    ENGINE = 4
    FINISH = 5
    ENERGIES = 6
    LOG = 7
    TIME = 8
    ROLLBACK = 9
    CHALLENGE = 10
    PROVE = 11


@dataclass(frozen=True, slots=True)
class RunInfo(Fields):
    """The bundle that runs, and how."""

    bundle: str
    version: str
    board: str
    simulated: bool
    metered: bool
    policy: str
    ratio: str
    exits: tuple[str, ...]
    backend: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LastRevert(Fields):
    """The bundle that was given up last, and why."""

    version: str
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceInfo(Fields):
    """How a device is."""

    run: RunInfo | None
    failure: str
    trial: bool
    confirmed: bool
    counter: int
    """Security counter of the newest bundle that was confirmed."""
    resets: int
    revert: LastRevert | None
    found: str | None = None
    """What was found damaged in the device's memory at its last reset."""


@dataclass(frozen=True, slots=True)
class Statistics(Fields):
    """What the bundle did since it was started."""

    inferences: int
    exits: tuple[tuple[int, int], ...]
    """Index of an exit, and inferences that left there."""
    labelled: int
    correct: int
    net_nj: Annotated[Signed, "net"]
    gross_nj: Annotated[Signed, "gross"]
    restarts: int
    failure: str
    busy: bool
    log_first: int
    log_end: int
    watched: int | None = None
    """Frames of clients whose exits and margins were held against the calibration's."""
    evidence: float | None = None
    """That they differ: odds that were beaten; from 1,000 on it is said in `notice`."""
    notice: str | None = None
    """What the answers say of the inputs, where something is odd."""


@dataclass(frozen=True, slots=True)
class RunSamples(Fields):
    """Answer so many frames of the bundle's own samples, again from the first when they end."""

    frames: int
    number: Annotated[int, "n"]


@dataclass(frozen=True, slots=True)
class Energy(Fields):
    """The board's energy over a run."""

    origin: str
    start_ns: Annotated[int, "start"]
    end_ns: Annotated[int, "end"]
    gross_nj: Annotated[Signed, "gross"]
    idle_uw: Signed
    idle_error_uw: int
    gross_error_nj: Annotated[int | None, "gross_error"]
    net_error_nj: Annotated[int | None, "net_error"]
    share: float
    """Of the gross energy, what was apportioned."""
    samples: int
    lost: int
    saturated: int
    sampler_busy_ns: Annotated[int, "busy"]


@dataclass(frozen=True, slots=True)
class Finished(Fields):
    """What a run came to."""

    residency_ns: Annotated[tuple[tuple[int, int], ...], "residency"]
    """Clock in kHz, and how long it was set."""
    energy: Energy | None


@dataclass(frozen=True, slots=True)
class Ran(Fields):
    """How far a run is. Ask again until it is done."""

    done: bool
    inferences: int
    """Since the bundle was started."""
    frames: int | None = None
    finished: Annotated[Finished | None, FLAT] = None


@dataclass(frozen=True, slots=True)
class FramePiece(Fields):
    """A piece of a frame to answer; or, from offset 0 and as long as it says, the whole."""

    number: Annotated[int, "n"]
    """Of the frame."""
    session: int
    """Of the client's choice, so that two clients may count frames alike."""
    length: Annotated[int, "len"]
    dtype: str = ""
    """uint8, int8 or float32."""
    shape: tuple[int, ...] = ()
    offset: Annotated[int, "off"] = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Record(Fields):
    """An inference, without its energy, which is known later."""

    number: Annotated[int, "n"]
    answer: int
    exit: int
    confidence: float
    start_ns: Annotated[int, "start"]
    end_ns: Annotated[int, "end"]
    stage_start_ns: Annotated[tuple[int, ...], "starts"]
    stage_end_ns: Annotated[tuple[int, ...], "ends"]
    points: tuple[tuple[Any, ...], ...]
    """Clock in kHz, threads and level of each stage; the level may be missing."""
    switches: int
    invoke_ns: Annotated[int, "invoke"]
    ratio: str
    probabilities: tuple[float, ...] | None = None
    """Of the later exits, where the device predicted."""


@dataclass(frozen=True, slots=True)
class FrameAnswer(Fields):
    """The offset wanted next, or, after the last piece, the record."""

    offset: Annotated[int | None, "off"] = None
    record: Annotated[Record | None, FLAT] = None


@dataclass(frozen=True, slots=True)
class OpenEngine(Fields):
    """Start anew with a policy and a ratio: fresh idle reference, fresh energy account."""

    number: Annotated[int, "n"]
    policy: str = "performance"
    ratio: str = "1.0"


@dataclass(frozen=True, slots=True)
class FinishEngine(Fields):
    """End the energy account and say what it came to."""

    number: Annotated[int, "n"]


EnergyRow = tuple[int, str | None, Signed, Signed, int | None, float]
"""Of an inference: its number, origin or None, gross nJ, net nJ, uncertainty nJ or None,
apportioned share."""


@dataclass(frozen=True, slots=True)
class EnergiesWanted(Fields):
    """Energies of single inferences from this frame on; older ones are let go."""

    first: Annotated[int, "from"] = 0


@dataclass(frozen=True, slots=True)
class Energies(Fields):
    """Of inferences whose energy is known."""

    energies: tuple[EnergyRow, ...]


@dataclass(frozen=True, slots=True)
class LogWanted(Fields):
    """Entries of the power log from this number on."""

    first: Annotated[int, "from"]
    boot: int | None = None
    """Boot in which the number counts; in another the device begins with its oldest entry."""


@dataclass(frozen=True, slots=True)
class LogBatch(Fields):
    """Consecutive entries."""

    first: int
    """Number of the first; above the one wanted when that was overwritten."""
    count: int
    end: int
    """Number that the next entry will get."""
    now_ns: Annotated[int, "ns"]
    batch: bytes
    """The entries, as `log_batch.encode` writes them."""
    boot: int | None = None
    """What the numbers count in: they begin anew when the agent is started."""
    before: tuple[tuple[int, int], ...] | None = None
    """Boots before and how many entries each had, oldest first; to who asks for another boot."""


@dataclass(frozen=True, slots=True)
class DeviceTime(Fields):
    """The device's time."""

    now_ns: Annotated[int, "ns"]


@dataclass(frozen=True, slots=True)
class RollBack(Fields):
    """Let the next reset go back, for a reason that is kept."""

    reason: str = "asked by the host"


_OURS = Group.EDGE_INFER
INFO = Command(_OURS, EdgeCommand.INFO, Op.READ, Empty, DeviceInfo)
STATISTICS = Command(_OURS, EdgeCommand.STATISTICS, Op.READ, Empty, Statistics)
RUN = Command(_OURS, EdgeCommand.RUN, Op.WRITE, RunSamples, Ran)
INFER = Command(_OURS, EdgeCommand.INFER, Op.WRITE, FramePiece, FrameAnswer)
ENGINE = Command(_OURS, EdgeCommand.ENGINE, Op.WRITE, OpenEngine, RunInfo)
FINISH = Command(_OURS, EdgeCommand.FINISH, Op.WRITE, FinishEngine, Finished)
ENERGIES = Command(_OURS, EdgeCommand.ENERGIES, Op.READ, EnergiesWanted, Energies)
LOG = Command(_OURS, EdgeCommand.LOG, Op.READ, LogWanted, LogBatch)
TIME = Command(_OURS, EdgeCommand.TIME, Op.READ, Empty, DeviceTime)
ROLLBACK = Command(_OURS, EdgeCommand.ROLLBACK, Op.WRITE, RollBack, Empty)

COMMANDS = (INFO, STATISTICS, RUN, INFER, ENGINE, FINISH, ENERGIES, LOG, TIME, ROLLBACK)
"""The commands of this group but for those of a proof, in `proof`."""

"""The contract of a sink, and what it is told beside records."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from edge_infer.boards.closing import Closing
from edge_infer.boards.power import PowerSample
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import InferenceRecord


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands, a few times a second."""

    at_ns: int
    clock_khz: int
    """0 where it is not known."""
    millicelsius: int | None
    throttled: bool
    gross_nj: int | None
    """Of the board since the run began; None where nothing is known of it."""
    net_nj: int | None
    wall_ns: int
    """That the energies are of."""
    inferences: int
    misses: int
    dropped_frames: int


class MissingPlaceError(RunError):
    """There is no such port or terminal for a sink; a run goes on without it.

    Args:
        name: of the sink.
        reason: why not.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


class Sink(Closing):
    """Takes records, in order. All but the constructor is called by one thread of its own.

    What it raises ends it, not the run: OSError and RunError are told.
    """

    name: str
    """As a person named it; holds no secret."""
    patience_s: float | None = None
    """How long the end of a run waits for it; None for as long as it takes."""
    keeps_all: bool = True
    """Frames that can wait do so for it; else the oldest records give way."""
    shows: bool = False
    """It shows a person what happens, and keeps nothing: no result tells of it."""
    wants_power: bool = False
    """It takes the meter's samples."""
    wants_state: bool = False
    """It takes states of the run."""
    delivered: int = 0
    """Records that are where they should be."""

    @abstractmethod
    def write(self, record: InferenceRecord) -> None:
        """Take one record."""

    def sampled(self, samples: Sequence[PowerSample]) -> None:
        """Take the meter's samples; only with `wants_power`."""
        return

    def observe(self, state: RunState) -> None:
        """Take the state of the run; only with `wants_state`."""
        return

    def flush(self) -> None:
        """Nothing more comes for now: let out what waits."""
        return

    def give_up(self) -> None:
        """The run waits no longer: let calls return. The one method of another thread."""
        return

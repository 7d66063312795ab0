"""What the agent and its worker process say to each other over their pipe.

Requests and answers are those of the wire; here they get the number of a job.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_infer.firmware_bridge.wire.edge import (
    EnergyRow,
    Finished,
    FinishEngine,
    FrameAnswer,
    FramePiece,
    OpenEngine,
    Ran,
    RunInfo,
    RunSamples,
)
from edge_infer.firmware_bridge.wire.inference import energy_row
from edge_infer.firmware_bridge.wire.log_batch import LogEntry
from edge_infer.runtime.records import InferenceRecord

WorkerRequest = OpenEngine | RunSamples | FramePiece | FinishEngine
"""What a worker does; a frame comes whole."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process runs."""

    folder: str
    """The bundle, laid out."""
    board: str
    policy: str = "performance"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do."""

    number: int
    request: WorkerRequest


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is open; what it is."""

    info: RunInfo


@dataclass(frozen=True, slots=True)
class Logged:
    """Entries for the power log, in order."""

    entries: list[LogEntry]


@dataclass(frozen=True, slots=True)
class Settled:
    """Inferences whose energy became known."""

    energies: list[EnergyRow]
    """Empty for a run over the samples."""
    exits: dict[int, int]
    """Index of the exit to inferences that left there."""
    labelled: int
    correct: int
    gross_nj: int
    net_nj: int

    @classmethod
    def of(cls, records: Sequence[InferenceRecord], one_by_one: bool) -> "Settled":
        """Sum up settled records; keep single energies where they will be asked for."""
        exits: dict[int, int] = {}
        labelled = correct = gross_nj = net_nj = 0
        for record in records:  # one pass: a run settles thousands at once
            exits[record.exit] = exits.get(record.exit, 0) + 1
            if record.label is not None:
                labelled += 1
                correct += record.label == record.answer
            if record.energy is not None:
                gross_nj += record.energy.gross_nj
                net_nj += record.energy.net_nj
        energies = [energy_row(record) for record in records] if one_by_one else []
        return cls(energies, exits, labelled, correct, gross_nj, net_nj)


@dataclass(frozen=True, slots=True)
class Done:
    """A job is done; its answer."""

    job: int
    answer: RunInfo | Ran | FrameAnswer | Finished


@dataclass(frozen=True, slots=True)
class Failed:
    """A job, or with number 0 the worker as a whole, failed."""

    job: int
    reason: str


WorkerEvent = Ready | Logged | Settled | Done | Failed

"""What the agent and its worker process say to each other over their pipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.firmware_bridge.log.power_log import LogEntry
from edge_infer.firmware_bridge.smp.message import Body
from edge_infer.firmware_bridge.worker.record_body import energy_to_list
from edge_infer.runtime.records import InferenceRecord


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process runs."""

    folder: str
    """The bundle, laid out."""
    board: str
    policy: str = "performance"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """Start anew with this policy and ratio: fresh idle reference, fresh energy account."""

    job: int
    policy: str
    ratio: str


@dataclass(frozen=True, slots=True)
class RunSamples:
    """Answer frames of the bundle's own samples, again from the first when they end."""

    job: int
    frames: int


@dataclass(frozen=True, slots=True)
class InferFrame:
    """Answer one frame."""

    job: int
    number: int
    data: bytes
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FinishEngine:
    """End the energy account and say what it came to."""

    job: int


WorkerRequest = OpenEngine | RunSamples | InferFrame | FinishEngine


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is open; what it is."""

    info: Body


@dataclass(frozen=True, slots=True)
class Logged:
    """Entries for the power log, in order."""

    entries: list[LogEntry]


@dataclass(frozen=True, slots=True)
class Settled:
    """Inferences whose energy became known."""

    energies: list[list[Any]]
    """As `record_body.energy_to_list` writes them; empty for a run over the samples."""
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
        energies = [energy_to_list(record) for record in records] if one_by_one else []
        return cls(energies, exits, labelled, correct, gross_nj, net_nj)


@dataclass(frozen=True, slots=True)
class Done:
    """A job is done; its answer."""

    job: int
    body: Body


@dataclass(frozen=True, slots=True)
class Failed:
    """A job, or with number 0 the worker as a whole, failed."""

    job: int
    reason: str


WorkerEvent = Ready | Logged | Settled | Done | Failed

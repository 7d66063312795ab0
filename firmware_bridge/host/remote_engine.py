"""The engine of a board at the end of a line: the same contract as the one of this board.

Records come back with the device's own times, moved to this computer's clock; of a simulated
device they stay as they are, since its time is not ours. Energy comes when the device's meter
has covered it.
"""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_infer.boards.closing import Closing
from edge_infer.boards.timebase import MonotonicTimebase
from edge_infer.firmware_bridge.errors import FrameError, LinkError
from edge_infer.firmware_bridge.host.clock_sync import ClockSync, Exchange
from edge_infer.firmware_bridge.host.flashing import START_NS, edge_info
from edge_infer.firmware_bridge.host.link import Link, load_operator
from edge_infer.firmware_bridge.port import DEFAULT_BAUD, DescriptorPort
from edge_infer.firmware_bridge.wire.command import A, Command, Empty, Q
from edge_infer.firmware_bridge.wire.edge import (
    ENERGIES,
    ENGINE,
    FINISH,
    INFER,
    TIME,
    EnergiesWanted,
    FinishEngine,
    FrameAnswer,
    FramePiece,
    OpenEngine,
)
from edge_infer.firmware_bridge.wire.inference import (
    energy_totals,
    inference_energy,
    inference_record,
)
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.records import Frame, InferenceRecord

REMOTE = "serial:"
"""What the name of a board at the end of a line begins with."""

_FIRST_EXCHANGES = 5
_EXCHANGE_EVERY_NS = 5_000_000_000
_INFER_NS = 10_000_000_000
_CHUNK_OVERHEAD_BYTES = 160
"""SMP header, and the CBOR map around a piece of a frame."""


class RemoteEngine(Closing):
    """Fulfils LocalEngine over a link. A context manager; leaving it closes the port.

    Args:
        link: an open link.
        policy: the governor's policy on the device.
        ratio: pruning ratio.

    Raises:
        LinkError: the device runs no bundle, or refuses the policy.
    """

    def __init__(self, link: Link, *, policy: str = "performance", ratio: str = "1.0") -> None:
        self.link = link
        if edge_info(link) is None:
            raise LinkError(f"the device on {link.port.name} does not run edge-infer serve")
        self._session = _number()
        self.info = self._ask_job(ENGINE, OpenEngine(_number(), policy, ratio))
        """Bundle, version, board, policy, exits, backend, as the device says them."""
        self.name = REMOTE + link.port.name
        self.simulated = self.info.simulated
        self.timebase = MonotonicTimebase()
        self.meter = None
        """The meter is the device's; its figures come with the records."""
        self.cost_table = None
        self.exit_names: tuple[str, ...] = self.info.exits
        self.residency_ns: dict[int, int] = {}
        self.switches = 0
        self._sync = ClockSync()
        self._exchanged_ns = self._device_ns = 0
        self._open: deque[InferenceRecord] = deque()
        self._totals: EnergyTotals | None = None
        self._chunk_bytes = link.buffers()[0] - _CHUNK_OVERHEAD_BYTES
        for _ in range(_FIRST_EXCHANGES):
            self._exchange()

    def check_bundle(self, name: str, version: str) -> None:
        """Raise LinkError unless the device runs the bundle of this name and version."""
        runs = self.info.bundle, self.info.version
        if runs != (name, version):
            raise LinkError(
                f"the device runs {runs[0]} {runs[1]}, not {name} {version}: flash it first with "
                f"edge-infer flash {name}"
            )

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """See InferenceEngine. Raises LinkError too."""
        content = frame.data.tobytes()
        shape, dtype = tuple(frame.data.shape), str(frame.data.dtype)
        whole = FramePiece(frame.number, self._session, len(content), dtype, shape)
        answer = FrameAnswer(0)
        while answer.record is None:
            at = answer.offset or 0
            piece = replace(whole, offset=at, data=content[at : at + self._chunk_bytes])
            answer = self.link.ask_until_ready(INFER, piece, within_ns=_INFER_NS)
        if answer.record.exit >= len(self.exit_names):
            raise FrameError(f"the device left at exit {answer.record.exit}, which it has not")
        record = self._placed(inference_record(answer.record, self._offset_ns()), frame)
        self.switches += record.switches
        self._open.append(record)
        return record

    def drain(self) -> Sequence[InferenceRecord]:
        """See LocalEngine."""
        if not self._open:
            return []
        answer = self.link.ask(ENERGIES, EnergiesWanted(self._open[0].number))
        done = []
        for row in answer.energies:
            while self._open and self._open[0].number <= row[0]:
                record = self._open.popleft()
                if record.number == row[0]:
                    record.energy = inference_energy(row)
                done.append(record)
        return done

    def rest(self) -> None:
        """See LocalEngine; the device's own governor rests by itself."""

    def finish(self) -> Sequence[InferenceRecord]:
        """See LocalEngine."""
        finished = self._ask_job(FINISH, FinishEngine(_number()))
        self.residency_ns = dict(finished.residency_ns)
        self._totals = energy_totals(finished.energy) if finished.energy else None
        done: list[InferenceRecord] = []
        while more := self.drain():
            done += more
        rest, self._open = list(self._open), deque()
        return done + rest

    def energy(self) -> EnergyTotals | None:
        """Return the board's energy over the run, known once it is finished."""
        return self._totals

    def close(self) -> None:
        """Close the port. May be called twice."""
        self.link.port.close()

    def _ask_job(self, command: Command[Q, A], request: Q) -> A:
        return self.link.ask_until_ready(command, request, within_ns=START_NS)

    def _exchange(self) -> None:
        sent_ns = self.link.port.now_ns()
        answer = self.link.ask(TIME, Empty())
        self._exchanged_ns = self.link.port.now_ns()
        self._device_ns = answer.now_ns
        self._sync.add(Exchange(sent_ns, self._device_ns, self._exchanged_ns))

    def _offset_ns(self) -> int:
        if self.simulated:
            return 0
        if self.link.port.now_ns() - self._exchanged_ns > _EXCHANGE_EVERY_NS:
            self._exchange()
        fit = self._sync.fit()
        assert fit is not None  # there was an exchange before the first frame
        return fit.offset_ns + round((self._device_ns - fit.reference_ns) * fit.drift_ppm / 1e6)

    def _placed(self, record: InferenceRecord, frame: Frame) -> InferenceRecord:
        """Give the record what only this side knows: arrival, deadline, label."""
        record.label, record.name = frame.label, frame.name
        if not self.simulated and frame.arrival_ns is not None:
            record.arrival_ns = frame.arrival_ns
        if frame.deadline_ns is not None and frame.arrival_ns is not None:
            record.deadline_ns = record.arrival_ns + frame.deadline_ns - frame.arrival_ns
        return record


def _number() -> int:
    """Return a number that no request before has."""
    return secrets.randbits(31)


def open_remote_engine(
    board: str,
    *,
    policy: str = "performance",
    ratio: str = "1.0",
    baud: int = DEFAULT_BAUD,
    operator_key: Path | None = None,
) -> RemoteEngine:
    """Open the engine of "serial:PORT", where PORT is a serial device or socket://HOST:PORT.

    Raises:
        LinkError: the port cannot be opened, or its device is silent, runs nothing or refuses.
        ImageError: the operator's key is none.
    """
    operator = load_operator(operator_key)
    port = DescriptorPort(board.removeprefix(REMOTE), baud)
    try:
        return RemoteEngine(Link(port, operator=operator), policy=policy, ratio=ratio)
    except LinkError:
        port.close()
        raise

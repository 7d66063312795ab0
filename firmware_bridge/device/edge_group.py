"""SMP group 70, ours: the board, runs, statistics, policy, power log, time. See PROTOCOL.md."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from edge_infer.firmware_bridge.errors import SlotError
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import (
    BUFFER_BYTES,
    CommandGroup,
    Later,
    RefusalError,
    on,
)
from edge_infer.firmware_bridge.wire import edge as wire
from edge_infer.firmware_bridge.wire import log_batch
from edge_infer.firmware_bridge.wire.command import Empty, Group
from edge_infer.firmware_bridge.wire.edge import EdgeCommand
from edge_infer.firmware_bridge.wire.standard import Code
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner
from edge_infer.firmware_bridge.worker.worker_pipe import WorkerRequest

MAX_FRAME_BYTES = 16 << 20
_MAX_FRAMES = 1 << 31
_MAX_RANK = 8
"""Dimensions of a frame; arrays end at 32 or 64, pictures at four."""
_MAX_BATCH_BYTES = BUFFER_BYTES - 128
"""Room for the header and the rest of the answer."""
_MIN_ENTRY_BYTES = 3
_BOOT_BYTES = 20
"""Of an earlier boot in an answer, at most."""
_ENERGIES_PER_ANSWER = 24
_REMEMBERED_JOBS = 32
_NOTICE_BYTES = 600


class EdgeGroup:
    """Answers for the runner, the slots' history and the power log."""

    def __init__(self, slots: Slots, runner: Runner, log: PowerLog) -> None:
        self._slots = slots
        self._runner = runner
        self._log = log
        self._frame = bytearray()
        self._frame_key: tuple[EdgeCommand, int] | None = None
        self._jobs: dict[tuple[EdgeCommand, int], int] = {}
        """Command and the client's number to our job: a repeated request starts nothing twice."""

    def group(self) -> CommandGroup:
        """Return the commands."""
        return CommandGroup(
            Group.EDGE_INFER,
            "edge-infer",
            dict(
                [
                    on(wire.INFO, self._info),
                    on(wire.STATISTICS, self._statistics),
                    on(wire.RUN, self._run),
                    on(wire.INFER, self._infer),
                    on(wire.ENGINE, self._engine),
                    on(wire.FINISH, self._finish),
                    on(wire.ENERGIES, self._energies),
                    on(wire.LOG, self._read_log),
                    on(wire.TIME, lambda request, now_ns: wire.DeviceTime(now_ns)),
                    on(wire.ROLLBACK, self._roll_back),
                ]
            ),
        )

    def _info(self, request: Empty, now_ns: int) -> wire.DeviceInfo:
        state = self._slots.state
        revert = state.last_revert
        return wire.DeviceInfo(
            run=self._runner.info,
            failure=self._runner.statistics.last_failure,
            trial=self._slots.on_trial,
            confirmed=state.confirmed,
            counter=state.security_counter,
            resets=state.resets,
            found="; ".join(self._slots.found)[:200] or None,
            revert=None
            if revert is None
            else wire.LastRevert(revert.version, revert.digest, revert.reason),
        )

    def _statistics(self, request: Empty, now_ns: int) -> wire.Statistics:
        total = self._runner.statistics
        return wire.Statistics(
            inferences=total.inferences,
            exits=tuple(sorted(total.exits.items())),
            labelled=total.labelled,
            correct=total.correct,
            net_nj=total.net_nj,
            gross_nj=total.gross_nj,
            restarts=total.restarts,
            failure=total.last_failure,
            busy=any(self._runner.running(job) for job in self._jobs.values()),
            log_first=self._log.first,
            log_end=self._log.end,
            watched=None if total.watched is None else total.watched.frames,
            evidence=None if total.watched is None else total.watched.evidence,
            notice=(total.watched and total.watched.notice[:_NOTICE_BYTES]) or None,
        )

    def _run(self, request: wire.RunSamples, now_ns: int) -> wire.Ran:
        if not 0 < request.frames < _MAX_FRAMES:
            raise RefusalError(Code.INVALID, f"{request.frames} frames: 1 to {_MAX_FRAMES - 1}")
        key = EdgeCommand.RUN, request.number
        others = [job for (command, _), job in self._jobs.items() if command == EdgeCommand.RUN]
        if key not in self._jobs and any(map(self._runner.running, others)):
            raise RefusalError(Code.BUSY, "another run is under way")
        ran: wire.Ran | None = self._runner.answer(self._once(key, request, now_ns))
        return replace(
            ran or wire.Ran(done=False, inferences=0),
            inferences=self._runner.statistics.inferences,
        )

    def _infer(
        self, piece: wire.FramePiece, now_ns: int
    ) -> wire.FrameAnswer | Later[wire.FrameAnswer]:
        if piece.length > MAX_FRAME_BYTES:
            raise RefusalError(Code.NO_MEMORY, f"{piece.length} bytes, at most {MAX_FRAME_BYTES}")
        key = EdgeCommand.INFER, piece.session << 32 | piece.number
        if key in self._jobs:
            return self._later(self._jobs[key])
        if piece.offset + len(piece.data) > piece.length:
            end = piece.offset + len(piece.data)
            raise RefusalError(Code.INVALID, f"a piece ends at {end} of {piece.length} bytes")
        if piece.offset == 0:
            self._frame_key, self._frame = key, bytearray()
        known = self._frame_key == key
        if not known or piece.offset > len(self._frame):
            return wire.FrameAnswer(len(self._frame) if known else 0)
        self._frame[piece.offset :] = piece.data
        if len(self._frame) < piece.length:
            return wire.FrameAnswer(len(self._frame))
        whole = _checked(replace(piece, offset=0, data=bytes(self._frame)))
        return self._later(self._once(key, whole, now_ns))

    def _engine(self, request: wire.OpenEngine, now_ns: int) -> Later[wire.RunInfo]:
        key = EdgeCommand.ENGINE, request.number
        if key not in self._jobs:
            self._runner.energies.clear()
        return self._later(self._once(key, request, now_ns))

    def _finish(self, request: wire.FinishEngine, now_ns: int) -> Later[wire.Finished]:
        key = EdgeCommand.FINISH, request.number
        return self._later(self._once(key, request, now_ns))

    def _energies(self, request: wire.EnergiesWanted, now_ns: int) -> wire.Energies:
        kept = self._runner.energies
        while kept and kept[0][0] < request.first:
            kept.popleft()
        given = min(len(kept), _ENERGIES_PER_ANSWER)
        return wire.Energies(tuple(kept[i] for i in range(given)))

    def _read_log(self, request: wire.LogWanted, now_ns: int) -> wire.LogBatch:
        history = self._log.history
        other = request.boot not in (None, history.boot)
        first = 0 if other else request.first
        part = self._log.read(first, _MAX_BATCH_BYTES // _MIN_ENTRY_BYTES)
        before = history.before if other else None
        room = _MAX_BATCH_BYTES - (_BOOT_BYTES * len(before) if before else 0)
        batch, count = log_batch.encode(part.entries, room)
        return wire.LogBatch(part.first, count, part.end, now_ns, batch, history.boot, before)

    def _roll_back(self, request: wire.RollBack, now_ns: int) -> Empty:
        try:
            self._slots.roll_back(request.reason[:200])
        except SlotError as error:
            raise RefusalError(Code.BAD_STATE, str(error)) from error
        return Empty()

    def _once(self, key: tuple[EdgeCommand, int], request: WorkerRequest, now_ns: int) -> int:
        """Return the job of a request, started now unless the client repeats it."""
        if key not in self._jobs:
            self._jobs[key] = self._runner.submit(request, now_ns)
            for old in list(self._jobs)[:-_REMEMBERED_JOBS]:
                del self._jobs[old]
        return self._jobs[key]

    def _later(self, job: int) -> Later[Any]:
        return Later(lambda now_ns: self._runner.answer(job))


def _checked(frame: wire.FramePiece) -> wire.FramePiece:
    """Return a whole frame that is an array. Raises RefusalError."""
    dtype, shape = frame.dtype, frame.shape
    if dtype not in ("uint8", "int8", "float32"):
        raise RefusalError(Code.INVALID, f"dtype {dtype!r}: uint8, int8 or float32")
    if 0 in shape or len(shape) > _MAX_RANK:
        raise RefusalError(
            Code.INVALID, f"shape {list(shape)}: at most {_MAX_RANK} numbers above 0"
        )
    if math.prod(shape) * np.dtype(dtype).itemsize != len(frame.data):
        raise RefusalError(
            Code.INVALID, f"{len(frame.data)} bytes are no {dtype} of shape {list(shape)}"
        )
    return frame

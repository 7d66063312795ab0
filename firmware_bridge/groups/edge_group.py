"""SMP group 70, ours: the board, runs, statistics, policy, power log, time. See PROTOCOL.md."""

from collections.abc import Callable

import numpy as np

from edge_infer.firmware_bridge.errors import SlotError
from edge_infer.firmware_bridge.log import log_codec
from edge_infer.firmware_bridge.log.power_log import PowerLog
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import BUFFER_BYTES
from edge_infer.firmware_bridge.smp.dispatch import (
    CommandGroup,
    Later,
    RefusalError,
    data,
    integer,
    text,
)
from edge_infer.firmware_bridge.smp.message import Body, Code, Group, Op
from edge_infer.firmware_bridge.worker.runner import Runner
from edge_infer.firmware_bridge.worker.worker_messages import (
    FinishEngine,
    InferFrame,
    OpenEngine,
    RunSamples,
    WorkerRequest,
)

INFO, STATISTICS, RUN, INFER, ENGINE, FINISH, ENERGIES, LOG, TIME, ROLLBACK = range(10)

MAX_FRAME_BYTES = 16 << 20
_MAX_FRAMES = 1 << 31
_MAX_BATCH_BYTES = BUFFER_BYTES - 128
"""Room for the header and the rest of the answer."""
_MIN_ENTRY_BYTES = 3
_ENERGIES_PER_ANSWER = 24
_REMEMBERED_JOBS = 32


class EdgeGroup:
    """Answers for the runner, the slots' history and the power log."""

    def __init__(self, slots: Slots, runner: Runner, log: PowerLog) -> None:
        self._slots = slots
        self._runner = runner
        self._log = log
        self._frame = bytearray()
        self._frame_number = -1
        self._jobs: dict[tuple[int, int], int] = {}
        """Command and the client's number to our job: a repeated request starts nothing twice."""

    def group(self) -> CommandGroup:
        """Return the commands."""
        return CommandGroup(
            Group.EDGE_INFER,
            "edge-infer",
            {
                (INFO, Op.READ): self._info,
                (STATISTICS, Op.READ): self._statistics,
                (RUN, Op.WRITE): self._run,
                (INFER, Op.WRITE): self._infer,
                (ENGINE, Op.WRITE): self._engine,
                (FINISH, Op.WRITE): self._finish,
                (ENERGIES, Op.READ): self._energies,
                (LOG, Op.READ): self._read_log,
                (TIME, Op.READ): lambda body, now_ns: {"ns": now_ns},
                (ROLLBACK, Op.WRITE): self._roll_back,
            },
        )

    def _info(self, body: Body, now_ns: int) -> Body:
        state = self._slots.state
        revert = state.last_revert
        return {
            "run": self._runner.info,
            "failure": self._runner.statistics.last_failure,
            "trial": self._slots.on_trial,
            "confirmed": state.confirmed,
            "counter": state.security_counter,
            "resets": state.resets,
            "revert": revert and {"version": revert.version, "digest": revert.digest,
                                  "reason": revert.reason},
        }  # fmt: skip

    def _statistics(self, body: Body, now_ns: int) -> Body:
        total = self._runner.statistics
        return {
            "inferences": total.inferences,
            "exits": [[exit_index, count] for exit_index, count in sorted(total.exits.items())],
            "labelled": total.labelled,
            "correct": total.correct,
            "net": total.net_nj,
            "gross": total.gross_nj,
            "restarts": total.restarts,
            "failure": total.last_failure,
            "busy": any(self._runner.running(job) for job in self._jobs.values()),
            "log_first": self._log.first,
            "log_end": self._log.end,
        }

    def _run(self, body: Body, now_ns: int) -> Body:
        frames = integer(body, "frames")
        if not 0 < frames < _MAX_FRAMES:
            raise RefusalError(Code.INVALID, f"{frames} frames: 1 to {_MAX_FRAMES - 1}")
        others = [job for (command, _), job in self._jobs.items() if command == RUN]
        if (RUN, body.get("n")) not in self._jobs and any(map(self._runner.running, others)):
            raise RefusalError(Code.BUSY, "another run is under way")
        job = self._once((RUN, integer(body, "n")), lambda job: RunSamples(job, frames), now_ns)
        answer = self._runner.answer(job)
        done = self._runner.statistics.inferences
        return {"done": answer is not None, "inferences": done, **(answer or {})}

    def _infer(self, body: Body, now_ns: int) -> Body | Later:
        number, offset, length = integer(body, "n"), integer(body, "off"), integer(body, "len")
        if length > MAX_FRAME_BYTES:
            raise RefusalError(Code.NO_MEMORY, f"{length} bytes, at most {MAX_FRAME_BYTES}")
        key = INFER, integer(body, "session") << 32 | number
        if key in self._jobs:
            return self._later(self._jobs[key])
        if offset == 0:
            self._frame_number, self._frame = number, bytearray()
        if number != self._frame_number or offset > len(self._frame):
            return {"off": len(self._frame) if number == self._frame_number else 0}
        self._frame[offset:] = data(body, "data")
        if len(self._frame) < length:
            return {"off": len(self._frame)}
        request = _frame_request(number, bytes(self._frame), body)
        return self._later(self._once(key, request, now_ns))

    def _engine(self, body: Body, now_ns: int) -> Body | Later:
        policy, ratio = text(body, "policy", "performance"), text(body, "ratio", "1.0")
        key = ENGINE, integer(body, "n")
        if key not in self._jobs:
            self._runner.energies.clear()
        return self._later(self._once(key, lambda job: OpenEngine(job, policy, ratio), now_ns))

    def _finish(self, body: Body, now_ns: int) -> Body | Later:
        return self._later(self._once((FINISH, integer(body, "n")), FinishEngine, now_ns))

    def _energies(self, body: Body, now_ns: int) -> Body:
        """Return settled energies from inference number "from" on; older ones are let go."""
        wanted = integer(body, "from", 0)
        kept = self._runner.energies
        while kept and kept[0][0] < wanted:
            kept.popleft()
        return {"energies": [kept[i] for i in range(min(len(kept), _ENERGIES_PER_ANSWER))]}

    def _read_log(self, body: Body, now_ns: int) -> Body:
        start = integer(body, "from")
        part = self._log.read(start, _MAX_BATCH_BYTES // _MIN_ENTRY_BYTES)
        batch, count = log_codec.encode(part.entries, _MAX_BATCH_BYTES)
        return {"first": part.first, "count": count, "end": part.end, "ns": now_ns, "batch": batch}

    def _roll_back(self, body: Body, now_ns: int) -> Body:
        try:
            self._slots.roll_back(text(body, "reason", "asked by the host")[:200])
        except SlotError as error:
            raise RefusalError(Code.BAD_STATE, str(error)) from error
        return {}

    def _once(self, key: tuple[int, int], make: Callable[[int], WorkerRequest], now_ns: int) -> int:
        """Return the job of a request, started now unless the client repeats it."""
        if key not in self._jobs:
            self._jobs[key] = self._runner.submit(make, now_ns)
            for old in list(self._jobs)[:-_REMEMBERED_JOBS]:
                del self._jobs[old]
        return self._jobs[key]

    def _later(self, job: int) -> Later:
        return Later(lambda now_ns: self._runner.answer(job))


def _frame_request(number: int, frame: bytes, body: Body) -> Callable[[int], InferFrame]:
    dtype, shape = text(body, "dtype"), body.get("shape")
    if dtype not in ("uint8", "int8", "float32"):
        raise RefusalError(Code.INVALID, f"dtype {dtype!r}: uint8, int8 or float32")
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
        raise RefusalError(Code.INVALID, f"shape {shape!r}: a list of numbers above 0")
    needed = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if needed != len(frame):
        raise RefusalError(Code.INVALID, f"{len(frame)} bytes are no {dtype} of shape {shape}")
    return lambda job: InferFrame(job, number, frame, dtype, tuple(shape))

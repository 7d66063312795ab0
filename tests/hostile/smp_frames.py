"""SMP frames with something wrong in their body or header, to the device and to the host."""

import contextlib
import itertools
import logging
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakes.bridge_device import FakeSelfTests, bundle_file, digest
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.tiny_bundles import write_early_exit
from tests.hostile.cbor_mutation import mutated, shared_lists
from tests.hostile.suite import Suite, Tally

from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
from edge_infer.firmware_bridge.device.operators import OperatorSettings
from edge_infer.firmware_bridge.errors import LinkError
from edge_infer.firmware_bridge.host.link import _answer
from edge_infer.firmware_bridge.image.bundle_file import pack_bundle
from edge_infer.firmware_bridge.image.keys import SigningKey, TrustedKeys
from edge_infer.firmware_bridge.smp.agent import BUFFER_BYTES
from edge_infer.firmware_bridge.smp.client import Client
from edge_infer.firmware_bridge.smp.framing import Framing, encode
from edge_infer.firmware_bridge.smp.message import Header, Message
from edge_infer.firmware_bridge.wire import edge, inference, log_batch, proof, standard
from edge_infer.firmware_bridge.wire.command import Body, Command, Op
from edge_infer.firmware_bridge.worker.worker_pipe import Job, WorkerEvent, WorkerSettings

KEY, OPERATOR = SigningKey.generate(), SigningKey.generate()
KEYS = TrustedKeys([("release", KEY.public)])
COMMANDS: tuple[Command[Any, Any], ...] = (
    *standard.COMMANDS, *edge.COMMANDS, *proof.COMMANDS,
)  # fmt: skip
CORPUS = Path(__file__).parent / "corpus" / "bodies.txt"
"""Bodies that once did harm: a name and hex, one a line."""
FRAME_S = 0.05
_LIMIT_S = FRAME_S
_ROUND_NS = 20_000_000
_A_FILE = bundle_file(3)

REQUESTS: dict[Command[Any, Any], list[Body]] = {
    standard.ECHO: [{"d": "hello"}],
    standard.SYSTEM: [{"format": "sv"}],
    standard.BOOTLOADER: [{"query": "mode"}, {}],
    standard.SET_IMAGE_STATE: [{"hash": digest(_A_FILE), "confirm": False}, {"confirm": True}],
    standard.UPLOAD: [
        {"image": 0, "off": 0, "len": len(_A_FILE), "sha": bytes(32), "data": _A_FILE[:200]},
        {"off": 200, "data": _A_FILE[200:400]},
    ],
    standard.ERASE: [{"slot": 1}],
    standard.GROUP_DETAILS: [{"groups": [0, 1, 70]}],
    standard.SINGLE_GROUP: [{"index": 1}],
    edge.RUN: [{"frames": 3, "n": 5}],
    edge.INFER: [
        {"session": 1, "n": 2, "off": 0, "len": 64, "data": bytes(64), "dtype": "uint8",
         "shape": [8, 8, 1]},
        {"session": 1, "n": 3, "off": 0, "len": 64, "data": bytes(20), "dtype": "int8",
         "shape": [8, 8, 1]},
        {"session": 1, "n": 4, "off": 0, "len": 64, "data": b"\xff" * 64, "dtype": "float32",
         "shape": [1, 4, 4, 1, 1]},
    ],
    edge.ENGINE: [
        {"policy": "powersave", "ratio": "1.0", "n": 8}, {"policy": "fixed:1500", "n": 9},
    ],
    edge.FINISH: [{"n": 11}],
    edge.ENERGIES: [{"from": 3}],
    edge.LOG: [{"from": 0}, {"from": 3, "boot": 7}],
    edge.ROLLBACK: [{"reason": "because"}],
    proof.CHALLENGE: [{"nonce": bytes(32)}],
    proof.PROVE: [{"key": OPERATOR.key_hash, "sig": bytes(64)}],
}  # fmt: skip
"""Sound requests; an empty map where none is here."""


def bodies() -> Iterator[tuple[str, bytes]]:
    """Yield the kept corpus."""
    yield "shared lists", shared_lists()
    for line in CORPUS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, text = line.rpartition(" ")
            yield name, bytes.fromhex(text)


def framed(op: int, group: int, number: int, sequence: int, body: bytes, version: int) -> bytes:
    """Return a message with any body, of any operation."""
    head = Header(Op(op), group, number, sequence, len(body) & 0xFFFF, version)
    return head.pack() + body


class _Worker(InProcessWorker):
    """Opens its engine when it is looked at first: a real one does so in its own process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._waiting: WorkerSettings | None = settings

    def send(self, job: Job) -> None:
        self._begin()
        super().send(job)

    def events(self) -> list[WorkerEvent]:
        self._begin()
        return super().events()

    def death(self) -> str | None:
        return None

    def end(self, *, at_once: bool = False) -> None:
        if self._waiting is None:
            super().end(at_once=at_once)

    def _begin(self) -> None:
        settings, self._waiting = self._waiting, None
        if settings is not None:
            super().__init__(settings)
            InProcessWorker.started.clear()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder; in memory where that is, since every change is synced."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="hostile-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def served() -> Iterator[Device]:
    """Give a device that runs a bundle; its line, its worker and its slots are real."""
    with scratch() as folder:
        bundle = write_early_exit(folder)
        settings = DeviceSettings(folder / "state", "sim:raspberry-pi-5")
        operators = OperatorSettings(TrustedKeys([("o", OPERATOR.public)]), required=False)
        device = Device(settings, KEYS, _Worker, lambda *_: FakeSelfTests(), operators)
        file = pack_bundle(Path(bundle.path), key=KEY)
        for name in ("a.img", "b.img"):
            device.slots.storage.create(name)
            device.slots.storage.append(name, file)
        device.reset()
        device.slots.test(digest(file), permanent=True)
        device.reset()
        yield device
        device.close()


@contextlib.contextmanager
def _no_tracebacks() -> Iterator[list[str]]:
    """Give a list of the unexpected errors that were logged meanwhile."""
    logged: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                logged.append(f"{record.getMessage()}: {record.exc_info[1]!r}")

    logger, handler = logging.getLogger("edge_infer"), Handler()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield logged
    finally:
        logger.propagate = True
        logger.removeHandler(handler)


class _Line:
    """Sends frames to a device, and sees that it answers still."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._client = Client()
        self.now_ns = 0
        self.framing = itertools.cycle(Framing)

    def send(self, message: bytes) -> None:
        self.now_ns += _ROUND_NS
        self._device.feed(encode(message, next(self.framing)), self.now_ns)

    def work(self) -> None:
        """Let the worker do what the frame asked for; it may not die of it."""
        runner = self._device.runner
        while runner.info is None:
            self.now_ns += _ROUND_NS
            self._device.poll(self.now_ns)
        for _ in range(3):
            if runner.busy:
                self.now_ns += _ROUND_NS
                self._device.poll(self.now_ns)
        if runner.busy:
            self._device.reset()  # 2^31 frames

    def check(self) -> None:
        self.now_ns += _ROUND_NS
        _, frame = self._client.request(Op.WRITE, 0, 0, {"d": "there?"})
        answers = self._client.feed(self._device.feed(frame, self.now_ns), self.now_ns)
        assert any(body == {"r": "there?"} for _, body in answers), "it does not answer any more"


def _to_device(tally: Tally) -> None:
    with served() as device, _no_tracebacks() as logged:
        line = _Line(device)
        for case in range(tally.count):
            name, message = request(case, tally.rng)
            with tally.case(f"{name} {message.hex()}"):
                line.send(message)
            try:
                line.work()
                if case % 20 == 0:
                    line.check()
                assert not logged, logged.pop()
            except Exception as error:
                tally.fail(f"after {name} {message.hex()}", f"{type(error).__name__}: {error}")


_KEPT = list(bodies())


def request(case: int, rng: random.Random) -> tuple[str, bytes]:
    """Return a name and a hostile message: the kept bodies to every command, then mutations."""
    command = rng.choice(COMMANDS)
    name = f"{command.group.name} {command.number.name}"
    version = rng.randrange(2)
    if case < len(_KEPT) * len(COMMANDS):  # the kept ones to every command
        kept, body = _KEPT[case // len(COMMANDS)]
        command = COMMANDS[case % len(COMMANDS)]
        name = f"{kept}, {command.number.name}"
    else:
        sound = rng.choice(REQUESTS.get(command, [{}]))
        if "n" in sound:  # or it repeats one that was answered
            sound = sound | {"n": rng.randrange(1 << 31)}
        body = mutated(sound, rng)[: BUFFER_BYTES - 8]
    op = command.op if rng.random() < 0.97 else rng.randrange(4)
    number = command.number if rng.random() < 0.97 else rng.randrange(256)
    message = framed(op, command.group, number, rng.randrange(256), body, version)
    if rng.random() < 0.03:
        changed = bytearray(message)
        changed[rng.randrange(8)] = rng.randrange(256)
        message = bytes(changed)
    return name, message


ENTRY = {"slot": 0, "version": "1.0.0", "hash": bytes(32), "active": True, "confirmed": True}
_RECORD: Body = {
    "n": 1, "answer": 2, "exit": 0, "confidence": 0.5, "start": 10, "end": 30, "starts": [10],
    "ends": [30], "points": [[1_500_000, 1]], "switches": 1, "invoke": 9, "ratio": "1.0",
    "probabilities": [0.5, 0.5],
}  # fmt: skip
_ENERGY: Body = {
    "origin": "simulated", "start": 0, "end": 5, "gross": 5, "idle_uw": 4, "idle_error_uw": 1,
    "gross_error": 2, "net_error": None, "share": 0.5, "samples": 3, "lost": 0, "saturated": 0,
    "busy": 1,
}  # fmt: skip
_RUN: Body = {
    "bundle": "b", "version": "1.0.0", "board": "x", "simulated": True, "metered": True,
    "policy": "performance", "ratio": "1.0", "exits": ["a", "b"], "backend": {"name": "litert"},
}  # fmt: skip
ANSWERS: dict[Command[Any, Any], Body] = {
    standard.ECHO: {"r": "hello"},
    standard.PARAMETERS: {"buf_size": 2048, "buf_count": 4},
    standard.IMAGES: {"images": [ENTRY, ENTRY | {"slot": 1}]},
    standard.SET_IMAGE_STATE: {"images": [ENTRY]},
    standard.UPLOAD: {"off": 200, "match": True},
    edge.INFO: {
        "run": _RUN, "failure": "", "trial": False, "confirmed": True, "counter": 1, "resets": 3,
        "revert": {"version": "1", "digest": "00", "reason": "because"},
    },
    edge.STATISTICS: {
        "inferences": 1, "exits": [[0, 1]], "labelled": 1, "correct": 1, "net": 1, "gross": 2,
        "restarts": 0, "failure": "", "busy": False, "log_first": 0, "log_end": 9,
    },
    edge.RUN: {"done": True, "inferences": 1, "frames": 1, "residency": [[5, 6]],
               "energy": _ENERGY},
    edge.INFER: _RECORD,
    edge.ENGINE: _RUN,
    edge.FINISH: {"residency": [[5, 6]], "energy": _ENERGY},
    edge.ENERGIES: {"energies": [[1, "simulated", 5, 4, None, 0.5]]},
    edge.LOG: {"first": 0, "count": 3, "end": 3, "ns": 1, "boot": 4, "before": [[3, 9]],
               "batch": bytes.fromhex(
                   "1080897a01904e809f49a0bc2001c0843dc08db701008ec80d0008c801")},
    edge.TIME: {"ns": 5},
    proof.CHALLENGE: {"id": bytes(16), "boot": 1, "nonce": bytes(32)},
}  # fmt: skip
"""Sound answers."""


def _to_host(tally: Tally) -> None:
    client = Client()
    commands = list(ANSWERS)
    for case in range(tally.count):
        command = tally.rng.choice(commands)
        sound = ANSWERS[command]
        if tally.rng.random() < 0.1:
            sound = tally.rng.choice(
                [{"rc": 3, "rsn": "no"}, {"err": {"group": 1, "rc": 3}}, {"rc": 0}]
            )
        body = mutated(sound, tally.rng)
        if case < len(_KEPT):
            body = _KEPT[case][1]
        sequence, _ = client.request(command.op, command.group, command.number, {})
        answer = Op.READ_RESPONSE if command.op is Op.READ else Op.WRITE_RESPONSE
        message = framed(answer, command.group, command.number, sequence, body[:4000], 0)
        with tally.case(f"{command.number.name} {message.hex()}"):
            for _, found in client.feed(encode(message, Framing.COBS), case * _ROUND_NS):
                with contextlib.suppress(LinkError):
                    _read(command, found)
        client.forget(sequence)


def _read(command: Command[Any, Any], body: Body) -> None:
    """Take an answer as far as the host's commands do. Raises LinkError alone."""
    answer = _answer(command, body)
    if isinstance(answer, edge.LogBatch):
        log_batch.decode(answer.batch)
    if isinstance(answer, edge.FrameAnswer) and answer.record is not None:
        inference.inference_record(answer.record, 5)
    if isinstance(answer, edge.Energies):
        for row in answer.energies:
            inference.inference_energy(row)
    if isinstance(answer, edge.Finished) and answer.energy is not None:
        inference.energy_totals(answer.energy)
    if isinstance(answer, proof.Challenge):
        proof.signed_text(answer, bytes(32))
    assert Message(Header(Op.READ, 0, 0, 0), answer.pack()).pack()


def _rubbish(tally: Tally) -> None:
    """Bytes that are no frames, or nearly, in pieces of any size."""
    with served() as device:
        line = _Line(device)
        rng = tally.rng
        for case in range(tally.count):
            frame = encode(request(1 << 30, rng)[1], next(line.framing))
            changed = bytearray(frame)
            for _ in range(rng.randint(1, 5)):
                changed[rng.randrange(len(changed))] = rng.choice((0, 6, 9, 10, 4, 20, 255))
            data = bytes(changed) if rng.random() < 0.8 else rng.randbytes(rng.randint(1, 5000))
            with tally.case(data.hex()):
                device.feed(data, case * _ROUND_NS)
            if case % 20 == 0:
                device.feed(b"\n\x00", case * _ROUND_NS)
                line.now_ns = case * _ROUND_NS + 2_000_000_000
                line.check()


SUITES = (
    Suite("SMP frames to the device", 70_000, _to_device, _LIMIT_S),
    Suite("SMP frames to the host", 20_000, _to_host, _LIMIT_S),
    Suite("bytes that are no frames", 10_000, _rubbish, _LIMIT_S),
)

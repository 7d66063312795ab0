"""Questions and answers over a port, one at a time or an upload with several on the way."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.firmware_bridge.errors import (
    DeviceRefusedError,
    FrameError,
    LinkLostError,
    LinkTimeoutError,
)
from edge_infer.firmware_bridge.host.upload_sender import UploadSender
from edge_infer.firmware_bridge.port import BytePort
from edge_infer.firmware_bridge.smp.client import Client, raise_refusal
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.wire.command import A, Body, Command, Empty, Q
from edge_infer.firmware_bridge.wire.proof import (
    CHALLENGE,
    NONCE_BYTES,
    PROVE,
    ChallengeWanted,
    Proof,
    signed_text,
)
from edge_infer.firmware_bridge.wire.standard import (
    NO_UPLOAD,
    PARAMETERS,
    UPLOAD,
    Chunk,
    Code,
)

if TYPE_CHECKING:  # most lines want no key, and so no cryptography
    from edge_infer.firmware_bridge.image.keys import SigningKey

_log = logging.getLogger(__name__)

ANSWER_NS = 1_500_000_000
"""How long one answer may take before the question is repeated."""
RETRIES = 4
RECONNECT_NS = 60_000_000_000
"""How long an unplugged port may stay away."""
_PROOFS_OF_AN_UPLOAD = 8
"""A proof counts for one line: an upload needs another after each time it was unplugged."""
_ANEW_IN_AN_UPLOAD = 8
"""A device that loses its power so often is not going to hold the file."""
_BUSY_PAUSE_NS = 200_000_000
_CHUNK_OVERHEAD_BYTES = 8 + 48
"""SMP header, and the CBOR map around a chunk: keys, offset, lengths."""

Progress = Callable[[int, int], None]
"""Called with bytes that arrived and bytes of the whole."""


class Link:
    """A connection to one device.

    Args:
        port: an open port.
        framing: how messages are written.
        operator: signs who asks, where the device wants to know that.
        reconnect_ns: how long an unplugged port may stay away during an upload.
    """

    def __init__(
        self,
        port: BytePort,
        framing: Framing = Framing.COBS,
        operator: "SigningKey | None" = None,
        reconnect_ns: int = RECONNECT_NS,
    ) -> None:
        self.port = port
        self._operator = operator
        self._reconnect_ns = reconnect_ns
        self._client = Client(framing)
        self.repeated = 0
        """Questions that had to be asked again."""
        self.reconnects = 0
        """Times the port went away and came back."""

    def ask(
        self,
        command: Command[Q, A],
        request: Q,
        *,
        answer_ns: int = ANSWER_NS,
        retries: int = RETRIES,
    ) -> A:
        """Return the answer to a request that may safely be repeated.

        Raises:
            LinkTimeoutError: the device stayed silent.
            LinkLostError: the port went away.
            DeviceRefusedError: the device refused, with its reason.
            FrameError: the answer is none to this request.
        """
        try:
            return self._ask(command, request, answer_ns, retries)
        except DeviceRefusedError as refusal:
            if not self._wants_proof(refusal):
                raise
        self._prove()
        return self._ask(command, request, answer_ns, retries)

    def _ask(self, command: Command[Q, A], request: Q, answer_ns: int, retries: int) -> A:
        for attempt in range(retries + 1):
            self.repeated += attempt > 0
            if attempt:
                _log.info("%s: asked again, question %d", self.port.name, attempt + 1)
            sequence = self._send(command, request)
            answer = self._wait_for(sequence, self.port.now_ns() + answer_ns, again_if_damaged=True)
            if answer is not None:
                return _answer(command, answer)
            self._client.forget(sequence)
        raise LinkTimeoutError(
            f"no answer on {self.port.name} to {retries + 1} questions of "
            f"{answer_ns / 1e9:g} s: is edge-infer serve running there, at this baud rate?"
        )

    def ask_until_ready(self, command: Command[Q, A], request: Q, *, within_ns: int) -> A:
        """Ask again while the device says that it is busy. Raises as `ask`."""
        end_ns = self.port.now_ns() + within_ns
        while True:
            try:
                return self.ask(command, request, answer_ns=2 * ANSWER_NS)
            except DeviceRefusedError as refusal:
                if refusal.code != Code.BUSY or self.port.now_ns() > end_ns:
                    raise
            self.pause(_BUSY_PAUSE_NS)

    def _wants_proof(self, refusal: DeviceRefusedError) -> bool:
        return self._operator is not None and refusal.code == Code.ACCESS_DENIED

    def _prove(self) -> None:
        """Prove the operator's key. Raises as `ask`."""
        assert self._operator is not None
        nonce = secrets.token_bytes(NONCE_BYTES)
        challenge = self._ask(CHALLENGE, ChallengeWanted(nonce), ANSWER_NS, RETRIES)
        signature = self._operator.sign(signed_text(challenge, nonce))
        self._ask(PROVE, Proof(self._operator.key_hash, signature), ANSWER_NS, RETRIES)

    def pause(self, ns: int) -> None:
        """Let time pass; what arrives meanwhile answers nothing any more."""
        self._wait_for(-1, self.port.now_ns() + ns)

    def buffers(self) -> tuple[int, int]:
        """Return the device's message buffer in bytes and how many it has."""
        answer = self.ask(PARAMETERS, Empty())
        return max(256, answer.buffer_bytes), max(1, answer.buffer_count)

    def reconnect(self, within_ns: int = RECONNECT_NS) -> None:
        """Wait for a lost port and open it again. Raises LinkLostError."""
        self._client.line_lost()
        self.port.reopen(self.port.now_ns() + within_ns)
        self.reconnects += 1
        _log.info("%s: connected again", self.port.name)

    def upload(self, file: bytes, progress: Progress = lambda done, total: None) -> UploadSender:
        """Send a bundle file into the device's other slot; survive noise and unplugging.

        Returns the sender, for its counts. Raises as `ask`; LinkLostError when an unplugged port
        stays away.
        """
        size, count = self.buffers()
        sender = UploadSender(len(file), size - _CHUNK_OVERHEAD_BYTES, count)
        proofs, anew = _PROOFS_OF_AN_UPLOAD, _ANEW_IN_AN_UPLOAD
        opening = Chunk(0, b"", image=0, length=len(file), sha=hashlib.sha256(file).digest())
        while not sender.done:
            try:
                self._send_chunks(sender, file, opening)
                self._take_answers(sender)
            except LinkLostError:
                sender.line_lost()
                self.reconnect(self._reconnect_ns)
            except DeviceRefusedError as refusal:
                wanted = self._wants_proof(refusal)
                proofs, anew = proofs - wanted, anew - (not wanted)
                if min(proofs, anew) < 0 or not (wanted or _was_started_anew(refusal)):
                    raise
                sender.line_lost()
                self._client.line_lost()
                if wanted:
                    self._prove()
            progress(sender.acknowledged, len(file))
        return sender

    def _send_chunks(self, sender: UploadSender, file: bytes, opening: Chunk) -> None:
        while piece := sender.next_chunk():
            data = file[piece.offset : piece.offset + piece.size]
            chunk = Chunk(piece.offset, data) if sender.opened else replace(opening, data=data)
            sender.sent(self._send(UPLOAD, chunk), piece, self.port.now_ns())

    def _send(self, command: Command[Q, A], request: Q) -> int:
        """Send a request and return its sequence number."""
        sequence, frame = self._client.request(
            command.op, command.group, command.number, request.pack()
        )
        self.port.write(frame)
        return sequence

    def _take_answers(self, sender: UploadSender) -> None:
        data = self.port.read(sender.timeout_ns())
        now_ns = self.port.now_ns()
        for sequence, body in self._client.feed(data, now_ns):
            progress = _answer(UPLOAD, body)
            sender.answered(sequence, progress.offset, now_ns)
        if not data and now_ns >= sender.timeout_ns():
            for sequence in sender.timed_out():
                self._client.forget(sequence)

    def _wait_for(
        self, sequence: int, until_ns: int, *, again_if_damaged: bool = False
    ) -> Body | None:
        """Return the answer; None when it has not come, or when what came was damaged."""
        damaged = self._client.damaged_frames
        while self.port.now_ns() < until_ns:
            data = self.port.read(until_ns)
            for number, body in self._client.feed(data, self.port.now_ns()):
                if number == sequence:
                    return body
            if again_if_damaged and self._client.damaged_frames > damaged:
                return None
        return None


def _was_started_anew(refusal: DeviceRefusedError) -> bool:
    """Return whether a device lost its power in mid-upload: it goes on from its checkpoint."""
    return str(refusal).startswith(NO_UPLOAD)


def load_operator(path: Path | None) -> "SigningKey | None":
    """Return the private key of an operator, None where no file is named. Raises ImageError."""
    if path is None:
        return None
    from edge_infer.firmware_bridge.image.keys import SigningKey

    return SigningKey.load(path)


def _answer(command: Command[Q, A], body: Body) -> A:
    """Return what a body says. Raises DeviceRefusedError for a refusal, FrameError for nonsense."""
    body = raise_refusal(command.group, body)
    try:
        return command.answer.unpack(body)
    except FrameError as error:
        raise FrameError(f"the device's answer is none to the question: {error}") from error

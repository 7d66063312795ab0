"""Questions and answers over a port: one at a time, or an upload with several on the way."""

import hashlib
from collections.abc import Callable

from edge_infer.firmware_bridge.errors import DeviceRefusedError, LinkLostError, LinkTimeoutError
from edge_infer.firmware_bridge.groups import image_group, os_group
from edge_infer.firmware_bridge.host.upload_sender import UploadSender
from edge_infer.firmware_bridge.line.byte_port import BytePort
from edge_infer.firmware_bridge.smp.client import Client, raise_refusal
from edge_infer.firmware_bridge.smp.framing import Framing
from edge_infer.firmware_bridge.smp.message import Body, Code, Group, Op

ANSWER_NS = 1_500_000_000
"""How long one answer may take before the question is repeated."""
RETRIES = 4
RECONNECT_NS = 60_000_000_000
"""How long an unplugged port may stay away."""
_BUSY_PAUSE_NS = 200_000_000
_CHUNK_OVERHEAD_BYTES = 8 + 48
"""SMP header, and the CBOR map around a chunk: keys, offset, lengths."""

Progress = Callable[[int, int], None]
"""Called with bytes that arrived and bytes of the whole."""


class Link:
    """A connection to one device."""

    def __init__(self, port: BytePort, framing: Framing = Framing.COBS) -> None:
        self.port = port
        self._client = Client(framing)
        self.repeated = 0
        """Questions that had to be asked again."""
        self.reconnects = 0
        """Times the port went away and came back."""

    def ask(
        self,
        op: Op,
        group: int,
        command: int,
        body: Body | None = None,
        *,
        answer_ns: int = ANSWER_NS,
        retries: int = RETRIES,
    ) -> Body:
        """Return the answer to a request that may safely be repeated.

        Raises:
            LinkTimeoutError: the device stayed silent.
            LinkLostError: the port went away.
            DeviceRefusedError: the device refused, with its reason.
        """
        for attempt in range(retries + 1):
            self.repeated += attempt > 0
            sequence, frame = self._client.request(op, group, command, body or {})
            self.port.write(frame)
            answer = self._wait_for(sequence, self.port.now_ns() + answer_ns, again_if_damaged=True)
            if answer is not None:
                return raise_refusal(group, answer)
            self._client.forget(sequence)
        raise LinkTimeoutError(
            f"no answer on {self.port.name} to {retries + 1} questions of "
            f"{answer_ns / 1e9:g} s: is edge-infer serve running there, at this baud rate?"
        )

    def ask_until_ready(
        self, op: Op, group: int, command: int, body: Body | None = None, *, within_ns: int
    ) -> Body:
        """Ask again while the device says that it is busy. Raises as `ask`."""
        end_ns = self.port.now_ns() + within_ns
        while True:
            try:
                return self.ask(op, group, command, body, answer_ns=2 * ANSWER_NS)
            except DeviceRefusedError as refusal:
                if refusal.code != Code.BUSY or self.port.now_ns() > end_ns:
                    raise
            self.pause(_BUSY_PAUSE_NS)

    def pause(self, ns: int) -> None:
        """Let time pass; what arrives meanwhile answers nothing any more."""
        self._wait_for(-1, self.port.now_ns() + ns)

    def buffers(self) -> tuple[int, int]:
        """Return the device's message buffer in bytes and how many it has."""
        answer = self.ask(Op.READ, Group.OS, os_group.PARAMETERS)
        return max(256, int(answer["buf_size"])), max(1, int(answer["buf_count"]))

    def reconnect(self, within_ns: int = RECONNECT_NS) -> None:
        """Wait for a lost port and open it again. Raises LinkLostError."""
        self._client.line_lost()
        self.port.reopen(self.port.now_ns() + within_ns)
        self.reconnects += 1

    def upload(self, file: bytes, progress: Progress = lambda done, total: None) -> UploadSender:
        """Send a bundle file into the device's other slot; survive noise and unplugging.

        Returns the sender, for its counts. Raises as `ask`; LinkLostError when an unplugged port
        stays away.
        """
        size, count = self.buffers()
        sender = UploadSender(len(file), size - _CHUNK_OVERHEAD_BYTES, count)
        opening = {"image": 0, "len": len(file), "sha": hashlib.sha256(file).digest()}
        while not sender.done:
            try:
                self._send_chunks(sender, file, opening)
                self._take_answers(sender)
            except LinkLostError:
                sender.line_lost()
                self.reconnect()
            progress(sender.acknowledged, len(file))
        return sender

    def _send_chunks(self, sender: UploadSender, file: bytes, opening: Body) -> None:
        while chunk := sender.next_chunk():
            end = chunk.offset + chunk.size
            body: Body = {"off": chunk.offset, "data": file[chunk.offset : end]}
            if not sender.opened:
                body |= opening
            sequence, frame = self._client.request(Op.WRITE, Group.IMAGE, image_group.UPLOAD, body)
            self.port.write(frame)
            sender.sent(sequence, chunk, self.port.now_ns())

    def _take_answers(self, sender: UploadSender) -> None:
        data = self.port.read(sender.timeout_ns())
        now_ns = self.port.now_ns()
        for sequence, body in self._client.feed(data, now_ns):
            answer = raise_refusal(Group.IMAGE, body)
            sender.answered(sequence, int(answer.get("off", -1)), now_ns)
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

"""The SMP client, without a port: requests to bytes, bytes to responses, matched by sequence.

It speaks protocol version 1 (0 in the header), whose refusals carry their reason as text.
"""

from edge_infer.firmware_bridge.errors import DeviceRefusedError, FrameError
from edge_infer.firmware_bridge.smp.framing import MAX_MESSAGE_BYTES, FrameDecoder, Framing, encode
from edge_infer.firmware_bridge.smp.message import Header, Message, refused
from edge_infer.firmware_bridge.wire.command import Body, Op, Refusal

_ANSWERS = {Op.READ: Op.READ_RESPONSE, Op.WRITE: Op.WRITE_RESPONSE}


class Client:
    """Numbers requests and recognises their responses; answers nobody waits for are dropped."""

    def __init__(self, framing: Framing = Framing.COBS) -> None:
        self.framing = framing
        self._decoder = FrameDecoder(MAX_MESSAGE_BYTES)
        self._sequence = 0
        self._expected: dict[int, Header] = {}

    @property
    def damaged_frames(self) -> int:
        """Answers that did not arrive intact."""
        return self._decoder.damaged

    def request(self, op: Op, group: int, command: int, body: Body) -> tuple[int, bytes]:
        """Return the sequence number of a new request and the bytes to send."""
        sequence = self._sequence
        self._sequence = (sequence + 1) % 256
        header = Header(op, group, command, sequence, version=0)
        self._expected[sequence] = header
        return sequence, encode(Message(header, body).pack(), self.framing)

    def feed(self, data: bytes, now_ns: int) -> list[tuple[int, Body]]:
        """Take bytes from the line; return (sequence, body) of each response to a request.

        A refusal is a body too: `raise_refusal` tells.
        """
        answers = []
        for received in self._decoder.feed(data, now_ns):
            try:
                message = Message.unpack(received.message)
            except FrameError:
                continue
            if self._is_answer(message.header):
                del self._expected[message.header.sequence]
                answers.append((message.header.sequence, message.body))
        return answers

    def forget(self, sequence: int) -> None:
        """Do not take a late response to this request for one to a later request."""
        self._expected.pop(sequence, None)

    def line_lost(self) -> None:
        """Forget what was under way on a line that went away."""
        self._decoder = FrameDecoder(MAX_MESSAGE_BYTES)
        self._expected.clear()

    def _is_answer(self, header: Header) -> bool:
        asked = self._expected.get(header.sequence)
        return asked is not None and (
            (header.group, header.command, header.op)
            == (asked.group, asked.command, _ANSWERS[asked.op])
        )


def raise_refusal(group: int, body: Body) -> Body:
    """Return a body that is an answer. Raises DeviceRefusedError when it is a refusal."""
    refusal = refused(body)
    if refusal is None:
        return body
    named, code = refusal
    reason = Refusal.unpack(body).reason or f"the device refused with code {code}"
    raise DeviceRefusedError(group if named is None else named, code, reason)

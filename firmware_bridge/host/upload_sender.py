"""The sending side of an upload, without a port: which chunk next, what an answer means.

Several chunks are on the way at once. A line keeps order, so an answer tells about everything
sent before it: if the device then wants an offset that was sent earlier, that chunk is lost, and
only it is sent again. A device that does not keep early chunks is noticed by the same rule.
"""

from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import LinkTimeoutError

FIRST_CHUNK_BYTES = 128
"""The first request opens the session; small, since a resumed upload throws its data away, but
holding the image header, as Zephyr's server wants."""
MIN_CHUNK_BYTES = 128
_GROWTH_BYTES = 16
"""A loss costs a quarter of the chunk size, an arrival gives this back: at one byte error in
10,000 the size settles near 1 KiB, where framing and repetition together cost least."""

_FIRST_TIMEOUT_NS = 3_000_000_000
_MIN_TIMEOUT_NS = 600_000_000
_MAX_TIMEOUTS = 8
"""In a row, before the device counts as silent."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What to send next."""

    offset: int
    size: int


@dataclass(slots=True)
class _Sent:
    order: int
    chunk: Piece
    sent_ns: int


class UploadSender:
    """Plans the chunks of one upload.

    Args:
        length: bytes of the whole file.
        max_chunk_bytes: what fits the device's buffer.
        window: chunks that may be on the way.
    """

    def __init__(self, length: int, max_chunk_bytes: int, window: int) -> None:
        self.length = length
        self.acknowledged = 0
        """Offset that the device wants next: everything before it has arrived."""
        self.resent = 0
        """Chunks that had to be sent more than once."""
        self.opened = False
        """The device has answered the first request: the session is open."""
        self._max_chunk = self._chunk = max_chunk_bytes
        self._window = window
        self._order = 0
        self._flying: dict[int, _Sent] = {}
        self._held: dict[int, int] = {}
        """Offset to size of chunks that arrived before their turn, if the device keeps such."""
        self._sent_to = 0
        self._timeouts = 0
        self._round_trip_ns: float | None = None
        self._deviation_ns = 0.0
        self._quiet_since_ns = 0

    @property
    def done(self) -> bool:
        """The device has everything."""
        return self.opened and self.acknowledged >= self.length

    def next_chunk(self) -> Piece | None:
        """Return what to send now, None while the window is full or all is on the way."""
        if not self.opened:
            first = Piece(0, min(FIRST_CHUNK_BYTES, self.length))
            return None if self._flying else first
        if len(self._flying) >= self._window:
            return None
        covered = self._held | {s.chunk.offset: s.chunk.size for s in self._flying.values()}
        at = self.acknowledged
        while at in covered:
            at += covered[at]
        if at >= self.length:
            return None
        end = min((offset for offset in covered if offset > at), default=self.length)
        return Piece(at, min(self._chunk, end - at))

    def sent(self, sequence: int, chunk: Piece, now_ns: int) -> None:
        """Note that `chunk` was sent as request number `sequence`."""
        self.resent += chunk.offset < self._sent_to
        self._sent_to = max(self._sent_to, chunk.offset + chunk.size)
        self._order += 1
        self._flying[sequence] = _Sent(self._order, chunk, now_ns)
        self._quiet_since_ns = now_ns

    def answered(self, sequence: int, wanted: int, now_ns: int) -> None:
        """Note the device's answer to a request: the offset it wants next."""
        sent = self._flying.get(sequence)
        if sent is None or not 0 <= wanted <= self.length:
            return
        self._time_round_trip(now_ns - sent.sent_ns)
        self._quiet_since_ns, self._timeouts = now_ns, 0
        if not self.opened:
            self._open(wanted)
            return
        before = [key for key, other in self._flying.items() if other.order < sent.order]
        lost = [key for key in before if self._flying.pop(key).chunk.offset >= wanted]
        del self._flying[sequence]
        self._acknowledge(wanted)
        if sent.chunk.offset > wanted:
            self._held[sent.chunk.offset] = sent.chunk.size
        if lost:
            self._shrink()

    def timeout_ns(self) -> int:
        """Return when, without an answer, `timed_out` is due."""
        if self._round_trip_ns is None:
            return self._quiet_since_ns + _FIRST_TIMEOUT_NS
        wait_ns = max(_MIN_TIMEOUT_NS, 2 * self._round_trip_ns + 4 * self._deviation_ns)
        return self._quiet_since_ns + round(wait_ns * (1 + self._timeouts / 4))

    def timed_out(self) -> list[int]:
        """Give up what is on the way; return the sequence numbers that nobody waits for now.

        Raises LinkTimeoutError when the device has been silent too often.
        """
        self._timeouts += 1
        if self._timeouts > _MAX_TIMEOUTS:
            raise LinkTimeoutError(
                f"no answer after {_MAX_TIMEOUTS} repetitions at {self.acknowledged} of "
                f"{self.length} bytes: check the cable and that edge-infer serve runs"
            )
        return self._give_up()

    def line_lost(self) -> None:
        """Start again on a new line: the device will say where to go on."""
        self._give_up()
        self._timeouts = 0
        self.opened = False

    def _give_up(self) -> list[int]:
        lost = list(self._flying)
        self._flying.clear()
        self._held.clear()
        self._shrink()
        return lost

    def _open(self, wanted: int) -> None:
        self.opened = True
        self._flying.clear()
        self._held.clear()
        self.acknowledged = wanted

    def _acknowledge(self, wanted: int) -> None:
        if wanted > self.acknowledged:
            self._chunk = min(self._max_chunk, self._chunk + _GROWTH_BYTES)
        self.acknowledged = wanted
        if wanted in self._held:
            self._held.clear()  # it came, early, and is wanted still: this device keeps none
        self._held = {offset: size for offset, size in self._held.items() if offset > wanted}

    def _shrink(self) -> None:
        self._chunk = max(min(MIN_CHUNK_BYTES, self._max_chunk), self._chunk - self._chunk // 4)

    def _time_round_trip(self, took_ns: int) -> None:
        """Smoothed round trip and deviation (RFC 6298, section 2)."""
        if self._round_trip_ns is None:
            self._round_trip_ns, self._deviation_ns = float(took_ns), took_ns / 2
            return
        error_ns = took_ns - self._round_trip_ns
        self._deviation_ns += (abs(error_ns) - self._deviation_ns) / 4
        self._round_trip_ns += error_ns / 8

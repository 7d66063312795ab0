"""An MQTT 3.1.1 broker on a socket, as small as a client will take; and a client without one."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 12, 13, 14


class FakeBroker:
    """Listens on a free port; confirms what comes, keeps it by topic, and knows the last will.

    Args:
        password: that a client must give.
        cut_after: drop the connection after so many messages, once each.
        context: of TLS.
    """

    def __init__(
        self,
        password: str | None = None,
        cut_after: tuple[int, ...] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.messages: dict[str, list[bytes]] = {}
        self.retained: dict[str, bytes] = {}
        self.connections = 0
        self._password, self._cuts = password, list(cut_after)
        self._will: tuple[str, bytes] | None = None
        self._wanted: list[tuple[Callable[[FakeBroker], bool], threading.Event]] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def wait_for(self, holds: Callable[["FakeBroker"], bool], within_s: float = 30.0) -> bool:
        """Wait until something holds, looked at after every packet."""
        event = threading.Event()
        self._wanted.append((holds, event))
        self._look()
        return event.wait(within_s)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    def __enter__(self) -> "FakeBroker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _look(self) -> None:
        for holds, event in list(self._wanted):
            if holds(self):
                event.set()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                if self._context is None:
                    self._serve(connection)
                    continue
                try:
                    with self._context.wrap_socket(connection, server_side=True) as encrypted:
                        self._serve(encrypted)
                except OSError:  # a handshake that the client breaks off
                    continue

    def _serve(self, connection: socket.socket) -> None:
        self._will, came = None, 0
        stream = connection.makefile("rb")
        try:
            while True:
                kind, flags, body = _packet(stream)
                if kind == CONNECT and not self._welcome(connection, body):
                    return
                if kind == PUBLISH:
                    came += 1
                    if self._cuts and came > self._cuts[0]:
                        del self._cuts[0]
                        return
                    self._publish(connection, flags, body)
                if kind == PINGREQ:
                    connection.sendall(bytes([PINGRESP << 4, 0]))
                if kind == DISCONNECT:
                    self._will = None
                    return
                self._look()
        except (OSError, EOFError):
            return
        finally:
            stream.close()
            if self._will is not None:
                self.retained[self._will[0]] = self._will[1]
            self._look()

    def _welcome(self, connection: socket.socket, body: bytes) -> bool:
        self.connections += 1
        flags, at = body[7], 10
        fields = []
        while at < len(body):
            length = struct.unpack_from("!H", body, at)[0]
            fields.append(body[at + 2 : at + 2 + length])
            at += 2 + length
        password = fields[-1].decode() if flags & 0x40 else None
        good = self._password is None or password == self._password
        connection.sendall(bytes([CONNACK << 4, 2, 0, 0 if good else 5]))
        if good and flags & 0x04:
            self._will = fields[1].decode(), fields[2]
        return good

    def _publish(self, connection: socket.socket, flags: int, body: bytes) -> None:
        length = struct.unpack_from("!H", body)[0]
        topic, at = body[2 : 2 + length].decode(), 2 + length
        if flags & 0x06:
            connection.sendall(bytes([PUBACK << 4, 2]) + body[at : at + 2])
            at += 2
        self.messages.setdefault(topic, []).append(body[at:])
        if flags & 0x01:
            self.retained[topic] = body[at:]


def _packet(stream: Any) -> tuple[int, int, bytes]:
    first = stream.read(1)
    if not first:
        raise EOFError
    length = shift = 0
    while True:
        digit = stream.read(1)[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            break
    return first[0] >> 4, first[0] & 0x0F, stream.read(length)


class FakeClient:
    """A client whose network the test holds: `up` and `down` say when there is one."""

    def __init__(self) -> None:
        self.on_connect: Any = None
        self.on_connect_fail: Any = None
        self.on_disconnect: Any = None
        self.on_publish: Any = None
        self.is_up = False
        self.came: list[tuple[str, str]] = []
        self.counts: dict[str, int] = {}
        self.kept: dict[int, tuple[str, str]] = {}
        self.most_kept = 0
        self._number = 0
        self._lock = threading.RLock()

    def will_set(self, topic: str, payload: str, qos: int, retain: bool) -> None:
        self.will = topic, payload, retain

    def connect_async(self, host: str, port: int, keepalive: int) -> None:
        self.address = host, port

    def loop_start(self) -> None: ...

    def loop_stop(self) -> None: ...

    def disconnect(self) -> None:
        self.is_up = False

    def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> Any:
        with self._lock:
            self._number = self._number % 65535 + 1
            number = self._number
            self.kept[number] = topic, payload
            self.most_kept = max(self.most_kept, len(self.kept))
            if self.is_up and retain:  # confirmed once the caller has its number
                self._confirm_later(number)
            elif self.is_up:
                self._confirm(number)
        return SimpleNamespace(mid=number, rc=0)

    def up(self) -> None:
        with self._lock:
            self.is_up = True
            self.on_connect(self, None, None, SimpleNamespace(is_failure=False), None)
            for number in list(self.kept):
                self._confirm(number)

    def down(self) -> None:
        with self._lock:
            self.is_up = False
            self.on_disconnect(self, None, None, "Unspecified error", None)

    def _confirm_later(self, number: int) -> None:
        """Own messages are published from `up`, which confirms all that is kept at its end."""

    def _confirm(self, number: int) -> None:
        topic, payload = self.kept.pop(number)
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.came = [*self.came[-9:], (topic, payload)]
        self.on_publish(self, None, number, None, None)

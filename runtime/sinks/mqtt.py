"""Answers to an MQTT broker: published with QoS 1, and counted once the broker has confirmed them.

A window of unconfirmed messages is handed to the client; all others wait in the sink's own bounded
queue, so that an outage of any length takes no memory. The client connects and reconnects by
itself, in a thread of its own. `TOPIC/availability` is retained: "online", and "offline" at the
end or, by the last will, once the broker misses us.
"""

import json
import logging
import ssl
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.home_assistant import Device, discovery_messages
from edge_infer.runtime.sinks.mqtt_address import MqttAddress
from edge_infer.runtime.sinks.row import row_of
from edge_infer.runtime.sinks.sink import Sink

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_log = logging.getLogger(__name__)

WINDOW = 20
"""Answers that the broker has not confirmed yet; MQTT clients' usual number."""
PATIENCE_S = 5.0
KEEPALIVE_S = 30
RECONNECT_S = 1.0, 30.0
"""First and longest wait between two tries to connect; it doubles from try to try."""
_NO_TLS = ssl.SSLError, TimeoutError, ConnectionResetError
"""What a handshake ends with where the other side speaks something else."""
_NOT_TAKEN = 15
"""MQTT_ERR_QUEUE_SIZE: the client did not take the message, and will not send it."""
ONLINE, OFFLINE = "online", "offline"


class MqttSink(Sink):
    """Publishes each record as JSON.

    Args:
        address: of broker and topic.
        reader: of the bundle.
        device: what Home Assistant shall find; None for nothing.
        tell: called from the client's thread with a sentence on what keeps answers from arriving,
            once for each cause.
        client: the client; a paho-mqtt one if None.
        window: answers that may be unconfirmed.

    Raises:
        RunError: paho-mqtt is not installed.
        InputError: the authority's certificate cannot be read.
    """

    keeps_all = False
    patience_s = PATIENCE_S

    def __init__(
        self,
        address: MqttAddress,
        reader: AnswerReader,
        device: Device | None,
        tell: Callable[[str], None],
        client: "Client | None" = None,
        window: int = WINDOW,
    ) -> None:
        self.name = address.text
        self._address, self._reader, self._device, self._tell = address, reader, device, tell
        self._window = window
        self._told: set[str] = set()
        self._changed = threading.Condition()
        self._connected = self._closing = self._refused = False
        self._counted = False
        """What is confirmed from now on is no answer, or too late."""
        self._published = 0
        self.unconfirmed: set[int] = set()
        """Numbers of messages that are no answers, not confirmed yet."""
        self.client = client or new_client(address)
        self.client.on_connect = self._on_connect
        self.client.on_connect_fail = self._on_connect_fail
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish
        self.client.will_set(self._availability, OFFLINE, qos=1, retain=True)
        self.client.connect_async(address.host, address.port, KEEPALIVE_S)
        self.client.loop_start()

    def write(self, record: InferenceRecord) -> None:
        """Publish one record; waits while the window is full, as in an outage."""
        payload = json.dumps(row_of(record, self._reader))
        with self._changed:
            self._changed.wait_for(self._may_publish)
            if self._closing:
                raise RunError("the run ended before the broker took all answers")
            self._published += 1
        # Outside the lock: the client holds one of its own while it confirms.
        info = self.client.publish(self._address.topic, payload, qos=1)
        if info.rc == _NOT_TAKEN:
            with self._changed:
                self._published -= 1

    def give_up(self) -> None:
        """Let `write` wait no more: the run's patience is over."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for what the broker has not confirmed, say that nothing more comes, and leave."""
        with self._changed:
            if not self._closing:
                self._changed.wait_for(lambda: self._closing or self._unconfirmed == 0)
            self._closing = self._counted = True
            left = self._unconfirmed
        if self._connected:
            self.client.publish(self._availability, OFFLINE, qos=1, retain=True)
        self.client.disconnect()
        self.client.loop_stop()
        if left:
            raise RunError(f"{left} answers were sent and not confirmed by the broker")

    @property
    def _availability(self) -> str:
        return f"{self._address.topic}/availability"

    @property
    def _where(self) -> str:
        return f"{self._address.host}:{self._address.port}"

    @property
    def _unconfirmed(self) -> int:
        return self._published - self.delivered

    def _may_publish(self) -> bool:
        return self._closing or (self._connected and self._unconfirmed < self._window)

    # -- called from the client's thread ---------------------------------------------------------

    def _on_connect(
        self, client: "Client", userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        self._refused = reason.is_failure
        if self._refused:
            self._say(f"the broker refuses: {reason}{_MENDS.get(str(reason), '')}")
            return
        _log.info("%s: connected", self.name)
        self._publish_own(self._availability, ONLINE)
        if self._device is not None:
            for topic, payload in discovery_messages(self._device, self._address.topic):
                self._publish_own(topic, payload)
        with self._changed:
            self._connected = True
            self._changed.notify_all()

    def _publish_own(self, topic: str, payload: str) -> None:
        self.unconfirmed.add(self.client.publish(topic, payload, qos=1, retain=True).mid)

    def _on_connect_fail(self, client: "Client", userdata: Any) -> None:
        error = sys.exc_info()[1]  # the client calls this where it has caught it
        if isinstance(error, ssl.SSLCertVerificationError):
            self._say(
                f"the broker's certificate is not known ({error.verify_message}): name who signed "
                "it with --mqtt-ca FILE"
            )
        else:
            reason = getattr(error, "strerror", None) or str(error or "no connection")
            if self._address.encrypted and isinstance(error, _NO_TLS):
                reason = "no TLS there: mqtts:// is for a port that speaks it, 8883 as a rule"
            self._say(f"no connection to {self._where}: {reason}")

    def _on_disconnect(
        self, client: "Client", userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            was, self._connected = self._connected, False
        if was:
            self._say(f"the connection was lost: {reason}")
        elif not self._refused:
            self._say(f"{self._where} takes connections and does not answer as a broker does")

    def _on_publish(
        self, client: "Client", userdata: Any, number: int, reason: Any, properties: Any
    ) -> None:
        if number in self.unconfirmed:
            self.unconfirmed.discard(number)
            return
        with self._changed:
            self.delivered += not self._counted
            self._changed.notify_all()

    def _say(self, cause: str) -> None:
        """Tell a cause once; it is tried again each time."""
        _log.info("%s: %s", self.name, cause)
        if cause not in self._told and not self._closing:
            self._told.add(cause)
            self._tell(f"{self.name}: {cause}; answers wait, and it is tried again")


_MENDS = {
    "Not authorized": ": name user and password, as mqtt://user@host/topic with "
    "--mqtt-password-file",
    "Bad user name or password": ": see mqtt://user@host/topic and --mqtt-password-file",
}


def new_client(address: MqttAddress, reconnect_s: tuple[float, float] = RECONNECT_S) -> "Client":
    """Return a paho-mqtt client for an address, not yet connected.

    Raises:
        RunError: paho-mqtt is not installed.
        InputError: the authority's certificate cannot be read.
    """
    try:
        from paho.mqtt.client import Client  # few runs have a broker
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise RunError("--mqtt needs paho-mqtt: pip install paho-mqtt") from None
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(WINDOW + 8)  # beside answers, what describes us
    client.reconnect_delay_set(*reconnect_s)  # type: ignore[arg-type]  # it takes any number
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.encrypted:
        client.tls_set_context(address.context())
    return client

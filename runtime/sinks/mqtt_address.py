"""Where a broker is, as a person writes it: mqtt://user@host:1883/topic."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge_infer.runtime.errors import InputError

PORTS = {"mqtt": 1883, "mqtts": 8883}
FORM = "mqtt://HOST/TOPIC, with user:password@ before the host, :PORT after it, mqtts:// for TLS"


@dataclass(frozen=True)
class MqttAddress:
    """A broker and a topic."""

    host: str
    port: int
    topic: str
    """Answers are published to it; what else there is, below it."""
    encrypted: bool = False
    user: str | None = None
    password: str | None = None
    authority: Path | None = None
    """Certificate of who signed the broker's; the system's authorities if None."""

    @property
    def text(self) -> str:
        """The address without its password."""
        user = f"{self.user}@" if self.user else ""
        scheme = "mqtts" if self.encrypted else "mqtt"
        port = "" if self.port == PORTS[scheme] else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{user}{host}{port}/{self.topic}"

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings. Raises InputError for an authority that cannot be read."""
        try:
            return ssl.create_default_context(cafile=self.authority)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.authority}: it is no certificate in PEM form: {error}"
            ) from error


def mqtt_address(
    text: str, password: str | None = None, authority: Path | None = None
) -> MqttAddress:
    """Read an address.

    Args:
        text: in the `FORM`.
        password: instead of one in the text.
        authority: file with the certificate of who signed the broker's.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is no address of a broker: {error}; write {FORM}") from error
    topic = unquote(parts.path.strip("/"))
    if parts.scheme not in PORTS or not parts.hostname or parts.query or parts.fragment:
        raise InputError(f"{_shown(text)} is no address of a broker; write {FORM}")
    unfit = not topic or topic[0] == "$" or "//" in topic or len(topic.encode()) > 1000
    if unfit or set("+#\0") & set(topic) or "#" in text:
        raise InputError(
            f"{_shown(text)}: {topic!r} is no topic to publish to; write one without +, #, $ or "
            "empty levels, as mqtt://broker/home/camera"
        )
    encrypted = parts.scheme == "mqtts"
    if authority is not None and not encrypted:
        raise InputError(f"{_shown(text)} is not encrypted: a certificate goes with mqtts://")
    return MqttAddress(
        parts.hostname,
        port or PORTS[parts.scheme],
        topic,
        encrypted,
        unquote(parts.username) if parts.username else None,
        password or (unquote(parts.password) if parts.password else None),
        authority,
    )


def read_password(path: Path) -> str:
    """Return the password in a file, without the end of its line. Raises InputError, OSError."""
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: it holds no text in UTF-8, so no password") from error
    if not text or "\n" in text:
        raise InputError(f"{path}: it holds no password: one line is wanted")
    return text


def _shown(text: str) -> str:
    """Return an address for a message, without what may be a password."""
    before, at, after = text.rpartition("@")
    user, _, _ = before.rpartition(":") if before.count(":") > 1 else (before, "", "")
    return repr(f"{user}{at}{after}" if at else text)

"""The serial ports of this computer, and which of them has a device that answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import LinkError, LinkLostError
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.port import DEFAULT_BAUD, BytePort, DescriptorPort
from edge_infer.firmware_bridge.wire.standard import ECHO, Echo

_ECHO_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this computer."""

    name: str
    description: str
    hardware: str
    """USB vendor, product and serial number, where it has them."""


def ports() -> list[PortInfo]:
    """Return the serial ports that have hardware behind them, by name."""
    from serial.tools import list_ports  # loaded with the first list

    found = [
        PortInfo(port.device, port.description, port.hwid)
        for port in list_ports.comports()
        if port.hwid != "n/a"
    ]
    return sorted(found, key=lambda port: port.name)


def find_port(
    baud: int = DEFAULT_BAUD,
    candidates: Sequence[PortInfo] | None = None,
    open_port: Callable[[str, int], BytePort] = DescriptorPort,
) -> str:
    """Return the one port whose device answers an SMP echo.

    Raises LinkLostError when none does, or more than one.
    """
    names = [port.name for port in (ports() if candidates is None else candidates)]
    answering = [name for name in names if _answers(name, baud, open_port)]
    if len(answering) == 1:
        return answering[0]
    if answering:
        raise LinkLostError(f"devices answer on {', '.join(answering)}: choose one with --port")
    tried = ", ".join(names) or "there is no serial port"
    raise LinkLostError(
        f"no device answers at {baud} baud (tried: {tried}); name its port with --port"
    )


def _answers(name: str, baud: int, open_port: Callable[[str, int], BytePort]) -> bool:
    try:
        port = open_port(name, baud)
    except LinkError:
        return False
    try:
        question = Echo("edge-infer")
        answer = Link(port).ask(ECHO, question, answer_ns=_ECHO_NS, retries=1)
        return answer.text == question.text
    except LinkError:
        return False
    finally:
        port.close()

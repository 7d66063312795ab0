"""Which port has a device that answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serial.tools import list_ports

from edge_infer.firmware_bridge.errors import LinkError, LinkLostError
from edge_infer.firmware_bridge.groups import os_group
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.line.byte_port import BytePort
from edge_infer.firmware_bridge.line.port import DEFAULT_BAUD, DescriptorPort
from edge_infer.firmware_bridge.smp.message import Group, Op

_ANSWER_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this computer."""

    name: str
    description: str
    hardware: str
    """USB vendor, product and serial number, where it has them."""


def ports() -> list[PortInfo]:
    """Return the serial ports that have hardware behind them, by name."""
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
        question = {"d": "edge-infer"}
        answer = Link(port).ask(
            Op.WRITE, Group.OS, os_group.ECHO, question, answer_ns=_ANSWER_NS, retries=1
        )
        return answer.get("r") == question["d"]
    except LinkError:
        return False
    finally:
        port.close()

"""Options of every command that talks to a device, and the link they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from edge_infer.commands.options import operator_key_option, option, options_as
from edge_infer.commands.render import note
from edge_infer.firmware_bridge.host.link import Link, load_operator
from edge_infer.firmware_bridge.host.ports import find_port
from edge_infer.firmware_bridge.port import DEFAULT_BAUD, DescriptorPort
from edge_infer.firmware_bridge.smp.framing import Framing

baud_option = option(
    "-b",
    "--baud",
    type=click.IntRange(50, 20_000_000),
    default=DEFAULT_BAUD,
    show_default=True,
    help="Bits per second of a serial port.",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A device, as the options name it."""

    port: str | None
    baud: int
    framing: str
    set_lines: bool
    operator_key: Path | None = None

    @contextmanager
    def link(self) -> Iterator[Link]:
        """Open a link to the device on `port`, found if None; close its port at the end.

        Raises:
            LinkLostError: the port cannot be opened, or no device was found.
            ImageError: the operator's key is none.
        """
        operator = load_operator(self.operator_key)
        name = self.port or find_port(self.baud)
        if self.port is None:
            note(f"device found on {name}")
        opened = DescriptorPort(name, self.baud, set_lines=self.set_lines)
        try:
            yield Link(opened, Framing(self.framing), operator)
        finally:
            opened.close()


line_options = options_as(
    "line",
    Line,
    (
        option(
            "-p",
            "--port",
            help="Serial port, or socket://HOST:PORT.  [default: the one where a device answers]",
        ),
        baud_option,
        option(
            "--framing",
            type=click.Choice([framing.value for framing in Framing]),
            default=Framing.COBS.value,
            show_default=True,
            help="How messages are written on the line: cobs is faster, console is text.",
        ),
        option(
            "--set-lines",
            is_flag=True,
            help="Raise DTR and RTS on opening.  [default: left alone, they reset many boards]",
        ),
        operator_key_option,
    ),
)

"""SMP group 0, operating system: echo, reset, buffer parameters, who runs here.

Zephyr documentation, "Default/OS Management Group".
"""

import os
import platform
from collections.abc import Callable

from edge_infer.firmware_bridge.smp.agent import BUFFER_BYTES, BUFFER_COUNT
from edge_infer.firmware_bridge.smp.dispatch import CommandGroup, Later, RefusalError, text
from edge_infer.firmware_bridge.smp.message import Body, Code, Group, Op

ECHO, RESET, PARAMETERS, INFO, BOOTLOADER = 0, 5, 6, 7, 8

_INVALID_FORMAT = 2
_NO_ANSWER = 3
"""Codes of this group (Zephyr, os_mgmt.h)."""


def os_group(reset: Callable[[], None]) -> CommandGroup:
    """Return the group; `reset` is called when the device shall reset after this answer."""

    def on_reset(body: Body, now_ns: int) -> Body:
        reset()
        return {}

    return CommandGroup(
        Group.OS,
        "os",
        {
            (ECHO, Op.READ): _echo,
            (ECHO, Op.WRITE): _echo,
            (RESET, Op.WRITE): on_reset,
            (PARAMETERS, Op.READ): _parameters,
            (INFO, Op.READ): _info,
            (BOOTLOADER, Op.READ): _bootloader,
        },
    )


def _echo(body: Body, now_ns: int) -> Body | Later:
    return {"r": text(body, "d")}


def _parameters(body: Body, now_ns: int) -> Body:
    return {"buf_size": BUFFER_BYTES, "buf_count": BUFFER_COUNT}


def _info(body: Body, now_ns: int) -> Body:
    system = os.uname()
    known = {
        "s": system.sysname,
        "n": system.nodename,
        "r": system.release,
        "v": system.version,
        "m": system.machine,
        "p": platform.processor() or "unknown",
        "i": system.machine,
        "o": "edge-infer",
    }
    asked = text(body, "format", "s")
    if not asked or not set(asked) <= {*known, "a"}:
        raise RefusalError(Code.INVALID, f"format {asked!r}: of {''.join(known)}a", _INVALID_FORMAT)
    wanted = known.values() if "a" in asked else [v for k, v in known.items() if k in asked]
    return {"output": " ".join(wanted)}


def _bootloader(body: Body, now_ns: int) -> Body:
    """Our slots are their own boot loader; there is no mode to tell."""
    if "query" in body:
        raise RefusalError(Code.NO_ENTRY, "no such query", _NO_ANSWER)
    return {"bootloader": "edge-infer"}

"""SMP groups 0 and 10: echo, reset, buffer parameters, who runs here; which groups there are."""

import os
import platform
from collections.abc import Callable, Sequence

from edge_infer.firmware_bridge.smp.agent import (
    BUFFER_BYTES,
    BUFFER_COUNT,
    CommandGroup,
    RefusalError,
    on,
)
from edge_infer.firmware_bridge.wire import standard as wire
from edge_infer.firmware_bridge.wire.command import Empty, Group
from edge_infer.firmware_bridge.wire.standard import Code, EnumerationCode, OsCode


def os_group(reset: Callable[[], None]) -> CommandGroup:
    """Return the group; `reset` is called when the device shall reset after this answer."""

    def on_reset(request: Empty, now_ns: int) -> Empty:
        reset()
        return request

    parameters = wire.Parameters(BUFFER_BYTES, BUFFER_COUNT)
    return CommandGroup(
        Group.OS,
        "os",
        dict(
            [
                on(wire.ECHO, _echo),
                on(wire.ECHO_READ, _echo),
                on(wire.RESET, on_reset),
                on(wire.PARAMETERS, lambda request, now_ns: parameters),
                on(wire.SYSTEM, _system),
                on(wire.BOOTLOADER, _bootloader),
            ]
        ),
    )


def _echo(request: wire.Echo, now_ns: int) -> wire.Echoed:
    return wire.Echoed(request.text)


def _system(request: wire.SystemQuery, now_ns: int) -> wire.SystemText:
    system, asked = os.uname(), request.format
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
    if not asked or not set(asked) <= {*known, "a"}:
        raise RefusalError(
            Code.INVALID, f"format {asked!r}: of {''.join(known)}a", OsCode.INVALID_FORMAT
        )
    wanted = known.values() if "a" in asked else [v for k, v in known.items() if k in asked]
    return wire.SystemText(" ".join(wanted))


def _bootloader(request: wire.BootloaderQuery, now_ns: int) -> wire.Bootloader:
    """Our slots are their own boot loader; there is no mode to tell."""
    if request.query is not None:
        raise RefusalError(Code.NO_ENTRY, "no such query", OsCode.NO_ANSWER)
    return wire.Bootloader("edge-infer")


def enumeration_group(others: Sequence[CommandGroup]) -> CommandGroup:
    """Return the group that lists `others` and itself."""
    known = {group.number: (group.name, len(group.handlers)) for group in others}
    known[Group.ENUMERATION] = ("enum", 4)
    numbers = tuple(sorted(int(number) for number in known))

    def single(request: wire.GroupIndex, now_ns: int) -> wire.SingleGroup:
        if request.index >= len(numbers):
            reason = f"{len(numbers)} groups"
            raise RefusalError(Code.INVALID, reason, EnumerationCode.INDEX_TOO_LARGE)
        last = request.index == len(numbers) - 1
        return wire.SingleGroup(numbers[request.index], last or None)

    def details(request: wire.GroupsWanted, now_ns: int) -> wire.GroupDetails:
        asked = numbers if request.groups is None else request.groups
        return wire.GroupDetails(
            tuple(wire.GroupDetail(number, *known[number]) for number in numbers if number in asked)
        )

    return CommandGroup(
        Group.ENUMERATION,
        "enum",
        dict(
            [
                on(wire.GROUP_COUNT, lambda request, now_ns: wire.GroupCount(len(numbers))),
                on(wire.GROUP_LIST, lambda request, now_ns: wire.GroupList(numbers)),
                on(wire.SINGLE_GROUP, single),
                on(wire.GROUP_DETAILS, details),
            ]
        ),
    )

"""SMP group 10, enumeration: which groups this device speaks.

Zephyr documentation, "Enumeration Management".
"""

from collections.abc import Sequence

from edge_infer.firmware_bridge.smp.dispatch import CommandGroup, RefusalError, integer
from edge_infer.firmware_bridge.smp.message import Body, Code, Group, Op

COUNT, LIST, SINGLE, DETAILS = 0, 1, 2, 3

_INDEX_TOO_LARGE = 4
"""Code of this group (Zephyr, enum_mgmt.h)."""


def enumeration_group(others: Sequence[CommandGroup]) -> CommandGroup:
    """Return the group that lists `others` and itself."""
    known = {group.number: (group.name, len(group.handlers)) for group in others}
    known[Group.ENUMERATION] = ("enum", 4)
    numbers = sorted(int(number) for number in known)

    def single(body: Body, now_ns: int) -> Body:
        index = integer(body, "index", 0)
        if index >= len(numbers):
            raise RefusalError(Code.INVALID, f"{len(numbers)} groups", _INDEX_TOO_LARGE)
        answer: Body = {"group": numbers[index]}
        return answer | ({"end": True} if index == len(numbers) - 1 else {})

    def details(body: Body, now_ns: int) -> Body:
        asked = body.get("groups", numbers)
        if not isinstance(asked, list):
            raise RefusalError(Code.INVALID, "'groups' has to be a list")
        return {
            "groups": [
                {"group": number, "name": known[number][0], "handlers": known[number][1]}
                for number in numbers
                if number in asked
            ]
        }

    return CommandGroup(
        Group.ENUMERATION,
        "enum",
        {
            (COUNT, Op.READ): lambda body, now_ns: {"count": len(numbers)},
            (LIST, Op.READ): lambda body, now_ns: {"groups": numbers},
            (SINGLE, Op.READ): single,
            (DETAILS, Op.READ): details,
        },
    )

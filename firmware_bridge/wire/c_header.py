"""The wire's numbers and keys as a C header, for the device side in firmware/.

    python -m edge_infer.firmware_bridge.wire.c_header

writes firmware/include/edge_infer/wire.h; a test fails while it is not what this says.
"""

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from pathlib import Path

from edge_infer.boards.power import SampleFlag
from edge_infer.firmware_bridge.wire import edge, proof, standard
from edge_infer.firmware_bridge.wire.command import Fields, Group, Op, Refusal, keys
from edge_infer.firmware_bridge.wire.log_batch import Mark, SampleKind

HEADER = Path(__file__).parents[1] / "firmware" / "include" / "edge_infer" / "wire.h"

_NUMBERS: tuple[tuple[str, str, type[IntEnum] | type[IntFlag]], ...] = (
    ("OP", "Operations of a message.", Op),
    ("GROUP", "Groups.", Group),
    ("CODE", "General error codes.", standard.Code),
    ("OS", "Commands of group 0.", standard.OsCommand),
    ("OS_CODE", "Error codes of group 0.", standard.OsCode),
    ("IMAGE", "Commands of group 1.", standard.ImageCommand),
    ("IMAGE_CODE", "Error codes of group 1.", standard.ImageCode),
    ("ENUMERATION", "Commands of group 10.", standard.EnumerationCommand),
    ("ENUMERATION_CODE", "Error codes of group 10.", standard.EnumerationCode),
    ("EDGE", "Commands of group 70.", edge.EdgeCommand),
    ("LOG", "Kinds of a log entry that is no power sample.", Mark),
    ("LOG", "Kind of a power sample, and the bits that go with it.", SampleKind),
    ("SAMPLE", "Flags of a power sample.", SampleFlag),
)

_TOP = """\
/**
 * @file
 * Numbers and keys of what goes over the line (PROTOCOL.md).
 *
 * Generated from firmware_bridge/wire/, do not edit:
 * python -m edge_infer.firmware_bridge.wire.c_header
 */
#ifndef EINF_WIRE_H
#define EINF_WIRE_H
"""


def header() -> str:
    """Return the whole header."""
    parts = [_TOP]
    for prefix, comment, numbers in _NUMBERS:
        parts.append(_block(comment, [(f"{prefix}_{n.name}", f"{n.value}U") for n in numbers]))
    known = sorted({key for kind in _maps() for key in keys(kind)})
    parts.append(_block("Keys.", [(f"KEY_{key.upper()}", f'"{key}"') for key in known]))
    return "\n".join([*parts, "#endif\n"])


def _block(comment: str, macros: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in macros)
    lines = [f"#define EINF_{name.ljust(width)} {value}\n" for name, value in macros]
    return f"/* {comment} */\n" + "".join(lines)


def _maps() -> Iterator[type[Fields]]:
    yield Refusal
    for command in (*standard.COMMANDS, *edge.COMMANDS, *proof.COMMANDS):
        yield command.request
        yield command.answer


if __name__ == "__main__":
    HEADER.write_text(header())

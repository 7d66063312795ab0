"""Group 70 too: who asks proves with an operator's key that they may change something.

Both sides choose a nonce for each proof, and the board and its boot are signed along: a signature
counts for one line of one start of one board. It begins with words of its own, so that none of a
bundle's, and none of anything else, is ever made for a board that asks for it.
"""

from dataclasses import dataclass
from typing import Annotated

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.wire.command import Command, Empty, Fields, Group, Op
from edge_infer.firmware_bridge.wire.edge import EdgeCommand

NONCE_BYTES = 32
BOARD_ID_BYTES = 16
_BOOT_BYTES = 8
_DOMAIN = b"edge-infer operator proof 1\n"


@dataclass(frozen=True, slots=True)
class ChallengeWanted(Fields):
    """The host's nonce."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Challenge(Fields):
    """What else is to be signed; good for one proof."""

    board_id: Annotated[bytes, "id"]
    boot: int
    """Number of this start of the device, as in the power log."""
    nonce: bytes
    """The device's."""


@dataclass(frozen=True, slots=True)
class Proof(Fields):
    """A signature of the challenge asked for last."""

    key_hash: Annotated[bytes, "key"]
    """SHA-256 of the DER public key."""
    signature: Annotated[bytes, "sig"]


def signed_text(challenge: Challenge, host_nonce: bytes) -> bytes:
    """Return the bytes that are signed.

    Raises FrameError when a part is not as long as it should be: two challenges would be one text.
    """
    parts = (challenge.board_id, BOARD_ID_BYTES), (host_nonce, NONCE_BYTES), (
        challenge.nonce, NONCE_BYTES
    )  # fmt: skip
    for part, size in parts:
        if len(part) != size:
            raise FrameError(f"a part of a challenge has {len(part)} bytes, not {size}")
    if challenge.boot >> 8 * _BOOT_BYTES:
        raise FrameError(f"a boot has a number of at most {_BOOT_BYTES} bytes")
    boot = challenge.boot.to_bytes(_BOOT_BYTES, "big")
    return _DOMAIN + challenge.board_id + boot + host_nonce + challenge.nonce


CHALLENGE = Command(Group.EDGE_INFER, EdgeCommand.CHALLENGE, Op.WRITE, ChallengeWanted, Challenge)
PROVE = Command(Group.EDGE_INFER, EdgeCommand.PROVE, Op.WRITE, Proof, Empty)

COMMANDS = (CHALLENGE, PROVE)
"""The commands of a proof."""

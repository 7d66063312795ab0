"""Who may change something: operators, who prove their key on the line before they do.

Reading is free. A proof counts on its line until that is lost, or quiet for a minute: on a serial
line nobody sees the next one come.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.smp.agent import Handler, RefusalError, on
from edge_infer.firmware_bridge.smp.message import Header
from edge_infer.firmware_bridge.wire import edge, proof, standard
from edge_infer.firmware_bridge.wire.command import Empty, Op
from edge_infer.firmware_bridge.wire.standard import Code

QUIET_NS = 60_000_000_000

_OPEN = {
    (command.group, command.number) for command in (standard.ECHO, proof.CHALLENGE, proof.PROVE)
}
"""Writes that change nothing."""
_CHANGING_READS = {(edge.ENERGIES.group, edge.ENERGIES.number)}
"""It lets older ones go."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Whose proofs a device takes."""

    keys: TrustedKeys
    required: bool
    """True where nothing is changed without a proof."""

    def check_apart(self, signers: TrustedKeys) -> None:
        """Raise ImageError when an operator's key signs bundles: a stolen one would do both."""
        if both := self.keys.shared(signers):
            raise ImageError(
                f"the key {both[0]} is an operator's and is trusted to sign bundles as well: "
                "make another for one of them: edge-infer bundle keygen"
            )


class OperatorGate:
    """Keeps who asks on one line from changing anything before there is a proof."""

    def __init__(self, settings: OperatorSettings, board_id: bytes, boot: int) -> None:
        self._settings = settings
        self._board_id = board_id
        self._boot = boot
        self._text: bytes | None = None
        """What a proof has to sign; one try each."""
        self._proven_ns: int | None = None
        """When the operator was heard last."""
        self._given: proof.Proof | None = None
        """The proof that was taken last."""

    def handlers(self) -> Mapping[tuple[int, Op], Handler]:
        """Return the commands of a proof."""
        return dict([on(proof.CHALLENGE, self._challenge), on(proof.PROVE, self._prove)])

    def line_lost(self) -> None:
        """Forget who was on the line."""
        self._text = self._proven_ns = None

    def check(self, header: Header, now_ns: int) -> None:
        """Raise RefusalError when this request needs a proof and there is none."""
        if self._proven_ns is not None and now_ns - self._proven_ns > QUIET_NS:
            self._proven_ns = None
        if self._proven_ns is not None:
            self._proven_ns = now_ns
            return
        key = header.group, header.command
        changes = key in _CHANGING_READS or (header.op == Op.WRITE and key not in _OPEN)
        if self._settings.required and changes:
            raise RefusalError(
                Code.ACCESS_DENIED,
                "this line changes nothing without an operator's key: give --operator-key FILE, "
                "a key that serve --operators knows",
            )

    def _challenge(self, request: proof.ChallengeWanted, now_ns: int) -> proof.Challenge:
        if len(request.nonce) != proof.NONCE_BYTES:
            raise RefusalError(Code.INVALID, f"a nonce has {proof.NONCE_BYTES} bytes")
        challenge = proof.Challenge(
            self._board_id, self._boot, secrets.token_bytes(proof.NONCE_BYTES)
        )
        self._text = proof.signed_text(challenge, request.nonce)
        return challenge

    def _prove(self, given: proof.Proof, now_ns: int) -> Empty:
        if self._proven_ns is not None and given == self._given:
            return Empty()  # the answer was lost on the line
        text, self._text = self._text, None
        if text is None:
            raise RefusalError(Code.BAD_STATE, "a proof answers a challenge: ask for one first")
        try:
            self._settings.keys.verify(given.key_hash, given.signature, text)
        except ImageError as error:
            self._proven_ns = None
            raise RefusalError(Code.ACCESS_DENIED, f"no operator: {error}") from error
        self._proven_ns, self._given = now_ns, given
        return Empty()

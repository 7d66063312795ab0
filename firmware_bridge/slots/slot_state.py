"""What the slots remember over a power cut: which one runs, what is pending, what went wrong."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge_infer.firmware_bridge.slots.slot_storage import SlotStorage, replace_file

_STATE_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class Revert:
    """The last time a bundle was given up for the one before."""

    digest: str
    """Of the bundle that was given up, in hex."""
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The image that the next reset swaps in."""

    digest: str
    permanent: bool = False
    """Stays without a confirmation."""
    rollback_reason: str = ""
    """Set when the swap is a rollback to the bundle before."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """Replaced as a whole, so that a power cut leaves the old one or the new one."""

    active: str = ""
    """Name of the slot that runs; empty before the first bundle."""
    confirmed: bool = False
    """False while the active image is on trial."""
    fallback: bool = False
    """While on trial: the other slot holds the confirmed image that a reset goes back to."""
    security_counter: int = 0
    """Highest counter ever confirmed; images below it are refused."""
    pending: Pending | None = None
    revert_reason: str = ""
    """Why the image on trial will be reverted, known before the reset that does it."""
    last_revert: Revert | None = None
    resets: int = 0

    def to_json(self) -> bytes:
        """Return the state as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "SlotState":
        """Read what `to_json` wrote. Raises ValueError, TypeError or KeyError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        pending, revert = fields.pop("pending"), fields.pop("last_revert")
        state = cls(**fields)
        return replace(
            state,
            pending=Pending(**pending) if pending else None,
            last_revert=Revert(**revert) if revert else None,
        )


def save_state(storage: SlotStorage, state: SlotState) -> None:
    """Replace the stored state; a power cut leaves the old or the new one."""
    replace_file(storage, _STATE_FILE, state.to_json())


def load_state(storage: SlotStorage) -> SlotState | None:
    """Return the stored state, a new one where none was stored, None when it cannot be read."""
    try:
        return SlotState.from_json(storage.read(_STATE_FILE))
    except FileNotFoundError:
        return SlotState()
    except (ValueError, TypeError, KeyError, AttributeError):
        return None

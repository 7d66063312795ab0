"""What `edge-infer doctor` finds."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "note", "problem"]
"""note: works, or is not needed everywhere; problem: something will fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    status: Status
    text: str
    mend: str = ""
    """The command that mends it, or what to do."""

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

"""What heat, a weak supply and other programs did to the board in a run: users rarely notice it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.errors import ClockError
from edge_infer.boards.thermal import CLOCK_FLAGS, UNDERVOLTAGE

LOOK_EVERY_NS = 500_000_000
FAR_OFF = 0.02
"""A clock that runs this far off the one asked for is another one: steps are 4 % apart and more."""
LEAST_SHARE = 0.05
"""A change of clock that is on its way while somebody looks is no governor without effect."""
_STICKY = 16
"""Flags of now stand this many bits below those since boot."""


class BoardWatch:
    """Looks at a board twice a second of its time.

    Args:
        board: an open board.
        asked_khz: gives the clock in kHz that the policy asked for last; 0 where it asks for none.
    """

    def __init__(self, board: Board, asked_khz: Callable[[], int]) -> None:
        self._board, self._asked_khz = board, asked_khz
        self._looks = self._undervoltage = self._capped = 0
        self._ran_khz: Counter[int] = Counter()
        self._differed: Counter[tuple[int, int]] = Counter()
        """Looks at which another clock ran than was asked for, by both in kHz."""
        self._due_ns = 0
        self._most_millicelsius: int | None = None
        self._first_flags = self._last_flags = board.thermometer.flags()
        self._governor = getattr(board.clock, "governor", None)

    def look(self, now_ns: int) -> None:
        """Look if it is time to."""
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + LOOK_EVERY_NS
            self.look_now()

    def look_now(self) -> None:
        """Look at flags, temperature and clock."""
        self._looks += 1
        flags = self._board.thermometer.flags()
        self._last_flags = flags
        self._undervoltage += bool((flags or 0) & UNDERVOLTAGE)
        self._capped += bool((flags or 0) & CLOCK_FLAGS)
        celsius = self._board.thermometer.millicelsius()
        if celsius is not None:
            self._most_millicelsius = max(celsius, self._most_millicelsius or celsius)
        ran, asked = running_khz(self._board), self._asked_khz()
        self._ran_khz[ran] += bool(ran)
        if ran and asked and abs(ran - asked) > FAR_OFF * asked:
            self._differed[asked, ran] += 1

    def document(self) -> dict[str, Any]:
        """Return what was seen: `board_state` of `run --json`."""
        known = self._last_flags is not None
        return {
            "missing": list(getattr(self._board, "lacks", ())),
            "looks": self._looks,
            "undervoltage_share": self._share(self._undervoltage) if known else None,
            "capped_share": self._share(self._capped) if known else None,
            "since_boot_in_run": self._new_flags(),
            "most_celsius": _celsius(self._most_millicelsius),
            "kernel_governor": self._governor,
            "running_khz": {str(khz): n / self._ran_khz.total() for khz, n in self._ran()},
            "other_clock_share": self._share(self._differed.total()),
            "warnings": list(self.warnings()),
        }

    def warnings(self) -> list[str]:
        """Return a sentence for each thing that went wrong, with what mends it."""
        found = [self._undervoltage_text(), self._capped_text(), self._clock_text()]
        return [text for text in found if text]

    def _undervoltage_text(self) -> str:
        if not (self._undervoltage or self._began(UNDERVOLTAGE)):
            return ""
        return (
            f"the supply voltage was too low {self._when(self._undervoltage)}, which slows the "
            "board down: use its own supply and a short, thick cable"
        )

    def _capped_text(self) -> str:
        if not (self._capped or self._began(CLOCK_FLAGS)):
            return ""
        hot = _celsius(self._most_millicelsius)
        heat = "" if hot is None else f" (up to {hot:.0f} C)"
        return (
            f"the firmware held the clock down {self._when(self._capped)}{heat}: times and "
            "energies are a throttled board's; cool it, or look at its supply"
        )

    def _clock_text(self) -> str:
        differed = self._differed.total()
        if not differed or differed < LEAST_SHARE * self._looks:
            return ""
        (asked, ran), _ = self._differed.most_common(1)[0]
        return (
            f"the clock did not follow the policy: {self._when(differed)} it ran otherwise, as "
            f"{ran / 1000:g} MHz for {asked / 1000:g}; edge-infer doctor says whether heat, supply "
            "or another program holds it"
        )

    def _when(self, looks: int) -> str:
        if not looks:
            return "at some moment of the run"
        return f"in {100 * looks / self._looks:.0f} % of the run ({looks} of {self._looks} looks)"

    def _ran(self) -> list[tuple[int, int]]:
        return sorted((khz, count) for khz, count in self._ran_khz.items() if count)

    def _share(self, looks: int) -> float | None:
        return looks / self._looks if self._looks else None

    def _began(self, flags: int) -> bool:
        return bool((self._new_flags() or 0) & flags)

    def _new_flags(self) -> int | None:
        """Return the flags that the firmware keeps since boot and that were not set at first."""
        if self._first_flags is None or self._last_flags is None:
            return None
        return (self._last_flags & ~self._first_flags) >> _STICKY


def running_khz(board: Board) -> int:
    """Return the clock in kHz that a board runs at now, as far as it is told; 0 where it is not."""
    look = getattr(board.clock, "running_khz", board.clock.current_khz)
    try:
        return int(look())
    except ClockError:
        return 0


def _celsius(millicelsius: int | None) -> float | None:
    return None if millicelsius is None else millicelsius / 1000

"""A clock with one point, for boards whose clock software cannot set."""

from edge_infer.boards.errors import ClockError


class FixedClock:
    """Offers `khz` alone; 0 stands for a clock that cannot be known."""

    def __init__(self, khz: int = 0) -> None:
        self._khz = khz

    def supported_khz(self) -> tuple[int, ...]:
        """Return the one clock."""
        return (self._khz,)

    def current_khz(self) -> int:
        """Return the one clock."""
        return self._khz

    def set_khz(self, khz: int) -> int:
        """Return the one clock. Raises ClockError for any other."""
        if khz != self._khz:
            raise ClockError(
                f"no clock of {khz / 1000:g} MHz: this board's clock cannot be set; "
                "use the policy performance, or a simulated board (sim:NAME)"
            )
        return khz

    def reset(self) -> None:
        """Nothing to put back."""

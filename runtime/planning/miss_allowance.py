"""When to run the eager one of two plans: while misses that the bound allows are left."""

from dataclasses import dataclass

ENOUGH = 3.0
"""Misses saved up at which spending begins; it ends below one: each turn costs changes of clock."""
LEAST, MOST_MARGIN = -50.0, 20.0
"""What may be owed, the rest is forgiven; and the widest margin."""
FORGETTING = 5e-4
"""Part of the margin that is forgotten with each frame."""


@dataclass
class MissAllowance:
    """An account of misses: every frame that arrives pays in the bound, every miss takes one out.

    Once some are saved up the eager plan runs until less than one is left, so in the long run the
    mixture of the two plans misses exactly what is allowed, whatever the share of misses of either
    (a token bucket: Turner, IEEE Communications Magazine 24(10), 1986). Misses may come several at
    once: by how much the account was overdrawn lately stays in it as a margin. The balance cannot
    run away.
    """

    bound: float
    """Share of frames that may miss."""
    balance: float = 0.0
    margin: float = 0.0
    """Misses that are not spent: what was lately owed at worst."""
    spends: bool = False
    """True while the eager plan is to run."""
    _next_frame: int | None = None

    def add(self, number: int, missed: bool) -> None:
        """Take the outcome of a frame.

        Args:
            number: of the frame: those that were passed over were pushed out of the queue, and
                each of them is a miss.
            missed: it was answered late.
        """
        expected = number if self._next_frame is None else self._next_frame
        self._next_frame = number + 1
        pushed_out = max(number - expected, 0)
        self.balance += self.bound * (pushed_out + 1) - pushed_out - missed
        self.margin = max(self.margin * (1 - FORGETTING), min(-self.balance, MOST_MARGIN))
        self.balance = min(max(self.balance, LEAST), ENOUGH + self.margin + 1)
        self.spends = self.balance >= self.margin + (1.0 if self.spends else ENOUGH)

    def forfeit(self) -> None:
        """Drop what is saved up: it was earned on a board that is another now."""
        self.balance, self.spends = min(self.balance, 0.0), False

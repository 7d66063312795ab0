"""Which of three plans to run: what is left of the misses that the bound allows says it."""

from dataclasses import dataclass

ENOUGH = 3.0
"""Misses saved up at which spending begins; it ends below one: each turn costs changes of clock."""
PAID_BACK = 1.0
"""Misses that must be left again before the strict plan ends: the change itself may cost one."""
LEAST, MOST_MARGIN = -50.0, 20.0
"""What may be owed, the rest is forgiven; and the widest margin."""
FORGETTING = 5e-4
"""Part of the margin that is forgotten with each frame."""
UNSPENT, MOST_UNSPENT = 0.05, 10.0
"""Part of what may be spent that lies above it, below the bound; and how many misses of it may be
owed at most."""


@dataclass
class MissAllowance:
    """An account of misses: every frame that arrives pays in the bound, every miss takes one out.

    Once some are saved up the eager plan runs until less than one is left, so in the long run the
    mixture of the two plans misses exactly what is allowed, whatever the share of misses of either
    (a token bucket: Turner, IEEE Communications Magazine 24(10), 1986). Misses may come several at
    once: by how much the account was overdrawn lately stays in it as a margin. The balance cannot
    run away.

    The careful plan keeps the bound if frames leave where they were expected to. Where they do not,
    it is overdrawn, and the strict plan pays back. After n frames at most what may be spent plus
    one has been missed, or the bound if that is more, as far as misses come one at a time and the
    strict plan has none.
    """

    bound: float
    """Share of frames that may miss."""
    balance: float = 0.0
    margin: float = 0.0
    """Misses that are not spent: what was lately owed at worst."""
    spends: bool = False
    """True while the eager plan is to run."""
    unspent: float = 0.0
    """Misses below the bound that are not for spending."""
    overdrawn: bool = False
    """True while the strict plan is to run."""
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
        paid_in = self.bound * (pushed_out + 1)
        self.balance += paid_in - pushed_out - missed
        self.margin = max(self.margin * (1 - FORGETTING), min(-self.balance, MOST_MARGIN))
        self.balance = min(max(self.balance, LEAST), ENOUGH + self.margin + 1)
        self.spends = self.balance >= self.margin + (1.0 if self.spends else ENOUGH)
        self.unspent = min(self.unspent + UNSPENT * paid_in, MOST_UNSPENT)
        left = self.balance + max(self.unspent - 1.0, 0.0)
        self.overdrawn = left < (PAID_BACK if self.overdrawn else 0.0)

    def forfeit(self) -> None:
        """Drop what is saved up: it was earned on a board that is another now."""
        self.balance, self.spends = min(self.balance, 0.0), False

"""When a free-running converter ends each pair of conversions, learnt from its ready flag.

The flag is only seen when it is read. A read that finds it unset, followed by one that finds it
set, brackets the end of a pair; a pair found ready at the first read ended earlier, so the next
read comes a little sooner. Each read so tells on which side of the expectation the end lies; the
estimate slips to that side, and the slip halves when the sides alternate and doubles when they do
not (adaptive delta modulation, N. S. Jayant, Bell System Technical Journal 49(3), 1970).
"""

WIDEST_SLIP, FINEST_SLIP = 4, 64
"""The slip lies between 1/64 and 1/4 of a transaction: 2 to 30 us at 400 kHz."""
RUN_TO_WIDEN = 3
"""Reads on one side before the slip doubles."""
READS_A_PAIR = 3
"""Flag, value and clearing."""
LATE = 4
"""A read begun later than planned by this part of its length says nothing of the phase."""
PERIOD_GAIN = 16
"""A sixteenth of each phase error corrects the period."""
PERIOD_LIMIT = 8
"""The period stays within 1/8 of the nominal one; the INA219's may be 10 % longer."""


class PairClock:
    """Phase and period of the pairs, and how many there have been."""

    def __init__(self, period_ns: int) -> None:
        self._nominal_ns = period_ns
        self._unset_ns = 0
        self._read_ns = 0
        self._slip = 1 / WIDEST_SLIP
        self._side, self._run = 0, 0
        self.period_ns = period_ns
        """Learnt length of a pair."""
        self.edge_ns = 0
        """Estimated end of the last pair seen."""
        self.count = 0
        """Pairs that ended so far, seen or not."""

    def restart(self, now_ns: int) -> None:
        """The converter was started at `now_ns`."""
        self.edge_ns = self._unset_ns = now_ns
        self.period_ns = self._nominal_ns
        self._slip = 1 / WIDEST_SLIP
        self._side, self._run = 0, 0
        self.count = 0

    def next_poll_ns(self) -> int:
        """Return when to begin the read that should just see the next pair."""
        return self.edge_ns + self.period_ns - self._read_ns

    def not_ready(self, seen_ns: int) -> None:
        """The flag was unset at `seen_ns`."""
        self._unset_ns = seen_ns

    def ready(self, began_ns: int, seen_ns: int) -> int:
        """The flag was set at `seen_ns`, in a read begun at `began_ns`; return pairs since."""
        late = began_ns > self.next_poll_ns() + self._read_ns // LATE
        self._read_ns = seen_ns - began_ns
        if self._unset_ns > self.edge_ns:
            slip_ns = self._slip_to(1)
            low_ns, high_ns = self._unset_ns + slip_ns, seen_ns - slip_ns
            steps = max(1, self._steps((self._unset_ns + seen_ns) // 2))
            expected_ns = self.edge_ns + steps * self.period_ns
            edge_ns = min(max(expected_ns, low_ns), high_ns)
            self._learn((edge_ns - expected_ns) // (PERIOD_GAIN * steps))
        elif late:
            # Looked too late to learn anything of phase or period: a slow bus, or a lost read.
            steps = max(1, (seen_ns - self.edge_ns) // self.period_ns)
            edge_ns = min(self.edge_ns + steps * self.period_ns, seen_ns)
        else:
            steps = max(1, self._steps(seen_ns))
            expected_ns = self.edge_ns + steps * self.period_ns
            edge_ns = min(expected_ns, seen_ns) - self._slip_to(-1)
            self._learn((edge_ns - expected_ns) // (PERIOD_GAIN * steps))
        self.edge_ns = edge_ns
        self.count += steps
        return steps

    def _slip_to(self, side: int) -> int:
        """Return the slip in ns for an end found on `side` of the expectation: 1 is later."""
        if side != self._side:
            self._slip = max(self._slip / 2, 1 / FINEST_SLIP)
            self._run = 0
        self._side = side
        self._run += 1
        if self._run == RUN_TO_WIDEN:
            self._slip = min(self._slip * 2, 1 / WIDEST_SLIP)
            self._run = 0
        return round(self._slip * self._read_ns)

    def _steps(self, at_ns: int) -> int:
        return round((at_ns - self.edge_ns) / self.period_ns)

    def _learn(self, drift_ns: int) -> None:
        if READS_A_PAIR * self._read_ns > self._nominal_ns:
            # The bus is slower than the converter: when a flag is seen says when the bus was free.
            return
        limit_ns = self._nominal_ns // PERIOD_LIMIT
        least_ns, most_ns = self._nominal_ns - limit_ns, self._nominal_ns + limit_ns
        self.period_ns = min(max(self.period_ns + drift_ns, least_ns), most_ns)

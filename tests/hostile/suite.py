"""A hostile suite: many seeded cases of one kind, none of which may hang, kill or surprise us."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_KEPT_FAILURES = 10
SHORT_SHARE = 10
"""A run without --long has this part of the cases."""


@dataclass(slots=True)
class Tally:
    """What the cases of a suite came to."""

    rng: random.Random
    """Seeded; a suite takes no randomness from elsewhere."""
    count: int
    """Cases wanted; 0 for all there are."""
    long: bool
    """True for the whole number of cases."""
    limit_s: float | None = None
    """Processor time of this process that a case may take; None where it is not bounded."""
    cases: int = 0
    slowest_s: float = 0.0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    """The first failures, one line each."""

    @contextmanager
    def case(self, name: object) -> Iterator[None]:
        """Count a case and time it; what it raises is a failure and ends here.

        `name` repeats the case: it stands beside the failure.
        """
        self.cases += 1
        begin_s = time.process_time()
        try:
            yield
        except Exception as error:
            self.fail(name, f"{type(error).__name__}: {error}")
        took_s = time.process_time() - begin_s
        self.slowest_s = max(self.slowest_s, took_s)
        if self.limit_s is not None and took_s > self.limit_s:
            self.fail(
                name, f"{1e3 * took_s:.0f} ms of processor time, at most {1e3 * self.limit_s:g}"
            )

    def fail(self, name: object, why: str) -> None:
        """Count a failure."""
        self.failed += 1
        if len(self.failures) < _KEPT_FAILURES:
            self.failures.append(f"{name}: {why}"[:400])


@dataclass(frozen=True, slots=True)
class Suite:
    """One row of the table.

    `run` plays about `tally.count` cases, each within `tally.case(name)`. Its own exceptions
    end the suite and count as a failure.
    """

    name: str
    long_count: int
    """Cases of a --long run; 0 for all there are, of which a shorter run takes a tenth."""
    run: Callable[[Tally], None]
    limit_s: float | None = None

    def play(self, seed: int, long: bool) -> Tally:
        """Run it and return what it came to."""
        count = self.long_count if long else -(-self.long_count // SHORT_SHARE)
        tally = Tally(random.Random(f"{self.name} {seed}"), count, long, self.limit_s)
        try:
            self.run(tally)
        except Exception as error:
            tally.fail("the suite", f"{type(error).__name__}: {error}")
        if not tally.cases:
            tally.fail("the suite", "it has no cases")
        return tally

"""The search: rows of members are looked at, a few are tested, the cheapest that stands is taken.

The inputs are split. On the smaller part all rows are estimated (`screen`) and thresholds get their
order; on the larger part the finalists are tested, exactly, that the accuracy lost against the
reference is at most the allowed one (Learn then Test, as `tune`). The finalists share the error
that the confidence leaves (Bonferroni), so that the best of them may be taken.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.comparison.static_nets import not_less_accurate
from edge_infer.lab.design.members import Candidates, Member
from edge_infer.lab.design.prices import Price, Prices, Row
from edge_infer.lab.design.screen import Estimate, Screen
from edge_infer.lab.progress import Progress
from edge_infer.lab.tuning.exit_outcomes import Thresholds
from edge_infer.lab.tuning.loss_test import loss_test, samples_needed
from edge_infer.lab.tuning.threshold_choice import (
    CalibrationSplit,
    LossBound,
    TooFewSamplesError,
    choose_thresholds,
    learned_path,
    sinking_path,
)
from edge_infer.runtime.errors import RunError

LOOKED_AT = 0.3
"""Share of the inputs that rows are estimated on."""
ADAPTIVE, STATIC = 6, 2
"""Finalists."""
PLAIN = 20
"""Plain nets that rows of two and three are made of: those that no other beats by much."""
FRONTIER = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05)
"""Losses that the frontier is drawn at, beside the asked one."""


@dataclass(frozen=True)
class Finalist:
    """A row that was tested, and stands."""

    row: Row
    thresholds: Thresholds
    shares: tuple[float, ...]
    accuracy: float
    """Of the inputs tested on."""
    loss: float
    price: Price
    net_nj: float
    right: NDArray[np.bool_]
    """Answers to the inputs tested on."""

    @property
    def static(self) -> bool:
        """Whether every input is answered alike."""
        return not self.thresholds


@dataclass(frozen=True)
class Design:
    """What a search came to."""

    candidates: Candidates
    reference: Member
    bound: LossBound
    tested: NDArray[np.int64]
    """Inputs that the finalists were tested on."""
    finalists: tuple[Finalist, ...]
    """Those that stand, the cheapest first."""
    rows: int
    """How many rows were estimated."""
    frontier: tuple[Estimate, ...]
    """By allowed loss, on all inputs: estimates, no promise."""
    prices: Prices

    @property
    def best(self) -> Finalist:
        """The cheapest row; the reference itself where nothing else stands."""
        return self.finalists[0]

    @property
    def best_static(self) -> Finalist | None:
        """The cheapest plain net of those that keep the same promise."""
        return next((finalist for finalist in self.finalists if finalist.static), None)

    @property
    def rival(self) -> tuple[Member, Price] | None:
        """The cheapest plain net that is not shown to be less accurate than the best row.

        A one-sided paired test on the inputs tested on, at 5 %: more lenient than the promise.
        """
        found = [
            (member, price)
            for member in self.candidates.members
            if len(member.exits) == 1
            and (price := self.prices.price((member,))) is not None
            and not_less_accurate(self.best.right, [member.right[-1, self.tested]], [1.0])
        ]
        return min(found, key=lambda each: float(each[1].stage_nj.sum()), default=None)


def search(
    candidates: Candidates,
    reference: Member,
    prices: Prices,
    bound: LossBound,
    seed: int,
    progress: Progress,
) -> Design:
    """Search for the row of members of least net energy that keeps a loss.

    Args:
        candidates: the members.
        reference: the plain net that a loss is counted against.
        prices: of the members, with the deadline.
        bound: loss allowed against the reference, and the confidence.
        seed: of the split of the inputs.
        progress: called with what is under way.

    Raises:
        TooFewSamplesError: the inputs are too few to promise anything; says how many it takes.
        RunError: no member meets the deadline.
    """
    count = len(candidates.data)
    order = np.random.default_rng(seed).permutation(count)
    looked, tested = np.split(order, [round(LOOKED_AT * count)])
    shared = LossBound(bound.loss, 1 - (1 - bound.confidence) / (ADAPTIVE + STATIC))
    _check_inputs(count, len(tested), shared, bound)
    _check_deadline(candidates.members, prices)
    screen = Screen(prices, reference.right[-1], looked)
    rows = list(_rows(candidates.members, screen))
    progress(f"estimating {len(rows)} rows of {len(candidates.members)} nets")
    estimates = [e for row in rows if (e := screen.best(row, bound.loss)) is not None]
    chosen = [*_cheapest(estimates, False, ADAPTIVE), *_cheapest(estimates, True, STATIC)]
    tests = [(reference,), *(estimate.row for estimate in chosen)]
    progress(f"testing {len(tests)} of them on {len(tested)} inputs")
    found = [_tested(screen, row, looked, tested, shared) for row in dict.fromkeys(tests)]
    stands = sorted((f for f in found if f is not None), key=lambda f: f.net_nj)
    if not stands:
        raise RunError(
            f"the reference {reference.name} does not meet the deadline of "
            f"{prices.deadline_ns / 1e6:.3f} ms, and nothing else is shown to lose at most "
            f"{100 * bound.loss:g} points against it: give a longer deadline, or allow more"
        )
    whole = Screen(prices, reference.right[-1], order)
    frontier = _frontier(whole, rows, sorted({*FRONTIER, bound.loss}))
    return Design(
        candidates, reference, bound, tested, tuple(stands), len(rows), tuple(frontier), prices
    )


def _check_inputs(count: int, tested: int, shared: LossBound, bound: LossBound) -> None:
    needed = samples_needed(shared.loss, shared.confidence)
    if tested < needed:
        whole = -int(-needed // (1 - LOOKED_AT))
        raise TooFewSamplesError(
            f"{count} calibration inputs cannot promise a loss of at most {100 * bound.loss:g} "
            f"points at {bound.confidence:.0%} for the best of {ADAPTIVE + STATIC} designs: it "
            f"takes {whole}, none of them harmed; give {whole - count} more, or allow more"
        )


def _check_deadline(members: Sequence[Member], prices: Prices) -> None:
    least_ns = min(prices.least_ns((member,)) for member in members)
    if least_ns > prices.deadline_ns:
        raise RunError(
            f"no member answers within {prices.deadline_ns / 1e6:.3f} ms: the fastest takes "
            f"{least_ns / 1e6:.3f} ms; give a longer deadline, or smaller nets"
        )


def _rows(members: Sequence[Member], screen: Screen) -> Iterator[Row]:
    """Yield what is worth a look: each member, and rows of two and three, the cheaper first."""
    yield from ((member,) for member in members)
    plain = _worth_a_row([member for member in members if len(member.exits) == 1], screen)
    yield from combinations(plain, 2)
    yield from combinations(plain, 3)
    for chain in (member for member in members if len(member.exits) > 1):
        for net in plain:
            if net.bundle == chain.bundle:
                continue
            if net.macs < chain.macs:
                yield net, chain
            if chain.accuracy < net.accuracy:
                yield chain, net


def _worth_a_row(plain: Sequence[Member], screen: Screen) -> list[Member]:
    """Return the plain nets that are more accurate than every cheaper one, and the next best."""
    accuracy = {m.name: float(m.right[-1, screen.which].mean()) for m in plain}
    ordered = sorted(plain, key=lambda m: m.macs)
    front, best = [], 0.0
    for member in ordered:
        if accuracy[member.name] > best:
            front.append(member)
            best = accuracy[member.name]
    rest = sorted((m for m in ordered if m not in front), key=lambda m: -accuracy[m.name])
    kept = [*front, *rest][:PLAIN]
    return [member for member in ordered if member in kept]


def _cheapest(estimates: Iterable[Estimate], static: bool, count: int) -> list[Estimate]:
    fit = [e for e in estimates if (not e.thresholds) == static]
    return sorted(fit, key=lambda e: e.net_nj)[:count]


def _tested(
    screen: Screen, row: Row, looked: NDArray[np.int64],
    tested: NDArray[np.int64], bound: LossBound,
) -> Finalist | None:  # fmt: skip
    """Return a row with the thresholds that stand the test, or None."""
    price = screen.prices.price(row)
    if price is None:
        return None
    outcomes = screen.outcomes(row, tested)
    thresholds: Thresholds = ()
    if len(outcomes.confidence):
        exit_nj = price.exit_nj.tolist()
        path = (
            sinking_path(outcomes)
            if len(outcomes.confidence) == 1
            else learned_path(screen.outcomes(row, looked), exit_nj)
        )
        choice = choose_thresholds(CalibrationSplit(path, outcomes), exit_nj, bound)
        if choice is None:
            return None
        thresholds = choice.thresholds
    elif not np.shares_memory(row[0].right[-1], screen.reference) and not loss_test(
        len(outcomes), bound.loss, bound.confidence
    ).accepts(*outcomes.counts(())):
        return None
    shares, exits = outcomes.shares(thresholds), outcomes.exits(thresholds)
    harmed, helped = outcomes.counts(thresholds)
    fit = screen.prices.price(row, shares)
    assert fit is not None  # it fits whatever the shares
    right = outcomes.right[exits, np.arange(len(outcomes))]
    return Finalist(
        row, thresholds, shares, float(right.mean()), (harmed - helped) / len(outcomes), fit,
        float(fit.exit_nj @ shares), right,
    )  # fmt: skip


def _frontier(screen: Screen, rows: Sequence[Row], losses: Sequence[float]) -> Iterator[Estimate]:
    """Yield the cheapest estimate at each loss; the same one is not told twice."""
    last: Estimate | None = None
    for loss in losses:
        found = [e for row in rows if (e := screen.best(row, loss)) is not None]
        best = min(found, key=lambda e: e.net_nj, default=None)
        if best is not None and (last is None or best.net_nj < last.net_nj):
            yield best
            last = best

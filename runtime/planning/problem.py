"""What a planner has to solve: numbers about stages, points, exits and arrivals, nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge_infer.boards.cost_table import CostRow, CostTable, OperatingPoint
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.exit_chain import ExitChain
from edge_infer.runtime.predictor import ExitPredictor

TIE_BREAK = 2e-3
"""A slower point must save this share of a stage's energy: of equals the faster one wins."""


@dataclass(frozen=True)
class ExitDistribution:
    """Where frames leave: the distribution before the first stage, and the posterior after it.

    A frame is of one of some kinds, known before it runs (a single kind, except for the limit
    `clairvoyant`). If it does not leave at the first exit, the predictor sorts it by that exit's
    scores into a bin, and the bin gives the posterior.
    """

    shares: tuple[float, ...]
    """Probability of each kind; sums to 1."""
    leave: tuple[float, ...]
    """Probability of leaving at the first exit, by kind."""
    bins: tuple[tuple[float, ...], ...]
    """Probability of each bin after staying, by kind; each row sums to 1."""
    exits: tuple[tuple[float, ...], ...]
    """Probability of each later exit, by bin; each row sums to 1."""
    chain: ExitChain | None = None
    """Bins at every exit, with leaving as an action, in place of `exits`."""

    @property
    def bins_at(self) -> Callable[[int], int]:
        """From an exit but the last to the number of bins of the frames that stay there."""
        chain, count = self.chain, len(self.exits)
        return (lambda exit_: count) if chain is None else (lambda e: len(chain.edges[e]) + 1)


@dataclass(frozen=True)
class PlanProblem:
    """Times in ns, energies in nJ net of the idle reference."""

    points: tuple[OperatingPoint, ...]
    clocks_khz: tuple[int, ...]
    time_ns: tuple[tuple[int, ...], ...]
    """By stage and point."""
    net_nj: tuple[tuple[float, ...], ...]
    """By stage and point."""
    switch_ns: int
    switch_net_nj: float
    idle_net_uw: tuple[int, ...]
    """By clock: idle power above the idle reference."""
    plan_ns: tuple[int, ...]
    """By clock: time that choosing a plan takes after the first stage; 0 where nobody plans."""
    plan_net_nj: tuple[float, ...]
    distribution: ExitDistribution
    deadline_ns: int
    gaps_ns: tuple[int, ...]
    """Equally likely gaps between arrivals; none when a frame comes as soon as it can be taken."""
    queue_limit: int = 0
    """Frames that may wait: one more pushes the oldest out, which is a miss. 0 for no limit."""
    ratio: str = FULL_RATIO
    """The pruning ratio that times, energies and exits are of."""
    loss_points: float = 0.0
    """Accuracy that the ratio loses against the full width, in percentage points."""
    narrower: tuple["PlanProblem", ...] = ()
    """A frame at other ratios: at the same points, with the same deadline and gaps."""
    ratio_switch_ns: tuple[int, ...] = ()
    """By clock: time of a change of ratio; likewise its net energy in nJ."""
    ratio_switch_net_nj: tuple[float, ...] = ()
    loss_bound_points: float = 0.0
    """Highest mean loss by ratios and by leaving early, in percentage points."""
    loss_sureness: float = 0.0
    """Standard errors of the mean loss by leaving that are kept from the bound, one-sided: the
    chain's losses are those of so many held-back inputs."""
    loss_price_nj: float = 0.0
    """Put on each percentage point of accuracy that a frame loses by its ratio or by leaving."""

    @property
    def stages(self) -> int:
        """Number of stages."""
        return len(self.time_ns)

    @property
    def loses(self) -> bool:
        """True where accuracy can be given up: by narrower ratios, or by leaving as an action."""
        return bool(self.narrower) or self.distribution.chain is not None

    @property
    def ratios(self) -> tuple[str, ...]:
        """The ratios that there are, this problem's own first."""
        return (self.ratio, *(other.ratio for other in self.narrower))

    def at(self, ratio: str) -> "PlanProblem":
        """Return the problem of one of the ratios; this one for a ratio that is not planned."""
        return next((other for other in self.narrower if other.ratio == ratio), self)

    @property
    def clock_of(self) -> tuple[int, ...]:
        """Index of each point's clock."""
        return tuple(self.clocks_khz.index(point.clock_khz) for point in self.points)

    def slower(self, factor: Callable[[OperatingPoint, tuple[str, int]], float]) -> "PlanProblem":
        """Return the problem with stages that take a factor of their time at the same power.

        Args:
            factor: by point, and by ratio and index of the stage.
        """
        factors = [
            [factor(point, (self.ratio, stage)) for point in self.points]
            for stage in range(self.stages)
        ]
        return replace(
            self,
            time_ns=tuple(
                tuple(round(t * f) for t, f in zip(row, own, strict=True))
                for row, own in zip(self.time_ns, factors, strict=True)
            ),
            net_nj=tuple(
                tuple(e * f for e, f in zip(row, own, strict=True))
                for row, own in zip(self.net_nj, factors, strict=True)
            ),
            narrower=tuple(other.slower(factor) for other in self.narrower),
        )

    def with_gaps(self, factor: float) -> "PlanProblem":
        """Return the problem with every gap between arrivals that many times as long."""
        return replace(
            self,
            gaps_ns=tuple(round(gap * factor) for gap in self.gaps_ns),
            narrower=tuple(other.with_gaps(factor) for other in self.narrower),
        )

    def due_earlier(self, share: float) -> "PlanProblem":
        """Return the problem with a part of the deadline held back."""
        return replace(
            self,
            deadline_ns=round(self.deadline_ns * (1 - share)),
            narrower=tuple(other.due_earlier(share) for other in self.narrower),
        )

    def capped(self, cap_khz: int) -> "PlanProblem":
        """Return the problem without the points above a clock (the lowest clock always stays)."""
        cap_khz = max(cap_khz, self.clocks_khz[0])
        return self._with([p.clock_khz <= cap_khz for p in self.points])

    def pruned(self) -> "PlanProblem":
        """Return the problem without points that can never be part of the best plan.

        Such a point has another, of a clock that idles for no more, that is no slower and no dearer
        in any stage. Between clocks that holds too: whoever never goes to the dominated point's
        clock never has to leave it, and into either clock it is one switch.
        """
        idle = [self.idle_net_uw[clock] for clock in self.clock_of]
        every = (self, *self.narrower)
        rows = [row for one in every for row in (*one.time_ns, *one.net_nj)]
        cells = [(idle[i], *(row[i] for row in rows)) for i in range(len(self.points))]
        keep = [
            not any(
                all(a <= b for a, b in zip(other, own, strict=True)) and (other != own or j < i)
                for j, other in enumerate(cells)
                if j != i
            )
            for i, own in enumerate(cells)
        ]
        return self._with(keep)

    def _with(self, keep: Sequence[bool]) -> "PlanProblem":
        kept = [i for i, keeps in enumerate(keep) if keeps]
        points = tuple(self.points[i] for i in kept)
        khz = {point.clock_khz for point in points}
        clocks = [i for i, own in enumerate(self.clocks_khz) if own in khz]
        return replace(
            self,
            points=points,
            clocks_khz=tuple(self.clocks_khz[i] for i in clocks),
            time_ns=tuple(tuple(row[i] for i in kept) for row in self.time_ns),
            net_nj=tuple(tuple(row[i] for i in kept) for row in self.net_nj),
            idle_net_uw=tuple(self.idle_net_uw[i] for i in clocks),
            plan_ns=tuple(self.plan_ns[i] for i in clocks),
            plan_net_nj=tuple(self.plan_net_nj[i] for i in clocks),
            narrower=tuple(other._with(keep) for other in self.narrower),
            ratio_switch_ns=tuple(self.ratio_switch_ns[i] for i in clocks if self.narrower),
            ratio_switch_net_nj=tuple(self.ratio_switch_net_nj[i] for i in clocks if self.narrower),
        )

    @property
    def least_ns(self) -> int:
        """The shortest time in which a frame can pass all stages, without a switch."""
        return sum(min(row) for row in self.time_ns)


def predicted_exits(predictor: ExitPredictor) -> ExitDistribution:
    """Return the distribution that an exit predictor gives."""
    return ExitDistribution(
        shares=(1.0,),
        leave=(predictor.leave_first,),
        bins=(tuple(predictor.bin_shares),),
        exits=tuple(tuple(row) for row in predictor.bin_exits),
    )


def exit_shares_of(predictor: ExitPredictor) -> tuple[float, ...]:
    """Return the share of inputs that leave at each exit, as a predictor counted them."""
    later = [
        sum(
            share * row[k]
            for share, row in zip(predictor.bin_shares, predictor.bin_exits, strict=True)
        )
        for k in range(len(predictor.bin_exits[0]))
    ]
    staying = 1 - predictor.leave_first
    return (predictor.leave_first, *(share * staying for share in later))


def known_exits(exit_shares: Sequence[float], beforehand: bool = False) -> ExitDistribution:
    """Return the distribution for a perfect predictor: one bin for each later exit.

    Args:
        exit_shares: share of frames that leave at each exit; sums to 1.
        beforehand: the exit is known before the frame, not only after its first stage.
    """
    count = len(exit_shares) - 1
    if not count:
        return ExitDistribution((1.0,), (1.0,), ((1.0,),), ((1.0,),))
    eye = tuple(tuple(float(a == b) for b in range(count)) for a in range(count))
    staying = sum(exit_shares[1:])
    later = tuple(s / staying if staying else 1 / count for s in exit_shares[1:])
    if not beforehand:
        return ExitDistribution((1.0,), (exit_shares[0],), (later,), eye)
    return ExitDistribution(tuple(exit_shares), (1.0, *[0.0] * count), (later, *eye), eye)


def chained_exits(chain: ExitChain) -> ExitDistribution:
    """Return the distribution of a chain, which makes leaving an action at every exit."""
    staying = sum(chain.stay_first)
    bins = tuple(
        share / staying if staying else 1 / len(chain.stay_first) for share in chain.stay_first
    )
    return ExitDistribution((1.0,), (1.0 - staying,), (bins,), (), chain)


def marginal_exits(exit_shares: Sequence[float]) -> ExitDistribution:
    """Return the distribution without a predictor: one bin, with the shares of all frames."""
    known = known_exits(exit_shares)
    return ExitDistribution(known.shares, known.leave, ((1.0,),), known.bins)


def plan_problem(
    table: CostTable,
    stages: Sequence[str],
    points: Sequence[OperatingPoint],
    distribution: ExitDistribution,
    deadline_ns: int,
    gaps_ns: Sequence[int],
    plan_overheads: float = 0.0,
    queue_limit: int = 0,
) -> PlanProblem:
    """Return the problem that a cost table poses.

    Args:
        table: of the board; every stage at every point must have a row.
        stages: names in order.
        points: what may be chosen.
        distribution: of the exits.
        deadline_ns: from arrival to the due answer.
        gaps_ns: equally likely gaps between arrivals; none for back to back.
        plan_overheads: what a plan costs, in units of the first stage's overhead (decision and
            runtime).
        queue_limit: frames that may wait; 0 for no limit.

    Raises:
        CostTableError: a row is missing.
    """
    chosen = tuple(sorted(points))
    rows = [[table.row(stage, point) for point in chosen] for stage in stages]
    reference_uw = table.idle_reference_uw
    clocks = tuple(sorted({point.clock_khz for point in chosen}))
    net = [[row.energy_nj - reference_uw * row.time_ns / 1e6 for row in line] for line in rows]
    for line, costs in zip(net, rows, strict=True):
        slowest_ns, most_nj = max(row.time_ns for row in costs), max(map(abs, line))
        for index, row in enumerate(costs):
            line[index] += TIE_BREAK * most_nj * row.time_ns / slowest_ns
    plan_ns = [_plan_ns(rows[0], chosen, khz, plan_overheads) for khz in clocks]
    return PlanProblem(
        points=chosen,
        clocks_khz=clocks,
        time_ns=tuple(tuple(row.time_ns for row in line) for line in rows),
        net_nj=tuple(tuple(line) for line in net),
        switch_ns=table.switch.time_ns,
        switch_net_nj=table.switch.energy_nj - reference_uw * table.switch.time_ns / 1e6,
        idle_net_uw=tuple(table.idle_uw.get(khz, reference_uw) - reference_uw for khz in clocks),
        plan_ns=tuple(time_ns for time_ns, _ in plan_ns),
        plan_net_nj=tuple((uw - reference_uw) * time_ns / 1e6 for time_ns, uw in plan_ns),
        distribution=distribution,
        deadline_ns=deadline_ns,
        gaps_ns=tuple(gaps_ns),
        queue_limit=queue_limit,
    )


def _plan_ns(
    rows: Sequence[CostRow], points: Sequence[OperatingPoint], khz: int, overheads: float
) -> tuple[int, int]:
    """Return time in ns and gross power in uW of a plan at a clock: it runs on one thread."""
    # Points are sorted: the first of a clock is the one with the fewest threads.
    row = next(r for r, p in zip(rows, points, strict=True) if p.clock_khz == khz)
    return round(row.overhead_ns * overheads), row.power_uw

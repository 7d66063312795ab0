"""Small cost tables and problems, written by hand or drawn by hypothesis."""

from collections.abc import Sequence

from edge_infer.boards.cost_table import CostRow, CostTable, OperatingPoint, SwitchCost
from edge_infer.runtime.planning.problem import ExitDistribution, PlanProblem

MS = 1_000_000
CLOCKS_KHZ = (500_000, 1_000_000, 2_000_000)
IDLE_UW = 1_000_000
STAGES = ("a", "b", "c")


def steep_table(
    stage_ms: Sequence[float] = (1.0, 1.0, 2.0),
    clocks_khz: Sequence[int] = CLOCKS_KHZ,
    switch_ns: int = 100_000,
    switch_nj: int = 200_000,
    volts: Sequence[float] | None = None,
    threads: Sequence[int] = (1,),
) -> CostTable:
    """A board whose busy power is V^2 f, with V proportional to f unless given.

    `stage_ms` are times at the top clock, where one busy core adds 1 W.
    """
    top = clocks_khz[-1]
    volts = volts or [khz / top for khz in clocks_khz]
    rows = {}
    for stage, ms in zip("abcdefgh", stage_ms, strict=False):
        for khz, volt in zip(clocks_khz, volts, strict=True):
            for count in threads:
                speed_up = 1 / (0.1 + 0.9 / count)
                time_ns = round(ms * MS * top / khz / speed_up)
                busy_uw = 1_000_000 * volt**2 * khz / top * count
                rows[stage, OperatingPoint(khz, count)] = CostRow(
                    time_ns, round((IDLE_UW + busy_uw) * time_ns / 1e6), time_ns // 100
                )
    return CostTable(
        board="sim:steep",
        rows=rows,
        switch=SwitchCost(switch_ns, switch_nj),
        idle_uw=dict.fromkeys(clocks_khz, IDLE_UW),
        idle_reference_uw=IDLE_UW,
    )


def problem_of(
    time_ns: Sequence[Sequence[int]],
    net_nj: Sequence[Sequence[float]],
    distribution: ExitDistribution,
    deadline_ns: int,
    gaps_ns: Sequence[int] = (),
    switch_ns: int = 0,
    switch_net_nj: float = 0.0,
) -> PlanProblem:
    """A problem with one point a clock."""
    clocks = tuple(1_000 * (i + 1) for i in range(len(time_ns[0])))
    return PlanProblem(
        points=tuple(OperatingPoint(khz) for khz in clocks),
        clocks_khz=clocks,
        time_ns=tuple(map(tuple, time_ns)),
        net_nj=tuple(map(tuple, net_nj)),
        switch_ns=switch_ns,
        switch_net_nj=switch_net_nj,
        idle_net_uw=(0,) * len(clocks),
        plan_ns=(0,) * len(clocks),
        plan_net_nj=(0.0,) * len(clocks),
        distribution=distribution,
        deadline_ns=deadline_ns,
        gaps_ns=tuple(gaps_ns),
    )

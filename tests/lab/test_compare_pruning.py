"""Pruning alone: the search finds what trying everything finds, and tries little."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.plan_tables import steep_table

from edge_infer.boards.cost_table import CostTable
from edge_infer.lab.comparison.replays import PrunedNet, best_pruned, pruned_nets
from edge_infer.lab.replay.result import ReplayResult

PERIOD_NS = 5_000_000


def table_of(widths: dict[str, float]) -> CostTable:
    table = steep_table(stage_ms=(1.0,))
    rows = {}
    for point in table.points:
        row = table.row("a", point)
        for ratio, width in widths.items():
            name = "classic" if ratio == "1.0" else f"classic@{ratio}"
            rows[name, point] = replace(
                row, time_ns=round(row.time_ns * width), energy_nj=round(row.energy_nj * width)
            )
    return replace(table, rows=rows)


def result_of(miss_rate: float) -> ReplayResult:
    found = ReplayResult("pruning", 1000, [1000], None)
    found.late = round(1000 * miss_rate)
    return found


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12),
    st.integers(1, 10),
)
def test_the_cheapest_that_keeps_the_bound_is_found(
    nets: list[tuple[int, int]], limit: int
) -> None:
    point = steep_table().points[0]
    ordered = [PrunedNet("1.0", point, float(nj), ns) for nj, ns in sorted(nets)]
    tried: list[PrunedNet] = []

    def replay(net: PrunedNet) -> ReplayResult:
        tried.append(net)
        return result_of(0.0 if net.time_ns < limit else net.time_ns / 10)

    result, best = best_pruned(ordered, replay, 0.01)
    fit = [net for net in ordered if net.time_ns < limit]
    if fit:
        assert best.net_nj == min(net.net_nj for net in fit)
        assert result.miss_rate == 0
    else:
        assert best.time_ns == min(net.time_ns for net in ordered)
    misses = [net.time_ns for net in tried if net.time_ns >= limit]
    assert misses == sorted(set(misses), reverse=True)


def test_the_choices_come_cheapest_first_with_the_wait_at_their_clock() -> None:
    table = table_of({"1.0": 1.0, "0.5": 0.5})
    nets = pruned_nets(table, ["1.0", "0.5"], table.points, PERIOD_NS)
    assert len(nets) == 2 * len(table.points)
    assert [net.net_nj for net in nets] == sorted(net.net_nj for net in nets)
    assert (nets[0].ratio, nets[0].point) == ("0.5", table.points[0])
    dear = replace(table, idle_uw={**table.idle_uw, table.points[0].clock_khz: 2_000_000})
    waiting = pruned_nets(dear, ["0.5"], table.points[:1], PERIOD_NS)[0]
    wait_ns = PERIOD_NS - waiting.time_ns
    assert waiting.net_nj - nets[0].net_nj == pytest.approx(wait_ns)  # 1 W for that long

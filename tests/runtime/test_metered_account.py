"""Accounting against a meter that knows the truth: the power curve is given, so is its integral."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.runtime_fakes import POINT, IdealMeter, record_of
from tests.profile import examples

from edge_infer.boards.cost_table import CostRow, CostTable, SwitchCost
from edge_infer.boards.errors import BusError
from edge_infer.boards.power import SampleFlag
from edge_infer.runtime.accounting.account import IdleReference
from edge_infer.runtime.accounting.metered import MeteredAccount
from edge_infer.runtime.records import Frame, InferenceRecord

US, MS = 1_000, 1_000_000
IDLE_UW, STAGE_UW = 2_000_000, (3_000_000, 4_500_000)


class Truth:
    """A timeline of stages with known powers."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int, int]] = []
        self.records: list[InferenceRecord] = []
        self._first = 0

    def infer(self, start_ns: int, stage_ns: Sequence[int]) -> int:
        stages = []
        at_ns = start_ns
        for stage, ns in enumerate(stage_ns):
            stages.append((at_ns, at_ns + ns))
            self.spans.append((at_ns, at_ns + ns, STAGE_UW[stage]))
            at_ns += ns
        self.records.append(record_of(Frame(len(self.records), None), start_ns, at_ns, stages))  # type: ignore[arg-type]
        return at_ns

    def energy_nj(self, start_ns: int, end_ns: int) -> float:
        """Integrate over a window; windows are asked for in order of their start."""
        total = IDLE_UW * (end_ns - start_ns) / 1e6
        while self._first < len(self.spans) and self.spans[self._first][1] <= start_ns:
            self._first += 1
        for begin, end, power_uw in self.spans[self._first :]:
            if begin >= end_ns:
                break
            overlap_ns = max(0, min(end, end_ns) - max(begin, start_ns))
            total += (power_uw - IDLE_UW) * overlap_ns / 1e6
        return total

    def energy_of(self, record: InferenceRecord) -> float:
        return sum(
            STAGE_UW[stage] * (end - start) / 1e6
            for stage, (start, end) in enumerate(
                zip(record.stage_start_ns, record.stage_end_ns, strict=True)
            )
        )


def table(scale_second_row: float = 1.0) -> CostTable:
    def row(power_uw: float) -> CostRow:
        return CostRow(time_ns=1_000_000, energy_nj=round(power_uw), overhead_ns=0)

    return CostTable(
        board="test",
        rows={("a", POINT): row(STAGE_UW[0]), ("b", POINT): row(STAGE_UW[1] * scale_second_row)},
        switch=SwitchCost(0, 0),
        idle_uw={POINT.clock_khz: IDLE_UW},
        idle_reference_uw=IDLE_UW,
    )


def account_for(meter: IdealMeter, costs: CostTable | None) -> MeteredAccount:
    return MeteredAccount(meter, IdleReference(IDLE_UW, 0), 0, costs, ("a", "b"), POINT.clock_khz)


def drain_all(
    account: MeteredAccount, truth: Truth, end_ns: int, every: int = 50
) -> list[InferenceRecord]:
    drained: list[InferenceRecord] = []
    for count, record in enumerate(truth.records):
        account.add(record)
        if count % every == 0:
            drained += account.drain(record.end_ns)
    return drained + account.close(end_ns)


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(10, 5000), st.integers(0, 5000)),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 7),
)
def test_the_parts_add_up_to_the_measured_energy(
    frames: list[tuple[int, int, int]], every: int
) -> None:
    truth, at_ns = Truth(), 0
    for gap_us, first_us, second_us in frames:
        stages = [first_us * US] + [second_us * US] * bool(second_us)
        at_ns = truth.infer(at_ns + gap_us * US, stages)
    end_ns = at_ns + 2 * MS
    meter = IdealMeter(truth.energy_nj, MS)
    account = account_for(meter, table())
    drained = drain_all(account, truth, end_ns, every)

    assert [record.number for record in drained] == list(range(len(frames)))
    totals = account.totals()
    inferences = sum(record.energy.gross_nj for record in drained if record.energy)
    assert inferences <= totals.gross_nj + len(drained)
    busy_ns = sum(record.busy_ns for record in drained)
    if busy_ns == end_ns:
        assert inferences == pytest.approx(totals.gross_nj, abs=len(drained))
    for record in drained:
        assert record.energy is not None
        assert record.energy.net_nj == record.energy.gross_nj - IDLE_UW * record.busy_ns // 10**6
        assert 0 <= record.energy.apportioned_share <= 1


def busy_truth(seed: int, count: int, stage_us: tuple[int, int], deep_share: float) -> Truth:
    choose, truth, at_ns = random.Random(seed), Truth(), 5 * MS
    for _ in range(count):
        deep = choose.random() < deep_share
        stages = [us * US for us in (stage_us if deep else stage_us[:1])]
        at_ns = truth.infer(at_ns + choose.randrange(0, 40) * US, stages)
    return truth


def mean_per_exit(records: Sequence[InferenceRecord], exit_: int) -> float:
    energies = [r.energy.gross_nj for r in records if r.exit == exit_ and r.energy]
    return sum(energies) / len(energies)


@pytest.mark.parametrize("wrong", [0.8, 1.0, 1.2])
@pytest.mark.parametrize(
    ("stage_us", "count"),
    [
        ((30, 50), 10_000),
        ((400, 900), 5_000),
        pytest.param((30, 50), 40_000, marks=pytest.mark.slow),
    ],
)
def test_mean_energy_per_exit_survives_a_wrong_cost_row(
    stage_us: tuple[int, int], count: int, wrong: float
) -> None:
    truth = busy_truth(1, count, stage_us, 0.4)
    # The second half of a conversion pair is the bus voltage: power is seen half of the time.
    meter = IdealMeter(truth.energy_nj, 532 * US, 1064 * US, lost=lambda seq: seq % 20 == 7)
    account = account_for(meter, table(wrong))
    end_ns = truth.records[-1].end_ns
    drained = drain_all(account, truth, end_ns)
    assert account.totals().gross_nj == pytest.approx(
        Truth.energy_nj(truth_again(truth), 0, end_ns), rel=0.01
    )
    for exit_ in (0, 1):
        true = [truth.energy_of(r) for r in truth.records if r.exit == exit_]
        assert mean_per_exit(drained, exit_) == pytest.approx(sum(true) / len(true), rel=0.03)


def truth_again(truth: Truth) -> Truth:
    """The same timeline, to be asked from its beginning again."""
    again = Truth()
    again.spans = truth.spans
    return again


def test_long_windows_are_measured_not_apportioned() -> None:
    truth = Truth()
    truth.infer(10 * MS, [200 * MS])
    account = account_for(IdealMeter(truth.energy_nj, MS), table())
    (record,) = drain_all(account, truth, 300 * MS)
    assert record.energy is not None
    assert record.energy.gross_nj == pytest.approx(200 * STAGE_UW[0], rel=0.01)
    assert record.energy.apportioned_share < 0.02
    assert account.totals().apportioned_share < 0.02


def test_without_a_cost_table_a_window_still_gets_its_share() -> None:
    truth = busy_truth(2, 3000, (300, 600), 0.5)
    account = account_for(IdealMeter(truth.energy_nj, 532 * US, 1064 * US), None)
    drained = drain_all(account, truth, truth.records[-1].end_ns)
    for exit_ in (0, 1):
        true = [truth.energy_of(r) for r in truth.records if r.exit == exit_]
        assert mean_per_exit(drained, exit_) == pytest.approx(sum(true) / len(true), rel=0.05)


def test_a_gap_of_lost_samples_is_bridged_by_the_trapezoid() -> None:
    truth = Truth()
    truth.infer(0, [400 * MS])
    meter = IdealMeter(truth.energy_nj, MS, lost=lambda seq: 100 <= seq < 200)
    account = account_for(meter, table())
    drain_all(account, truth, 400 * MS)
    assert account.totals().gross_nj == pytest.approx(400 * STAGE_UW[0], rel=0.005)


class DyingMeter(IdealMeter):
    """Fails for good after a while."""

    def drain(self, until_ns: int):  # type: ignore[no-untyped-def]
        if until_ns > 100 * MS:
            raise BusError("the meter does not answer")
        return super().drain(until_ns)


def test_after_a_dead_meter_the_uncovered_records_have_no_energy() -> None:
    truth = Truth()
    for number in range(20):
        truth.infer(number * 10 * MS, [5 * MS])
    account = account_for(DyingMeter(truth.energy_nj, MS), table())
    drained: list[InferenceRecord] = []
    with pytest.raises(BusError):
        for record in truth.records:
            account.add(record)
            drained += account.drain(record.end_ns)
    drained += account.close(300 * MS)
    assert [r.number for r in drained] == list(range(len(drained)))
    assert all(r.energy is not None for r in drained[:9])
    assert drained[-1].energy is None


def test_saturated_samples_are_counted_and_not_learned_from() -> None:
    truth = Truth()
    truth.infer(0, [100 * MS])
    meter = IdealMeter(truth.energy_nj, MS)
    plain = meter.drain

    def saturating(until_ns: int):  # type: ignore[no-untyped-def]
        return [
            s._replace(flags=SampleFlag.SATURATED) if 10 <= s.seq < 15 else s
            for s in plain(until_ns)
        ]

    meter.drain = saturating  # type: ignore[method-assign]
    account = account_for(meter, table())
    drain_all(account, truth, 120 * MS)
    assert account.totals().saturated == 5


def test_a_meter_that_is_saturated_all_the_time_holds_nothing_back() -> None:
    truth = Truth()
    for number in range(300):
        truth.infer(number * 10 * MS, [5 * MS])
    meter = IdealMeter(truth.energy_nj, MS)
    plain = meter.drain
    meter.drain = lambda until_ns: [  # type: ignore[method-assign]
        s._replace(flags=SampleFlag.SATURATED) for s in plain(until_ns)
    ]
    account, drained = account_for(meter, table()), 0
    for record in truth.records:
        account.add(record)
        drained += len(account.drain(record.end_ns))
    assert drained > 290
    account.close(3000 * MS)
    assert account.totals().saturated > 2900


def test_energies_are_held_back_until_a_second_was_learned_from_and_no_longer() -> None:
    truth = Truth()
    for number in range(300):
        truth.infer(number * 10 * MS, [5 * MS])
    account = account_for(IdealMeter(truth.energy_nj, MS), table(1.2))
    counts = []
    for record in truth.records:
        account.add(record)
        counts.append(len(account.drain(record.end_ns)))
    assert sum(counts[:90]) == 0
    assert counts[110:] == [1] * 190


def test_waits_at_the_clock_of_the_reference_count_for_it() -> None:
    """The second before the run was unlike the others: a process ran, or the board was cold."""
    truth = Truth()
    for number in range(300):
        truth.infer(number * 10 * MS, [MS])
    idle = IdleReference(round(1.02 * IDLE_UW), 0, POINT.clock_khz, 1000 * MS)
    meter = IdealMeter(truth.energy_nj, MS)
    account = MeteredAccount(meter, idle, 0, table(), ("a", "b"), POINT.clock_khz)
    drain_all(account, truth, 3000 * MS)
    totals = account.totals()
    # One second of that, 2.7 of waits that are as they should be.
    assert totals.idle_reference.power_uw == pytest.approx(IDLE_UW * (1 + 0.02 / 3.7), rel=1e-3)
    assert totals.idle_reference.time_ns == pytest.approx(3700 * MS, rel=0.01)


@settings(max_examples=examples(15))
@given(st.integers(0, 1000))
def test_the_stated_uncertainty_covers_the_supply(seed: int) -> None:
    truth = busy_truth(seed, 1500, (200, 900), 0.5)
    meter = IdealMeter(truth.energy_nj, 532 * US, 1064 * US)
    account = account_for(meter, table(1.2))
    end_ns = truth.records[-1].end_ns
    drain_all(account, truth, end_ns)
    totals = account.totals()
    error = abs(totals.gross_nj - truth_again(truth).energy_nj(0, end_ns))
    assert totals.gross_uncertainty_nj is not None
    # Two standard errors hold 95 %; three hold for every one of these seeds.
    assert error <= 1.5 * totals.gross_uncertainty_nj


def test_a_run_in_step_with_the_meter_is_not_mistaken_for_idle() -> None:
    """Busy exactly while the chip converts the bus voltage: the shunt only ever sees idle.

    A plain trapezoid would report idle power. Nothing seen tells the stage's power, so the cost
    table stands for it, and the stated uncertainty says how little is known.
    """
    truth = Truth()
    for number in range(2000):
        truth.infer(number * 1064 * US + 540 * US, [500 * US])
    account = account_for(IdealMeter(truth.energy_nj, 532 * US, 1064 * US), table(1.0))
    end_ns = 2000 * 1064 * US
    drain_all(account, truth, end_ns)
    totals, true_nj = account.totals(), truth_again(truth).energy_nj(0, end_ns)
    assert abs(totals.gross_nj - true_nj) <= 0.01 * true_nj
    plain_nj = IDLE_UW * end_ns / 1e6
    assert plain_nj < 0.85 * true_nj
    assert totals.gross_uncertainty_nj is not None
    assert totals.gross_uncertainty_nj > 0.1 * (true_nj - plain_nj)

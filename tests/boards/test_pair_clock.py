from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.pair_clock import PairClock

NOMINAL_NS, READ_NS = 1_064_000, 120_000


@given(
    drift_ppm=st.integers(-50_000, 101_500),
    missed=st.sets(st.integers(60, 400), max_size=60),
)
def test_it_counts_every_pair_and_stays_within_a_read_of_its_end(
    drift_ppm: int, missed: set[int]
) -> None:
    true_ns = NOMINAL_NS * (1_000_000 + drift_ppm) // 1_000_000
    clock = PairClock(NOMINAL_NS)
    clock.restart(0)
    now_ns = cleared = 0
    errors_ns: list[int] = []
    while now_ns < 500 * true_ns:
        began_ns = max(now_ns, clock.next_poll_ns())
        now_ns = began_ns + READ_NS
        while now_ns // true_ns <= cleared or now_ns // true_ns in missed:
            clock.not_ready(now_ns)
            began_ns, now_ns = now_ns, now_ns + READ_NS
        clock.ready(began_ns, now_ns)
        cleared = now_ns // true_ns
        if cleared > 50:  # it has found the period by then
            assert clock.count == cleared
            assert abs(clock.edge_ns - cleared * true_ns) <= READ_NS
            errors_ns.append(abs(clock.edge_ns - cleared * true_ns))
        now_ns += 2 * READ_NS
    if not missed:
        # One bit a read, yet a fortieth of a read: the slip has become fine.
        assert sorted(errors_ns)[len(errors_ns) // 2] <= READ_NS // 40

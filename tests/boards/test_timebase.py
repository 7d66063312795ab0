from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.timebase import NEVER_NS, VirtualTimebase


def test_time_moves_only_when_it_is_let_pass() -> None:
    timebase = VirtualTimebase(5)
    assert timebase.now_ns() == 5
    timebase.sleep_until_ns(100)
    assert timebase.now_ns() == 100
    timebase.sleep_until_ns(50)
    assert timebase.now_ns() == 100


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), max_size=30), st.integers(0, 1200))
def test_events_run_once_in_order_at_their_time(
    booked: list[tuple[int, bool]], until_ns: int
) -> None:
    timebase, ran = VirtualTimebase(), []
    for number, (when_ns, _) in enumerate(booked):
        timebase.call_at(
            when_ns,
            lambda n=number, w=when_ns: ran.append((w, n, timebase.now_ns())),  # type: ignore[misc]
        )
    timebase.sleep_until_ns(until_ns)
    expected = sorted((w, n) for n, (w, _) in enumerate(booked) if w <= until_ns)
    assert [(w, n) for w, n, _ in ran] == expected
    assert all(now_ns == w for w, _, now_ns in ran)
    assert timebase.now_ns() == until_ns
    left = [w for w, _ in booked if w > until_ns]
    assert timebase.next_due_ns == min(left, default=NEVER_NS)


def test_an_event_may_book_another_and_let_time_pass() -> None:
    timebase, ran = VirtualTimebase(), []

    def tick() -> None:
        ran.append(timebase.now_ns())
        timebase.sleep_until_ns(timebase.now_ns() + 30)
        if len(ran) < 3:
            timebase.call_at(timebase.now_ns() + 70, tick)

    timebase.call_at(100, tick)
    timebase.sleep_until_ns(310)
    assert ran == [100, 200, 300]
    assert timebase.now_ns() == 330


def test_what_falls_due_in_a_standstill_waits_for_its_end() -> None:
    timebase, ran = VirtualTimebase(), []
    timebase.call_at(100, lambda: ran.append(timebase.now_ns()))
    timebase.hold_until_ns(300)
    assert (timebase.now_ns(), ran) == (300, [])
    timebase.sleep_until_ns(300)
    assert ran == [300]
    timebase.hold_until_ns(200)
    assert timebase.now_ns() == 300

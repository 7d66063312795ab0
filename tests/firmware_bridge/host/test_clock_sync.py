import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.firmware_bridge.host.clock_sync import ClockSync, Exchange


def exchanges(offset_ns: int, drift_ppm: float, seconds: int, seed: int) -> list[Exchange]:
    rng, out = random.Random(seed), []
    for second in range(seconds):
        device_ns = 5_000_000_000 + second * 1_000_000_000
        host_ns = device_ns + offset_ns + round(second * 1_000 * drift_ppm)
        there_ns = 2_000_000 + round(rng.expovariate(1 / 3_000_000))
        back_ns = 2_000_000 + round(rng.expovariate(1 / 3_000_000))
        out.append(Exchange(host_ns - there_ns, device_ns, host_ns + back_ns))
    return out


@given(
    st.integers(-(10**15), 10**15),
    st.floats(-200, 200),
    st.integers(0, 2**32),
)
def test_offset_and_drift_are_found_within_the_stated_bound(
    offset_ns: int, drift_ppm: float, seed: int
) -> None:
    sync, given_exchanges = ClockSync(), exchanges(offset_ns, drift_ppm, 600, seed)
    for exchange in given_exchanges:
        sync.add(exchange)
    fit = sync.fit()
    assert fit is not None
    assert fit.drift_ppm == pytest.approx(drift_ppm, abs=15)
    for second in (0, 300, 599):
        device_ns = 5_000_000_000 + second * 1_000_000_000
        true_ns = device_ns + offset_ns + round(second * 1_000 * drift_ppm)
        far_ns = abs(device_ns - fit.reference_ns)
        assert abs(fit.to_host_ns(device_ns) - true_ns) <= fit.bound_ns + far_ns * 15 // 10**6 + 1


def test_nothing_is_known_before_the_first_exchange_and_no_drift_from_a_short_time() -> None:
    sync = ClockSync()
    assert sync.fit() is None
    for exchange in exchanges(7, 100, 9, 1):
        sync.add(exchange)
    fit = sync.fit()
    assert fit is not None and fit.drift_ppm == 0.0


def test_memory_is_bounded_and_the_old_is_thinned_not_forgotten() -> None:
    tracemalloc.start()
    sync, first = ClockSync(capacity=64), Exchange(9, 1, 11)  # quicker than any that follows
    sync.add(first)
    for exchange in exchanges(0, 50, 5000, 3):
        sync.add(exchange)
    del exchange
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 64 * 400  # all 5,000 of them take a megabyte
    fit = sync.fit()
    assert fit is not None and (fit.reference_ns, fit.bound_ns) == (first.device_ns, 1)

"""Stated uncertainty against the truth of disturbed boards: many boards, each by its own seed.

Each board runs for some seconds with inferences of 1 ms on the average: two stages of several
operators, which are about as long as a conversion of the meter. What a nominal 95 % interval covers
is counted over the seeds. A seed gives the same run to the last digit, so nothing here is chance.
"""

from collections.abc import Sequence

import pytest
from tests.runtime.test_energy_truth import Run, run

LENGTH_US, DUTY, SECONDS = 1_000, 0.5, 2


def boards(seeds: Sequence[int]) -> list[Run]:
    return [run(LENGTH_US, DUTY, seed, wrong_row=1.0, seconds=SECONDS) for seed in seeds]


def exit_errors(found: Run, exit_: int) -> tuple[float, float, float]:
    """Return error and half width of the mean net energy of an exit, and the energy, in nJ."""
    idle_nj = found.true_idle_uw * found.mean_busy_ns[exit_] / 1e6
    true_nj = found.true_exit_nj[exit_] - idle_nj
    error_nj = found.mean_exit_net_nj(exit_) - true_nj
    return error_nj, found.totals.exit_uncertainty_nj[exit_], true_nj


@pytest.fixture(
    scope="module",
    params=[range(4), pytest.param(range(200), marks=pytest.mark.slow)],
    ids=lambda seeds: f"{len(seeds)} boards",
)
def studied(request: pytest.FixtureRequest) -> list[Run]:
    return boards(request.param)


def test_the_supply_is_within_1_percent(studied: list[Run]) -> None:
    for found in studied:
        assert found.totals.gross_nj == pytest.approx(found.true_gross_nj, rel=0.01)
        assert found.totals.net_nj == pytest.approx(found.true_net_nj, rel=0.01)


@pytest.mark.parametrize("exit_", [0, 1])
def test_the_mean_of_an_exit_is_within_3_percent_and_says_so(
    studied: list[Run], exit_: int
) -> None:
    for found in studied:
        error_nj, half_width_nj, true_nj = exit_errors(found, exit_)
        assert abs(error_nj) < 0.03 * true_nj
        assert half_width_nj < 0.03 * true_nj


@pytest.mark.parametrize("exit_", [0, 1])
def test_an_interval_of_95_percent_covers_about_as_many(studied: list[Run], exit_: int) -> None:
    covered = 0
    for found in studied:
        error_nj, half_width_nj, _ = exit_errors(found, exit_)
        covered += abs(error_nj) <= half_width_nj
        assert abs(error_nj) <= 3 * half_width_nj
    if len(studied) >= 200:
        assert 0.90 <= covered / len(studied) <= 0.99

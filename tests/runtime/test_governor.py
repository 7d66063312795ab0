import pytest

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governor import open_governor
from edge_infer.runtime.records import Frame

CLOCKS = (600_000, 1_000_000, 1_500_000)
FRAME = Frame(0, None)  # type: ignore[arg-type]  # fixed governors do not look at it


@pytest.mark.parametrize(
    ("policy", "khz"),
    [("performance", 1_500_000), ("powersave", 600_000), ("fixed:1000", 1_000_000)],
)
def test_fixed_policies_ask_for_one_clock(policy: str, khz: int) -> None:
    governor = open_governor(policy, CLOCKS, threads=2)
    assert governor.name == policy
    assert governor.first_point(FRAME, 0, 0) == OperatingPoint(khz, 2)
    assert governor.idle_point() == OperatingPoint(khz, 2)


@pytest.mark.parametrize("policy", ["fixed:999", "fixed:0", "fixed:1e9"])
def test_a_clock_not_offered_lists_what_is(policy: str) -> None:
    with pytest.raises(PolicyError, match="600, 1000, 1500 MHz"):
        open_governor(policy, CLOCKS)


@pytest.mark.parametrize("policy", ["fixed:", "fixed:fast", "fixed:nan", "fixed:inf"])
def test_a_clock_that_is_no_number_is_refused(policy: str) -> None:
    with pytest.raises(PolicyError, match=r"fixed:<MHz> with one of: 600"):
        open_governor(policy, CLOCKS)


def test_an_unknown_policy_lists_the_known() -> None:
    with pytest.raises(PolicyError, match=r"turbo.*performance, powersave, fixed:<MHz>"):
        open_governor("turbo", CLOCKS)

"""Policies by name: how they are written, what they need, what is said where it is missing."""

import pytest
from tests.fakes.live_policies import live_governor

import edge_infer.lab  # noqa: F401 its policies register themselves
from edge_infer.boards import open_board
from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.policies.policy import LABORATORY, all_policies, find_policy, users_of
from edge_infer.runtime.records import Frame

BUNDLE = open_bundle("digits-early-exit")
FRAME = Frame(0, None)  # type: ignore[arg-type]  # fixed governors do not look at it


@pytest.fixture(name="board")
def a_board() -> Board:
    return open_board("sim:raspberry-pi-4b")


@pytest.mark.parametrize(
    ("policy", "point"),
    [
        ("performance", OperatingPoint(1_500_000, 2)),
        ("powersave", OperatingPoint(600_000, 2)),
        ("fixed:1000", OperatingPoint(1_000_000, 2)),
        ("fixed:1000x4", OperatingPoint(1_000_000, 4)),
    ],
)
def test_fixed_policies_ask_for_one_clock(board: Board, policy: str, point: OperatingPoint) -> None:
    governor = live_governor(policy, BUNDLE, board, threads=2)
    assert governor.name == policy
    assert governor.first_point(FRAME, 0, 0) == point
    assert governor.idle_point() == point
    assert governor.thread_counts == (point.threads,)


@pytest.mark.parametrize("policy", ["fixed:999", "fixed:0", "fixed:1e9"])
def test_a_clock_not_offered_lists_what_is(board: Board, policy: str) -> None:
    with pytest.raises(PolicyError, match=r"600.* 1000.* 1500 MHz"):
        live_governor(policy, BUNDLE, board)


@pytest.mark.parametrize("policy", ["fixed", "fixed:", "fixed:fast", "fixed:nan", "fixed:inf"])
def test_a_clock_that_is_no_number_is_refused(board: Board, policy: str) -> None:
    with pytest.raises(PolicyError, match=r"fixed:<MHz> with one of: 600"):
        live_governor(policy, BUNDLE, board)


@pytest.mark.parametrize("policy", ["fixed:600x0", "fixed:600x", "fixed:600x-1"])
def test_threads_that_are_no_number_are_refused(board: Board, policy: str) -> None:
    with pytest.raises(PolicyError, match="no operating point of"):
        live_governor(policy, BUNDLE, board)


def test_an_unknown_policy_lists_the_known() -> None:
    with pytest.raises(PolicyError, match=r"turbo.*performance, powersave, fixed:<MHz>"):
        find_policy("turbo")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("planed", "planned"), ("powersafe", "powersave"), ("stable-latancy:600", "stable-latency")],
)
def test_a_typing_error_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(PolicyError, match=f"did you mean {meant}\\?"):
        find_policy(typed)


def test_what_may_not_follow_a_name_is_refused() -> None:
    with pytest.raises(PolicyError, match="takes nothing after its name"):
        find_policy("performance:600")


def test_the_laboratory_registers_what_the_runtime_says_it_has() -> None:
    known = {policy.name for policy in all_policies()}
    assert set(LABORATORY) - known == {"classic", "pruning"}  # nets, not governors


def test_a_policy_that_needs_the_future_is_for_compare_alone(board: Board) -> None:
    for name in ("oracle", "clairvoyant", "planned-perfect", "zero-pad"):
        with pytest.raises(PolicyError, match="for compare alone"):
            live_governor(name, BUNDLE, board)


@pytest.mark.parametrize(
    ("policy", "missing"),
    [
        ("planned", "needs a cost table and host has none"),
        ("planned-joint", "it is not prunable"),
        ("stable-latency", "needs a target"),
    ],
)
def test_a_need_that_is_not_met_is_named(policy: str, missing: str) -> None:
    with open_board("host") as host, pytest.raises(PolicyError, match=missing):
        live_governor(policy, BUNDLE, host)


def test_a_setting_knows_its_users() -> None:
    assert users_of("target_ns") == ("stable-latency",)
    assert users_of("loss_points") == ("planned-leaving", "planned-joint")
    assert {"planned", "planned-blind", "planned-joint"} <= set(users_of("miss_bound"))


def test_what_leaving_costs_is_known_at_the_full_width_alone(board: Board) -> None:
    with pytest.raises(PolicyError, match=r"at ratio 1\.0 alone, not at 0\.5: leave --ratio out"):
        Engine(
            BUNDLE, board, policy="planned-leaving", ratio="0.5", loss_points=2.0,
            deadline_ns=10**7,
        )  # fmt: skip

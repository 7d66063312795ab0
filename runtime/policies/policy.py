"""Policies by name: what each is called, how it is written, what it needs, how it is made.

One table for everybody: the engine, `edge-infer run` and `compare`, help texts and completion. What
a laboratory alone can do (a limit that knows the future, a kernel governor by its rules) registers
itself here when `edge_infer.lab` is imported.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.governor import FixedGovernor, Governor

if TYPE_CHECKING:
    from edge_infer.runtime.policies.context import PolicyContext

_log = logging.getLogger(__name__)

FOR_ALL = frozenset({"deadline_ns", "arrivals"})
"""Settings that hold whatever the policy."""
Need = Literal[
    "cost table",
    "predictor",
    "exit shares",
    "leaving losses",
    "ratios",
    "ratio losses",
    "deadline",
    "target",
]
"""What a policy cannot do without."""
Kind = Literal["baseline", "governor", "limit"]
"""Somebody else's idea, one of ours, or a bound that nobody can reach on a board."""
LABORATORY = (
    "ondemand", "conservative", "schedutil", "zero-pad", "planned-zero-pad", "planned-perfect",
    "planned-uncalibrated", "oracle", "clairvoyant", "classic", "pruning",
)  # fmt: skip
"""Names that only a comparison knows, so that a run can say where they are to be had."""


class Asked(NamedTuple):
    """A policy as it was asked for: `fixed:1500` is `fixed` with the argument 1500."""

    text: str
    argument: str


@dataclass(frozen=True)
class Policy:
    """One policy."""

    name: str
    """What stands before the colon."""
    summary: str
    """Half a sentence for help texts."""
    make: "Callable[[Asked, PolicyContext], Governor]"
    """Makes its governor. Raises PolicyError, CostTableError or BudgetError."""
    argument: str = ""
    """How what follows the name is written, with its colon; empty where nothing may follow."""
    needs: tuple[Need, ...] = ()
    uses: frozenset[str] = frozenset()
    """Fields of `PolicySettings` that it makes use of, besides deadline and arrivals."""
    kind: Kind = "governor"

    @property
    def syntax(self) -> str:
        """How it is written."""
        return self.name + self.argument


_POLICIES: dict[str, Policy] = {}


def register(*policies: Policy) -> None:
    """Add policies. Raises ValueError for a name that is taken."""
    for policy in policies:
        if policy.name in _POLICIES:
            raise ValueError(f"there is a policy {policy.name} already")
        _POLICIES[policy.name] = policy


def all_policies() -> tuple[Policy, ...]:
    """Return every policy that is registered, in the order of registration."""
    return tuple(_POLICIES.values())


def find_policy(text: str, others: Sequence[str] = ()) -> tuple[Policy, Asked]:
    """Return the policy of a text, and the text taken apart.

    Args:
        text: a policy as the user wrote it.
        others: further names that the caller takes, for the message.

    Raises:
        PolicyError: there is none of that name, or it takes no argument; the message names the
            nearest and all there are.
    """
    name, colon, argument = text.partition(":")
    policy = _POLICIES.get(name)
    if policy is None:
        raise _unknown(text, name, others)
    if colon and not policy.argument:
        raise PolicyError(f"the policy {name} takes nothing after its name: {text!r}")
    return policy, Asked(text, argument)


def open_policy(text: str, context: "PolicyContext") -> Governor:
    """Return the governor of a policy.

    Raises:
        PolicyError: the policy is unknown, or what it needs is not known here.
        CostTableError: the cost table lacks a row that it plans with.
        BudgetError: the energy budget cannot be held.
    """
    policy, asked = find_policy(text)
    for need in policy.needs:
        context.require(need, text)
    governor = policy.make(asked, context)
    _log.info("policy %s: %s", text, type(governor).__name__)
    return governor


def fixed_policies(points: Sequence[OperatingPoint]) -> tuple[str, ...]:
    """Return the policy of each operating point."""
    return tuple(
        f"fixed:{p.clock_khz / 1000:g}" + (f"x{p.threads}" if p.threads > 1 else "") for p in points
    )


def refuse_unused(text: str, settings: Iterable[str], written: str = "{}") -> None:
    """Refuse settings that a policy makes no use of.

    Args:
        text: the policy as the user wrote it.
        settings: names of fields of `PolicySettings` that the user gave.
        written: how the user writes such a name.

    Raises:
        PolicyError: names the first, and the policies that make use of it.
    """
    policy, _ = find_policy(text)
    for setting in settings:
        if setting not in policy.uses | FOR_ALL:
            users = ", ".join(users_of(setting))
            raise PolicyError(
                f"the policy {text} makes no use of {written.format(setting)}: leave it out, or "
                f"choose one of {users}"
            )


def users_of(setting: str) -> tuple[str, ...]:
    """Return the names of the policies that make use of a field of `PolicySettings`."""
    return tuple(policy.name for policy in _POLICIES.values() if setting in policy.uses)


def _unknown(text: str, name: str, others: Sequence[str]) -> PolicyError:
    from difflib import get_close_matches  # only for the message

    if name in LABORATORY and name not in others:
        return PolicyError(
            f"the policy {text} is for compare alone: edge-infer compare BUNDLE --policy {text}"
        )
    nearest = get_close_matches(name, [*_POLICIES, *others], n=1)
    hint = f": did you mean {nearest[0]}? There are: " if nearest else "; there are: "
    known = ", ".join([*(policy.syntax for policy in _POLICIES.values()), *others])
    return PolicyError(f"unknown policy {text!r}{hint}{known}")


def _performance(asked: Asked, context: "PolicyContext") -> Governor:
    return FixedGovernor(asked.text, OperatingPoint(context.clocks_khz[-1], context.threads))


def _powersave(asked: Asked, context: "PolicyContext") -> Governor:
    return FixedGovernor(asked.text, OperatingPoint(context.clocks_khz[0], context.threads))


def _fixed(asked: Asked, context: "PolicyContext") -> Governor:
    clock, times, threads = asked.argument.partition("x")
    offered = ", ".join(f"{khz / 1000:g}" for khz in context.clocks_khz)
    try:
        khz = round(float(clock) * 1000)
    except (ValueError, OverflowError):
        raise PolicyError(
            f"policy {asked.text!r} names no clock; write fixed:<MHz> with one of: {offered}"
        ) from None
    if khz not in context.clocks_khz:
        raise PolicyError(
            f"a clock of {khz / 1000:g} MHz is not offered by this board; there are: {offered} MHz"
        )
    count = context.threads if not times else int(threads) if threads.isdecimal() else 0
    point = OperatingPoint(khz, count)
    if not context.offers(point):
        raise PolicyError(f"no operating point of {threads} threads here: {context.offered}")
    return FixedGovernor(asked.text, point)


def _stable_latency(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.governors.stable_latency import StableLatencyGovernor

    clock = asked.argument or "performance"
    if find_policy(clock)[0].name not in FIXED:
        raise PolicyError(f"{asked.text}: its clock is one of {', '.join(FIXED)}, not {clock!r}")
    target_ns = context.settings.target_ns
    assert target_ns is not None  # the policy states the need
    return StableLatencyGovernor(
        asked.text, open_policy(clock, context), context.table, context.stages,
        context.manifest.ratios, target_ns,
    )  # fmt: skip


def _planned(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.policies.plan_policies import planned

    return planned(asked.text, context)


def _planned_blind(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.policies.plan_policies import planned_blind

    return planned_blind(asked.text, context)


def _planned_leaving(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.policies.plan_policies import planned_leaving

    return planned_leaving(asked.text, context)


def _planned_joint(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.policies.joint_policy import planned_joint

    return planned_joint(asked.text, context)


FIXED = ("performance", "powersave", "fixed")
"""Policies of one operating point."""
PLANS_WITH = frozenset({"miss_bound", "budget_uw", "cost_table"})
"""Settings that every plan makes use of."""

register(
    Policy("performance", "the highest clock", _performance, kind="baseline"),
    Policy("powersave", "the lowest clock", _powersave, kind="baseline"),
    Policy("fixed", "one clock", _fixed, ":<MHz>[x<threads>]", kind="baseline"),
    Policy(
        "planned", "a clock for each stage, by the exit predicted", _planned,
        needs=("cost table", "predictor"), uses=PLANS_WITH,
    ),
    Policy(
        "planned-blind", "a clock for each stage, predicting nothing", _planned_blind,
        needs=("cost table", "exit shares"), uses=PLANS_WITH,
    ),
    Policy(
        "planned-leaving", "clock and where to answer together, within --loss", _planned_leaving,
        needs=("cost table", "leaving losses"), uses=PLANS_WITH | {"loss_points"},
    ),
    Policy(
        "planned-joint", "ratio and clock together", _planned_joint,
        needs=("ratios", "ratio losses", "cost table"), uses=PLANS_WITH | {"loss_points"},
    ),
    Policy(
        "stable-latency", "the widest ratio that meets --target at the clock", _stable_latency,
        "[:CLOCK]", ("target", "ratios", "cost table"),
        frozenset({"target_ns", "cost_table"}),
    ),
)  # fmt: skip

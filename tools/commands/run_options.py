"""What the options of `run` come to: the policy's governor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from edge_infer.boards.contract import Board
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import BackendInfo
from edge_infer.runtime.arrivals import Arrivals
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.policies.policy import all_policies, open_policy, refuse_unused
from edge_infer.runtime.stage_costs import measured_table

SETTING_OF = {
    "target": "target_ns",
    "loss": "loss_points",
    "misses": "miss_bound",
    "power_budget": "budget_uw",
    "battery": "budget_uw",
    "hours": "budget_uw",
    "cost_table": "cost_table",
}
"""Setting of a policy that an option gives, by parameter name."""
SETTLED_PERCENT = 0.5
"""Above a budget: the feedback comes down to it from what was drawn before it knew."""


class PolicyText(click.ParamType[str]):
    """A policy as the registry knows it; checked when it is opened, since a board decides too."""

    name = "policy"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the policies that begin so."""
        return [
            CompletionItem(policy.name + ":" * (policy.argument[:1] == ":"), help=policy.summary)
            for policy in all_policies()
            if policy.name.startswith(incomplete)
        ]


def policy_help() -> str:
    """Return the help text of an option that takes a policy: what is registered."""
    known = ", ".join(f"{policy.syntax} ({policy.summary})" for policy in all_policies())
    return f"How clocks are chosen: {known}."


@dataclass(frozen=True)
class RunPolicy:
    """A policy's name as the user wrote it, and what goes with it."""

    name: str
    target_ns: int | None = None
    miss_bound: float = 0.01
    loss_points: float = 1.0
    budget_uw: int | None = None
    cost_table: Path | None = None

    def refuse(self, given: Iterable[str]) -> None:
        """Refuse options that this policy does not use, and a policy that there is not.

        Raises:
            PolicyError: names the first, and the policies that use it.
        """
        refuse_unused(self.name, ())
        for parameter in given:
            if parameter in SETTING_OF:
                written = f"--{parameter.replace('_', '-')}"
                refuse_unused(self.name, [SETTING_OF[parameter]], written)

    def budget_document(self, energy: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the budget and what was drawn, under the key budget; None without a budget.

        Args:
            energy: of the run's document.
        """
        if self.budget_uw is None:
            return {"budget": None}
        known = energy is not None and energy["wall_us"]
        mean_mw = 1000 * energy["gross_uj"] / energy["wall_us"] if energy and known else None
        budget_mw = self.budget_uw / 1000
        over = None if mean_mw is None else 100 * (mean_mw / budget_mw - 1)
        told = {"budget_mw": budget_mw, "mean_mw": mean_mw, "over_percent": over}
        kept = None if over is None else over <= SETTLED_PERCENT
        return {"budget": {**told, "kept": kept}}

    def governor(
        self,
        bundle: Bundle,
        board: Board,
        backend: BackendInfo,
        arrivals: Arrivals,
        deadline_ns: int | None,
        threads: int,
        ratio: str,
    ) -> Governor:
        """Return the governor.

        Raises:
            PolicyError, CostTableError, BudgetError, RunError: something is missing or does not
                fit; the message says what to do.
        """
        table = None
        if self.cost_table is not None:
            table = measured_table(self.cost_table, bundle, board.name, str(backend))
        settings = PolicySettings(
            deadline_ns, arrivals, self.miss_bound, self.target_ns, self.loss_points,
            self.budget_uw, table,
        )  # fmt: skip
        return open_policy(self.name, PolicyContext(bundle, board, settings, threads, ratio))

"""A power budget on the command line: 5W, or a battery and the hours it has to last."""

import click

from edge_infer.commands.options import option
from edge_infer.commands.quantities import BatteryCapacity, Number, Power
from edge_infer.runtime.energy_budget import battery_budget_uw

power_budget_option = option(
    "--power-budget", type=Power(), help="Mean power of the whole board to keep to, as 5W."
)
battery_option = option("--battery", type=BatteryCapacity(), help="Energy of a battery, as 18.5Wh.")
hours_option = option("--hours", type=Number(0.001, 1e6), help="How long the battery has to last.")


def budget_uw(power_uw: int | None, battery_mwh: int | None, hours: float | None) -> int | None:
    """Return the budget that the options say, None without one.

    Raises:
        click.UsageError: they contradict each other or are not complete.
        BudgetError: the hours are not above 0.
    """
    if (battery_mwh is None) != (hours is None):
        raise click.UsageError("--battery and --hours go together")
    if battery_mwh is None or hours is None:
        return power_uw
    if power_uw is not None:
        raise click.UsageError("give --power-budget, or --battery and --hours, not both")
    return battery_budget_uw(battery_mwh, hours)

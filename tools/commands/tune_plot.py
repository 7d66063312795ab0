"""The plot of a tuning: accuracy lost against energy used. Needs the `plot` extra."""

from pathlib import Path
from typing import Any

from edge_infer.commands.render import picture


def save_plot(document: dict[str, Any], path: Path) -> None:
    """Draw the trade-off curve and write the picture.

    Raises:
        RunError: matplotlib is missing, or the file cannot be written.
    """
    with picture(path, 7, 4.5) as axes:
        used = [100 - row["saving_percent"] for row in document["curve"]]
        allowed = [row["allowed_loss_points"] for row in document["curve"]]
        axes.plot(allowed, used, "o-", label="promised")
        axes.plot(
            [row["loss_points"] for row in document["curve"]],
            used,
            "x",
            label="on the inputs tested",
        )
        axes.set_xscale("symlog", linthresh=0.1)  # allowances span decades, losses may be gains
        axes.axhline(100, color="0.5", linewidth=0.8)
        axes.set_xlabel(f"points of accuracy lost, at {document['confidence']:.0%} confidence")
        axes.set_ylabel(f"net energy, % of the plain net ({document['origin']})")
        axes.set_title(f"{document['bundle']['name']} on {document['board']}", fontsize=10)
        axes.legend()

"""The plot of a comparison: net energy against missed deadlines. Needs the `plot` extra."""

from pathlib import Path
from typing import Any

from edge_infer.commands.render import picture

COLOURS = {"classic": "0.3", "baseline": "tab:blue", "governor": "tab:green", "limit": "tab:orange"}


def save_plot(document: dict[str, Any], path: Path) -> None:
    """Draw every policy as a point and write the picture.

    Raises:
        RunError: matplotlib is missing, or the file cannot be written.
    """
    with picture(path, 8, 5) as axes:
        for row in document["policies"]:
            at = row["net_uj_per_inference"] / 1000, max(row["miss_percent"], 0.01)
            axes.scatter(*at, color=COLOURS[row["kind"]], s=25)
            axes.annotate(row["policy"], at, fontsize=7, xytext=(3, 3), textcoords="offset points")
        axes.axhline(100 * document["miss_bound"], color="tab:red", linewidth=0.8)
        axes.set_yscale("log")
        axes.set_xlabel(f"net energy per inference, mJ ({document['origin']})")
        axes.set_ylabel("missed deadlines, % (0.01 and below at the foot)")
        axes.set_title(f"{document['bundle']} on {document['board']}", fontsize=10)

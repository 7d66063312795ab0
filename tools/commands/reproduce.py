"""`edge-infer reproduce`: the figures of published papers beside ours."""

from collections.abc import Sequence
from typing import Any

import click

from edge_infer.commands.lazy_group import LazyGroup
from edge_infer.commands.quantities import share_text
from edge_infer.commands.render import table

PAPERS = {
    "eenet": (
        ".reproduce_eenet",
        "eenet_command",
        "Early exits, prediction and clocks (DAC 2023).",
    ),
    "big-little": (
        ".reproduce_big_little",
        "big_little_command",
        "A little net first, a big one where it is unsure (CODES+ISSS 2015).",
    ),
    "all-in-one": (
        ".reproduce_all_in_one",
        "all_in_one_command",
        "One weight set, a pruning ratio for each clock (ICCAD 2022).",
    ),
}
"""Name -> module, object, one line of help."""


@click.group("reproduce", cls=LazyGroup, table=PAPERS)
def reproduce_group() -> None:
    """Print the figures that a paper claims beside ours, met or not."""


def claims_report(claims: Sequence[dict[str, Any]]) -> str:
    """Return claims as a table."""
    rows = [
        [
            claim["board"],
            claim["id"],
            "-" if claim["claimed"] is None else f"{claim['claimed']:g}",
            f"{claim['ours']:.3f}" if claim["unit"] == "" else f"{claim['ours']:.1f}",
            {True: "met", False: "not met", None: "-"}[claim["met"]],
            claim["origin"],
        ]
        for claim in claims
    ]
    met = [claim["met"] for claim in claims if claim["met"] is not None]
    foot = f"{sum(met)} of {len(met)} claims met ({share_text(sum(met) / len(met), 0)})"
    return table(rows, ["board", "figure", "claimed", "ours", "", "origin"]) + "\n\n" + foot

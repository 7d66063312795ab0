"""`edge-infer reproduce`: the figures of published papers beside ours."""

from collections.abc import Sequence
from typing import Any

import click

from edge_infer.commands.lazy_group import LazyGroup
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
    loads = {claim.get("load") for claim in claims}
    ranged = any("interval" in claim for claim in claims)
    rows = [
        [
            claim["board"],
            *([f"{claim['load']:g}"] if len(loads) > 1 else []),
            claim["id"],
            "-" if claim["claimed"] is None else f"{claim['claimed']:g}",
            _number(claim, claim["ours"]),
            *([_interval(claim)] if ranged else []),
            _verdict(claim),
            claim["origin"],
        ]
        for claim in claims
    ]
    judged = [claim for claim in claims if claim["claimed"] is not None]
    met = [claim["met"] for claim in judged]
    foot = f"{sum(map(bool, met))} of {len(met)} claims met"
    if None in met:
        foot += f", {met.count(None)} not decided"
    foot += _blind(claims)
    heading = ["board", *(["load"] if len(loads) > 1 else []), "figure", "claimed", "ours",
               *(["interval, hangs on"] if ranged else []), "", "origin"]  # fmt: skip
    return table(rows, heading) + "\n\n" + foot


def _number(claim: dict[str, Any], value: float) -> str:
    return f"{value:.3f}" if claim["unit"] == "" else f"{value:.1f}"


def _interval(claim: dict[str, Any]) -> str:
    if "interval" not in claim:
        return "-"
    low, high = (_number(claim, end) for end in claim["interval"])
    return f"{low} to {high}, {claim['hangs_on'] or 'nothing'}"


def _verdict(claim: dict[str, Any]) -> str:
    if claim["claimed"] is None:
        return "-"
    return {True: "met", False: "not met", None: "not decided"}[claim["met"]]


def _blind(claims: Sequence[dict[str, Any]]) -> str:
    """Say where predicting the exit earns nothing."""
    gains = [c["ours"] for c in claims if c["id"] == "net_saving_by_prediction_percent"]
    nothing = sum(gain < 0.05 for gain in gains)
    if not nothing:
        return ""
    return (
        f"\nprediction of the exit earns nothing in {nothing} of {len(gains)} cases: the plan "
        "without it (planned-blind) costs the same"
    )

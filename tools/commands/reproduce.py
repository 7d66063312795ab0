"""`edge-infer reproduce`: the figures of published papers beside ours."""

import click

from edge_infer.commands.lazy_group import LazyGroup

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

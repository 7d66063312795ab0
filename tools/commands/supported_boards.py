"""SUPPORTED_BOARDS.md, from the profiles: what was tested on what, and nothing beyond it.

python -m edge_infer.commands.supported_boards > SUPPORTED_BOARDS.md
"""

from collections import Counter
from typing import get_args

from edge_infer.boards.profile import TESTED_ON, BoardProfile, load_profile, profile_names
from edge_infer.boards.toml_reader import Basis

INTRODUCTION = """\
# Supported boards

Made from `boards/profiles/*.toml` by `python -m edge_infer.commands.supported_boards`; a test fails
when it is stale. No claim goes beyond this table.

- **hardware**: run on the board itself. **vm**: the drivers ran on a real Linux kernel in QEMU
  (`make test-vm`: i2c-dev, IIO, cpufreq, GPIO). **simulation**: the drivers ran over a model of
  the board in virtual time. What is not named was not tested.
- Figures of a profile are *measured* (`edge-infer boards survey` on the board itself), *published*,
  *derived* from published ones, or *synthetic* (nobody published them); `edge-infer boards show
  NAME` prints each with its source. None is measured yet: [the first
  hour](docs/howto/first-hour.md).
"""
PLACES = {
    "here": "`--board {name}`",
    "wire": "over a serial line",
    "simulation": "no such board: `--board sim:{name}` only",
}
HEADING = ("board", "name", "runs", "tested on", "not tested on", "figures", "meter")
NOT_BOARDS = ("host",)
"""This computer as it is: nothing is claimed of it."""


def supported_boards() -> str:
    """Return the page."""
    profiles = [load_profile(name) for name in profile_names() if name not in NOT_BOARDS]
    lines = [INTRODUCTION, _line(HEADING), _line(["---"] * len(HEADING))]
    lines += [board_line(profile) for profile in profiles]
    lines += ["", "## What to know first", ""]
    lines += [f"- **{p.title}**: {p.advice}" for p in profiles if p.advice]
    lines += ["", "## Known faults", ""]
    lines += [f"- **{p.title}**, {name}: {why}" for p in profiles for name, why in p.quirks.items()]
    return "\n".join(lines) + "\n"


def board_line(profile: BoardProfile) -> str:
    """Return the row of a board."""
    return _line(_cells(profile))


def _cells(profile: BoardProfile) -> tuple[str, ...]:
    untested = [word for word in TESTED_ON if word not in profile.tested]
    if profile.place == "simulation":
        untested = []
    elif profile.place == "wire":
        untested.remove("vm")
    return (
        profile.title,
        profile.name,
        PLACES[profile.place].format(name=profile.name),
        ", ".join(profile.tested) or "nothing",
        ", ".join(untested) or "-",
        _figures(profile),
        profile.meter.chip if profile.meter else "-",
    )


def _figures(profile: BoardProfile) -> str:
    counts = Counter(figure.basis for figure in profile.figures.values())
    bases: tuple[Basis, ...] = get_args(Basis)
    return ", ".join(f"{counts[basis]} {basis}" for basis in bases if counts[basis]) or "none"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(supported_boards(), end="")

"""What all reproductions share: a paper's claim beside our figure, and the paper's data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from edge_infer.boards import board_names
from edge_infer.boards.registry import SIMULATED
from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.sources import Source, open_source
from edge_infer.runtime.errors import RunError, SourceMissingError

Better = Literal["higher", "lower"]
"""On which side of a claim it is met."""


def claim(
    name: str,
    board: str,
    claimed: float | None,
    ours: float,
    unit: str,
    better: Better,
    origin: str,
    interval: Mapping[str, Any] | None = None,
    **conditions: float,
) -> dict[str, Any]:
    """Return a claim of a paper as every reproduction's document has it.

    Args:
        name: its id.
        board: whose figure it is, "any" if it is no board's.
        claimed: None for a figure that is printed for comparison alone; it is neither met nor not.
        ours: the same figure as we find it.
        unit: "%", or nothing.
        better: on which side of the claim it is met.
        origin: of our figure.
        interval: how far it hangs on figures of the board that nobody settled
            (`sensitivity.intervals`). A claim inside it is neither met nor not: not decided.
        **conditions: under which it is found: load, time_scale.
    """
    ends = [ours] if interval is None else [ours, *interval["interval"]]
    met = None
    if claimed is not None:
        sides = {end >= claimed if better == "higher" else end <= claimed for end in ends}
        met = sides.pop() if len(sides) == 1 else None
    row = {
        "id": name, "board": board, "claimed": claimed, "ours": ours, "unit": unit,
        "better": better, "origin": origin, "met": met, **conditions,
    }  # fmt: skip
    if interval is not None:
        row["interval"] = interval["interval"]
        row["hangs_on"] = interval["hangs_on"]
    return row


def simulated_boards() -> list[str]:
    """Return the names of all simulated boards."""
    return [name for name in board_names() if name.startswith(SIMULATED)]


def read_data(folder: Path, name: str) -> tuple[Source, Dataset]:
    """Read the data set of a paper; return it and its test side.

    Args:
        folder: the data set, or a folder that has it below its own name.
        name: of the data set.

    Raises:
        SourceMissingError: there is no such folder.
        TrainError: nothing readable is there.
        RunError: it has no test side.
    """
    if not folder.exists():
        raise SourceMissingError(f"there is no folder {folder}")
    inside = folder / name
    found = inside if inside.is_dir() else folder
    source = open_source(str(found))
    if source.test is None:
        raise RunError(f"{found}: has no test side")
    return source, source.test

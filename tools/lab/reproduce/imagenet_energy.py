"""Net energy of published nets: from published measurements, or by a simulated board's model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

from edge_infer.boards import open_board
from edge_infer.boards.published import PublishedNetwork, published_networks
from edge_infer.lab.costs.networks import network
from edge_infer.runtime.errors import InputError, RunError

PUBLISHED_ON = "raspberry-pi-4b"
"""The board whose measurements know watts."""
_SIZE = re.compile(r"-?\d+$")


@dataclass(frozen=True)
class Energies:
    """Net energy of nets on one board, by where they stand in a cascade."""

    board: str
    origin: str
    """measured; mixed where some lie between measured sizes; or a cost model's."""
    basis: str
    """In words."""
    uj: dict[tuple[str, bool, bool], float]
    """By name, whether it comes first, and whether a decision follows."""
    between: tuple[str, ...] = ()
    """Nets that nobody measured, between measured sizes of the same family."""

    def stages(self, row: Sequence[str]) -> tuple[float, ...]:
        """Return the net energy of each net of a cascade, in uJ."""
        last = len(row) - 1
        return tuple(self.uj[name, at == 0, at < last] for at, name in enumerate(row))

    def alone(self, name: str) -> float:
        """Return the net energy of a net that answers everything, in uJ."""
        return self.uj[name, True, False]


def published_energies(names: Sequence[str]) -> Energies:
    """Return energies from published measurements of int8 nets on a Raspberry Pi 4.

    A net that nobody measured gets the energy between the next smaller and larger one of its
    family, on a line through the logarithms of energy and multiply-accumulates.

    Raises:
        InputError: a net is not, and lies between none that are.
    """
    rows = {
        row.network: row
        for row in published_networks(PUBLISHED_ON)
        if row.dtype == "int8" and row.net_uj is not None
    }
    found = {name: _published(name, rows) for name in names}
    between = tuple(name for name in names if name not in rows)
    source = next(iter(rows.values())).source
    return Energies(
        f"{PUBLISHED_ON} (published)",
        "mixed" if between else "measured",
        f"invocations, above idle: {source}",
        {(n, first, decides): found[n] for n in names for first in (True, False)
         for decides in (True, False)},
        between,
    )  # fmt: skip


def _published(name: str, rows: dict[str, PublishedNetwork]) -> float:
    if name in rows:
        return float(rows[name].net_uj or 0)
    macs = network(name).macs
    family = _SIZE.sub("", name)
    points = sorted(
        (network(other).macs, float(row.net_uj or 0))
        for other, row in rows.items()
        if _SIZE.sub("", other) == family
    )
    below = [point for point in points if point[0] <= macs]
    above = [point for point in points if point[0] > macs]
    if not below or not above:
        known = ", ".join(sorted(rows))
        raise InputError(
            f"no energy of {name} is published, nor of a smaller and a larger {family}; there are: "
            f"{known}"
        )
    (small, low), (large, high) = below[-1], above[0]
    share = log(macs / small) / log(large / small)
    return low * exp(share * log(high / low))


def board_energies(names: Sequence[str], board: str) -> Energies:
    """Return energies by a board's cost table, at the point that is cheapest for the last net.

    Raises:
        RunError: the board has no cost model.
    """
    keys = [(n, first, decides) for n in names for first in (True, False)
            for decides in (True, False)]  # fmt: skip
    works = [
        replace(network(name), name=f"{name}|{first}|{decides}", first=first, decides=decides)
        for name, first, decides in keys
    ]
    with open_board(board) as opened:
        table = opened.cost_table(works)
    if table is None:
        raise RunError(f"{board} has no cost model: give a simulated board (boards list)")

    def net_uj(work: str, point: object) -> float:
        row = table.row(work, point)  # type: ignore[arg-type]
        return (row.energy_nj - table.idle_reference_uw * row.time_ns / 1e6) / 1000

    alone = f"{names[-1]}|True|False"
    point = min(table.points, key=lambda p: net_uj(alone, p))
    return Energies(
        board,
        table.row(alone, point).origin,
        f"decision and runtime included, {point.clock_khz // 1000} MHz, {point.threads} threads",
        {key: net_uj(work.name, point) for key, work in zip(keys, works, strict=True)},
    )

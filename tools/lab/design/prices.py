"""What members cost in a row of others, at every operating point of a board."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.lab.design.members import Member
from edge_infer.runtime.errors import PolicyError, RunError

MARGIN = 0.97
"""Of the deadline, for the longest path: times of single invocations scatter."""
Row = tuple[Member, ...]
"""Members, the first of which answers first."""


@dataclass(frozen=True)
class Price:
    """A row of members at one operating point."""

    point: OperatingPoint
    stage_nj: NDArray[np.float64]
    """Net energy of each exit's stage, decision and runtime included."""
    longest_ns: int
    """All stages."""

    @property
    def exit_nj(self) -> NDArray[np.float64]:
        """Net energy of an inference by the exit that it leaves at."""
        found: NDArray[np.float64] = np.cumsum(self.stage_nj)
        return found


class Prices:
    """The costs of all members on a board, whatever stands before and after them.

    Args:
        members: that may be asked for.
        board: with a cost model.
        threads: that an operating point may have.
        deadline_ns: the longest path of a row ends before it, by `MARGIN`.

    Raises:
        RunError: the board has no cost model.
        PolicyError: it has none of the threads.
    """

    def __init__(
        self, members: Sequence[Member], board: str, threads: Sequence[int], deadline_ns: float
    ) -> None:
        self.deadline_ns = deadline_ns
        works = {
            _key(work.name, first, decides): replace(
                work, name=_key(work.name, first, decides), first=first, decides=decides
            )
            for member in members
            for work in member.works
            for first in (True, False)
            for decides in (True, False)
        }
        self.table = _table(board, list(works.values()))
        self.points = [p for p in self.table.points if p.threads in threads]
        if not self.points:
            raise PolicyError(f"{board} offers none of the threads {tuple(threads)}")
        idle = self.table.idle_reference_uw
        self._ns: dict[str, NDArray[np.float64]] = {}
        self._nj: dict[str, NDArray[np.float64]] = {}
        for name in works:
            rows = [self.table.row(name, point) for point in self.points]
            self._ns[name] = np.array([row.time_ns for row in rows], float)
            self._nj[name] = np.array([r.energy_nj - idle * r.time_ns / 1e6 for r in rows])

    def price(self, row: Row, shares: Sequence[float] | None = None) -> Price | None:
        """Return the cheapest point whose longest path fits the deadline; None if none does.

        Args:
            row: members, the first answers first.
            shares: of the inputs by exit; all leave at the last one if None.
        """
        names = _stage_keys(row)
        ns = np.array([self._ns[name] for name in names])
        nj = np.array([self._nj[name] for name in names])
        reach = np.ones(len(names))
        if shares is not None:
            reach[1:] = 1 - np.cumsum(shares)[:-1]
        fits = ns.sum(axis=0) <= MARGIN * self.deadline_ns
        if not fits.any():
            return None
        index = int(np.where(fits, reach @ nj, np.inf).argmin())
        return Price(self.points[index], nj[:, index], int(ns[:, index].sum()))

    def least_ns(self, row: Row) -> float:
        """Return the shortest time that all stages of a row may take."""
        return float(np.array([self._ns[name] for name in _stage_keys(row)]).sum(axis=0).min())


def _table(board: str, works: list[Work]) -> CostTable:
    with open_board(board) as opened:
        table = opened.cost_table(works)
    if table is None:
        raise RunError(f"{board} has no cost model: design for a simulated board (boards list)")
    return table


def _stage_keys(row: Row) -> list[str]:
    works = [work for member in row for work in member.works]
    last = len(works) - 1
    return [_key(work.name, i == 0, i < last) for i, work in enumerate(works)]


def _key(name: str, first: bool, decides: bool) -> str:
    return f"{name}{'|first' if first else ''}{'|decides' if decides else ''}"

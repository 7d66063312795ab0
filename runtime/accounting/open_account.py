"""Which account a run gets: by the meter, by the cost table alone, or none."""

from collections.abc import Sequence

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable
from edge_infer.runtime.accounting.account import (
    Account,
    EnergyTotals,
    IdleReference,
    UnmeteredAccount,
    measure_idle,
)
from edge_infer.runtime.accounting.metered import MeteredAccount
from edge_infer.runtime.records import InferenceEnergy, InferenceRecord
from edge_infer.runtime.stage_costs import row_name

IDLE_REFERENCE_NS = 1_000_000_000
"""How long the idle reference is measured before the first frame."""


class ModelledAccount:
    """Energy from the cost table alone, for a board without a meter."""

    def __init__(self, table: CostTable, start_ns: int, stages: Sequence[str]) -> None:
        self._table = table
        self._stages = stages
        self._start_ns = self._until_ns = start_ns
        self._idle_khz = min(table.idle_uw)
        self._gross_nj = 0
        self._done: list[InferenceRecord] = []

    def add(self, record: InferenceRecord) -> None:
        """Give the record the sum of its rows."""
        self.waited(record.start_ns, self._idle_khz)
        gross_nj = 0
        for stage, point in enumerate(record.points):
            row = self._table.row(row_name(self._stages[stage], record.ratio), point)
            gross_nj += row.energy_nj
        gross_nj += record.switches * self._table.switch.energy_nj
        idle_nj = self._table.idle_reference_uw * record.busy_ns // 1_000_000
        record.energy = InferenceEnergy("modelled", gross_nj, gross_nj - idle_nj, None, 1.0)
        self._gross_nj += gross_nj
        self._idle_khz = record.points[-1].clock_khz
        self._until_ns = record.end_ns
        self._done.append(record)

    def waited(self, until_ns: int, clock_khz: int) -> None:
        """Add idle energy up to `until_ns`."""
        waited_ns = max(0, until_ns - self._until_ns)
        self._gross_nj += self._table.idle_uw[self._idle_khz] * waited_ns // 1_000_000
        self._until_ns = max(until_ns, self._until_ns)
        self._idle_khz = clock_khz

    def drain(self, until_ns: int) -> list[InferenceRecord]:
        """Return all records added since; nothing has to be waited for."""
        done, self._done = self._done, []
        return done

    def close(self, end_ns: int) -> list[InferenceRecord]:
        """Add the last wait."""
        self.waited(end_ns, self._idle_khz)
        return self.drain(end_ns)

    def totals(self) -> EnergyTotals:
        """Return the sum; what a model without a meter is uncertain by is not known."""
        return EnergyTotals(
            origin="modelled",
            start_ns=self._start_ns,
            end_ns=self._until_ns,
            gross_nj=self._gross_nj,
            idle_reference=IdleReference(self._table.idle_reference_uw, 0),
            gross_uncertainty_nj=None,
            net_uncertainty_nj=None,
            apportioned_share=1.0,
            samples=0,
            lost=0,
            saturated=0,
            sampler_busy_ns=0,
        )


def idle_reference(board: Board) -> IdleReference | None:
    """Measure what the board draws without frames; None without a meter."""
    return None if board.meter is None else measure_idle(board, board.meter, IDLE_REFERENCE_NS)


def open_account(
    board: Board,
    idle: IdleReference | None,
    table: CostTable | None,
    stages: Sequence[str],
    start_ns: int,
    khz: int,
) -> Account:
    """Return the account of a run.

    Args:
        board: with or without a meter.
        idle: of a board with a meter.
        table: of the board, if it has one.
        stages: names, in order.
        start_ns: when the run begins.
        khz: clock at that time.
    """
    if board.meter is not None and idle is not None:
        return MeteredAccount(board.meter, idle, start_ns, table, stages, khz)
    if table is not None:
        return ModelledAccount(table, start_ns, stages)
    return UnmeteredAccount()

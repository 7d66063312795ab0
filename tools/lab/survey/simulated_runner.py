"""What runs on a simulated board: time and power of the board's model, no kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edge_infer.boards.cost_table import OperatingPoint, Work
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.lab.survey.operator_models import OperatorModel, burn_model, memory_work
from edge_infer.lab.survey.rig import Invoke, Load

REPEATS = 40
"""Works of each kind of overhead: each is off by its own share from what the board states."""
BURNS = 64
"""Invocations that are spent at once, where nothing between them is looked at."""


class SimulatedRunner:
    """Fulfils `Runner`.

    Args:
        board: open.
        cores: it has.
        firmware: what the board says of itself.
    """

    def __init__(self, board: SimulatedBoard, cores: int, firmware: Mapping[str, Any]) -> None:
        self._board = board
        self._cores = cores
        self._firmware = dict(firmware)
        self._burn: Invoke | None = None

    def identity(self) -> dict[str, Any]:
        """Return what the board says of itself."""
        return self._firmware

    def measured_khz(self) -> int | None:
        """Return None: there is no firmware to ask."""
        return None

    def load(self) -> None:
        """Nothing: the model of idle power holds the interpreter."""

    def invoke(self, model: OperatorModel, threads: int) -> Invoke:
        """Return what spends an invocation."""
        return self._spending(model.work, threads)

    def burn(self, until_ns: int) -> None:
        """Spend the work of all cores until then."""
        if self._burn is None:
            work = burn_model().work
            longer = replace(work, name="burn", ops=work.ops * BURNS)
            self._burn = self._spending(longer, self._cores)
        while self._board.timebase.now_ns() < until_ns:
            self._burn()

    def copy(self, size: int) -> Invoke:
        """Return what spends a copy."""
        return self._spending(memory_work(size), 1)

    def overheads_ns(self) -> Mapping[str, Sequence[float]]:
        """Return differences of works with and without each part of this project's code."""
        bare = Work("", (), decides=False, first=False, bare=True)
        around = replace(bare, bare=False)
        kinds = {"bare": bare, "stage": around, "runtime": replace(around, first=True),
                 "decision": replace(around, decides=True)}  # fmt: skip
        # In turn, so that what else runs for a while falls on all of them.
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for index in range(REPEATS):
            for kind, work in kinds.items():
                times[kind].append(self._mean_ns(replace(work, name=f"overhead {kind} {index}")))
        without = {"stage": "bare", "runtime": "stage", "decision": "stage"}
        return {
            kind: [a - b for a, b in zip(times[kind], times[less], strict=True)]
            for kind, less in without.items()
        }

    def meter_at(self, adc_bits: int) -> PowerMeter | None:
        """Return another meter of the same board at another resolution."""
        return self._board.meter_at(adc_bits)

    def attach(self, load: Load | None) -> bool:
        """Connect a load to the model's supply."""
        mv = self._board.supply_mv
        self._board.attach(None if load is None else mv**2 / load.drawn_uw(mv))
        return True

    def killed(self) -> dict[str, Any] | None:
        """Return None: there is no process to be killed."""
        return None

    def _spending(self, work: Work, threads: int) -> Invoke:
        board, point = self._board, OperatingPoint(0, threads)

        def spend() -> None:
            board.spend(work, point)

        return spend

    def _mean_ns(self, work: Work) -> float:
        now_ns, spend = self._board.timebase.now_ns, self._spending(work, 1)
        times = []
        for _ in range(41):
            before_ns = now_ns()
            spend()
            times.append(now_ns() - before_ns)
        return float(sorted(times)[20])

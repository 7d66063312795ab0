"""Measure a cost table: time and power of every stage at every operating point of a board.

Points are visited in rounds, in another order each time, so that a drift (heat, another process)
falls on all of them alike. Each visit warms up, then runs one stage for a while; its samples are
thrown away if the board was throttled in it. It ends when every mean is known well enough.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostOrigin, CostRow, CostTable, OperatingPoint, SwitchCost
from edge_infer.boards.power import UNUSABLE
from edge_infer.lab.costs.visits import VisitLog
from edge_infer.lab.progress import Progress, counted, silent

VISIT_NS = 60_000_000
"""Length of a visit: some 50 conversions of a meter at its fastest useful setting."""
WARM_UP = 3
LEAST_ROUNDS, MOST_ROUNDS = 3, 12
TIGHT = 0.01
"""Relative half width of a mean, at about 95 %, at which it is known well enough."""
SWITCHES = 100

Invoke = Callable[[OperatingPoint], None]
"""Runs one stage once at a point, its decision included."""


@dataclass
class Mean:
    """Mean and spread of what was added."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Add one value."""
        self.count += 1
        self.total += value
        self.squares += value * value

    @property
    def mean(self) -> float:
        """Mean, 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    @property
    def spread(self) -> float:
        """Standard deviation."""
        if self.count < 2:
            return 0.0
        variance = (self.squares - self.total**2 / self.count) / (self.count - 1)
        return math.sqrt(max(variance, 0.0))

    @property
    def tight(self) -> bool:
        """True when the mean is known to within `TIGHT`."""
        return self.count > 1 and 2 * self.spread <= TIGHT * abs(self.mean) * math.sqrt(self.count)


@dataclass
class Cell:
    """One stage at one point: times of single invocations, powers of visits."""

    time_ns: Mean = field(default_factory=Mean)
    power_uw: Mean = field(default_factory=Mean)


@dataclass
class CostMeasurement:
    """Measures on an open board.

    Args:
        board: with a clock; energy needs a meter.
        invokes: by stage name and threads.
        overheads_ns: time of an invocation that is decision and runtime, by stage and point.
        seed: of the order of visits.
        progress: called with each round.
        log: notes the visits, and marks them for a meter outside.
    """

    board: Board
    invokes: Mapping[tuple[str, int], Invoke]
    overhead_ns: Callable[[str, OperatingPoint, float], int]
    seed: int = 0
    progress: Progress = silent
    log: VisitLog = field(default_factory=VisitLog)
    discarded: int = 0
    """Visits thrown away because the board was throttled."""
    skipped_khz: dict[int, int] = field(default_factory=dict)
    """Clocks that read back as another: asked to got."""

    def run(self) -> CostTable:
        """Return the table; its origin is that of the board's meter."""
        clocks = self._real_clocks()
        if self.board.meter is not None:
            self.board.meter.start()
        idle = {khz: self._idle_uw(khz) for khz in clocks}
        switch = self._switch(clocks)
        cells = self._visit_all(clocks)
        reference_uw = idle[clocks[0]]
        origin: CostOrigin = "simulated" if self.board.simulated else "measured"
        rows = {
            key: self._row(*key, cell, origin) for key, cell in cells.items() if cell.time_ns.count
        }
        return CostTable(
            board=self.board.name,
            rows=rows,
            switch=SwitchCost(switch[0], switch[1], origin),
            idle_uw=idle,
            idle_reference_uw=reference_uw,
            notes=self._notes(cells),
        )

    def _real_clocks(self) -> list[int]:
        found = []
        for khz in self.board.clock.supported_khz():
            got_khz = self.board.clock.set_khz(khz)
            if got_khz == khz:
                found.append(khz)
            else:
                self.skipped_khz[khz] = got_khz
        return found or [self.board.clock.current_khz()]

    def _idle_uw(self, khz: int) -> int:
        self._set(khz)
        now_ns = self.board.timebase.now_ns
        with self.log.during("idle", "", OperatingPoint(khz), self.board.timebase):
            start_ns = now_ns()
            self.board.timebase.sleep_until_ns(start_ns + 4 * VISIT_NS)
        return round(self._power_uw(start_ns) or 0.0)

    def _switch(self, clocks: Sequence[int]) -> tuple[int, int]:
        """Return time and gross energy of one change of clock, over many of them."""
        if len(clocks) < 2:
            return 0, 0
        now_ns = self.board.timebase.now_ns
        self.board.clock.set_khz(clocks[0])
        with self.log.during("switch", "", OperatingPoint(clocks[0]), self.board.timebase):
            start_ns = now_ns()
            for index in range(SWITCHES):
                self.board.clock.set_khz(clocks[0] if index % 2 else clocks[-1])
            time_ns = (now_ns() - start_ns) / SWITCHES
        return round(time_ns), round((self._power_uw(start_ns) or 0.0) * time_ns / 1e6)

    def _visit_all(self, clocks: Sequence[int]) -> dict[tuple[str, OperatingPoint], Cell]:
        threads = sorted({count for _, count in self.invokes})
        stages = list(dict.fromkeys(stage for stage, _ in self.invokes))
        points = [OperatingPoint(khz, count) for khz in clocks for count in threads]
        cells = {(stage, point): Cell() for stage in stages for point in points}
        order = random.Random(self.seed)
        for round_ in range(MOST_ROUNDS):
            open_cells = [key for key, cell in cells.items() if not self._known(cell)]
            if round_ >= LEAST_ROUNDS and not open_cells:
                break
            self.progress(f"round {round_ + 1}: {len(open_cells)} of {len(cells)} rows open")
            visits = list(cells) if round_ < LEAST_ROUNDS else open_cells
            order.shuffle(visits)
            for stage, point in counted(visits, "visits", self.progress):
                self._visit(stage, point, cells[stage, point])
        return cells

    def _known(self, cell: Cell) -> bool:
        return cell.time_ns.tight and (self.board.meter is None or cell.power_uw.tight)

    def _visit(self, stage: str, point: OperatingPoint, cell: Cell) -> None:
        invoke = self.invokes[stage, point.threads]
        now_ns = self.board.timebase.now_ns
        self._set(point.clock_khz)
        for _ in range(WARM_UP):
            invoke(point)
        times: list[int] = []
        with self.log.during("stage", stage, point, self.board.timebase):
            start_ns = before_ns = now_ns()
            while before_ns - start_ns < VISIT_NS:
                invoke(point)
                after_ns = now_ns()
                times.append(after_ns - before_ns)
                before_ns = after_ns
        if self.board.thermometer.throttled():
            self.discarded += 1
            self.log.discard_last()
            self._power_uw(before_ns)
            return
        for time_ns in times:
            cell.time_ns.add(time_ns)
        power_uw = self._power_uw(start_ns)
        if power_uw is not None:
            cell.power_uw.add(power_uw)

    def _set(self, khz: int) -> None:
        if self.board.clock.current_khz() != khz:
            self.board.clock.set_khz(khz)

    def _power_uw(self, from_ns: int) -> float | None:
        """Return the mean power since `from_ns`, from whole conversions within."""
        if self.board.meter is None:
            return None
        samples = self.board.meter.drain(self.board.timebase.now_ns())
        inside = [
            s.power_uw
            for s in samples
            if s.timestamp_ns - s.interval_ns >= from_ns and not s.flags & UNUSABLE
        ]
        return math.fsum(inside) / len(inside) if inside else None

    def _row(self, stage: str, point: OperatingPoint, cell: Cell, origin: CostOrigin) -> CostRow:
        time_ns = cell.time_ns.mean
        return CostRow(
            time_ns=round(time_ns),
            energy_nj=round(cell.power_uw.mean * time_ns / 1e6),
            overhead_ns=self.overhead_ns(stage, point, time_ns),
            time_spread_ns=round(cell.time_ns.spread),
            energy_spread_nj=round(cell.power_uw.spread * time_ns / 1e6),
            origin=origin,
        )

    def _notes(self, cells: Mapping[tuple[str, OperatingPoint], Cell]) -> tuple[str, ...]:
        notes = [
            f"{len(cells)} rows in visits of {VISIT_NS // 1_000_000} ms, interleaved; "
            f"{self.discarded} visits discarded for throttling"
        ]
        loose = [f"{s} at {p}" for (s, p), cell in cells.items() if not self._known(cell)]
        if loose:
            shown = ", ".join(loose[:3])
            notes.append(f"{len(loose)} rows are known to less than {TIGHT:.0%}: {shown}, ...")
        if self.skipped_khz:
            pairs = (f"{a / 1000:g} as {b / 1000:g}" for a, b in self.skipped_khz.items())
            notes.append(f"clocks in MHz that read back as another, left out: {', '.join(pairs)}")
        if self.board.meter is None:
            notes.append("no meter: energies are not known, times alone are measured")
        return tuple(notes)

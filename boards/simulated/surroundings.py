"""What happens to a simulated board that no work causes: other processes, warmth and leakage."""

from math import cos, exp, pi
from random import Random

from edge_infer.boards.simulated.truth import Truth
from edge_infer.boards.timebase import NEVER_NS

STEP_NS = 250_000_000
"""Between two looks at the temperature: a four-hundredth of its time constant."""
IDLE_CELSIUS = 54.7
"""Of an idle board: a bare Raspberry Pi 4 (pi-plates.com, THERMOplate)."""


class OtherProcesses:
    """Wakes up now and then, and keeps a core busy for a while.

    Args:
        truth: how often, and how long.
        seed: of both.
    """

    def __init__(self, truth: Truth, seed: int) -> None:
        self._random = Random(f"{seed} processes")
        self._truth = truth
        self.running = False
        self.due_ns = self._gap_ns() if truth.process_hz else NEVER_NS
        """When one begins, or ends."""

    def pass_until(self, now_ns: int) -> bool:
        """Let time pass; return True while one runs."""
        while now_ns >= self.due_ns:
            self.running = not self.running
            self.due_ns += self._length_ns() if self.running else self._gap_ns()
        return self.running

    def _gap_ns(self) -> int:
        return 1 + round(self._random.expovariate(self._truth.process_hz / 1e9))

    def _length_ns(self) -> int:
        return 1 + round(self._random.expovariate(1 / self._truth.process_ns))


class Surroundings:
    """Draws power beside the idle power, and holds work up. Time goes by events: see `due_ns`.

    Args:
        truth: the sizes.
        idle_uw: power of the idle board at `IDLE_CELSIUS`, leakage included.
        seed: of the other processes, and of the room.
    """

    def __init__(self, truth: Truth, idle_uw: int, seed: int) -> None:
        self._truth = truth
        self._idle_uw = idle_uw
        self._phase = 2 * pi * Random(f"{seed} room").random()
        self._warmth_k = 0.0
        """Above `IDLE_CELSIUS`, the room's left out."""
        self._looked_ns = 0
        self._at_ns = 0
        self._processes = OtherProcesses(truth, seed)

    @property
    def due_ns(self) -> int:
        """When `pass_until` has to be called next."""
        return min(self._looked_ns + STEP_NS, self._processes.due_ns)

    @property
    def crowded(self) -> bool:
        """True while another process runs."""
        return self._processes.running

    @property
    def celsius(self) -> float:
        """Temperature of the processor at the last event."""
        return IDLE_CELSIUS + self._above_k()

    @property
    def leakage_uw(self) -> int:
        """What leaks beyond what does in an idle board; below 0 in a colder room."""
        truth = self._truth
        factor = 2 ** (self._above_k() / truth.doubling_k) - 1
        return round(truth.leakage * self._idle_uw * factor)

    def pass_until(self, now_ns: int, energy_nj: float) -> bool:
        """Let time pass up to an event that is due; return True where it looked at the temperature.

        Args:
            now_ns: the time.
            energy_nj: what the board drew since the last look.
        """
        self._at_ns = now_ns
        self._processes.pass_until(now_ns)
        looks = now_ns >= self._looked_ns + STEP_NS
        if looks:
            self._warm(now_ns - self._looked_ns, energy_nj)
            self._looked_ns = now_ns
        return looks

    def _warm(self, passed_ns: int, energy_nj: float) -> None:
        above_w = energy_nj / passed_ns - self._idle_uw / 1e6
        ends_at_k = self._truth.kelvin_per_watt * above_w
        self._warmth_k += (ends_at_k - self._warmth_k) * (
            1 - exp(-passed_ns / self._truth.warming_ns)
        )

    def _above_k(self) -> float:
        truth = self._truth
        turn = 2 * pi * self._at_ns / truth.ambient_ns
        # From 0 on, so that a board begins at the power that its profile states.
        return self._warmth_k + truth.ambient_k * (cos(turn + self._phase) - cos(self._phase))

"""The processor clock through Linux cpufreq, put back as it was found."""

from collections.abc import Callable, Mapping, Sequence

from edge_infer.boards.clock_lease import Claim, ClockLease
from edge_infer.boards.cores import Cores, LinuxCores, Staying
from edge_infer.boards.cpufreq_policy import (
    GOVERNOR,
    MAX_KHZ,
    MIN_KHZ,
    SETSPEED,
    USERSPACE,
    CpufreqPolicy,
    find_policies,
)
from edge_infer.boards.errors import ClockError
from edge_infer.boards.sysfs import Sysfs

READ_BACKS = 20
"""Reads of the clock in which a change must show; about 10 us each."""

ALIAS = 0.02
"""A clock that runs this far off is another one: the steps of boards are 4 % apart and more."""


class CpufreqClock:
    """Every policy of the machine, moved together.

    A clock is asked for through the userspace governor where the kernel offers it, else by setting
    both limits to it. On a machine with several policies (big.LITTLE) the clocks of the fastest
    cores are offered, the process stays on these cores, and the other policies take their own
    nearest clock. Where it may run on other cores alone (taskset), it is theirs.

    Args:
        sysfs: the tree.
        lease: keeps what was found on disk; None where nobody else can need it (a simulation).
        cores: of this process.

    Raises:
        ClockError: the kernel does not control the clock, or a dead process's clock cannot be
            restored.
    """

    def __init__(
        self, sysfs: Sysfs, lease: ClockLease | None = None, cores: Cores | None = None
    ) -> None:
        self._policies = find_policies(sysfs)
        self._cores = cores or LinuxCores()
        self._group = _fastest(self._policies, self._cores)
        self._main = self._group[0]
        several = len(self._policies) > 1
        self._staying = Staying(self._cores, self.cpus if several else frozenset())
        self._lease = lease
        self._claims: dict[str, Claim] = {}
        self._asked_khz: int | None = None
        self._aliased: dict[int, int] = {}
        self._restore_after_the_dead()

    @property
    def cpus(self) -> frozenset[int]:
        """The processors whose clock this is; none where the kernel does not say."""
        return frozenset(cpu for policy in self._group for cpu in policy.cpus)

    def supported_khz(self) -> tuple[int, ...]:
        """Return the clocks that can be set, ascending, without those that were dropped."""
        return tuple(khz for khz in self._main.clocks_khz if khz not in self._aliased)

    def current_khz(self) -> int:
        """Return the clock in kHz that the kernel reports now, of the core that runs this thread.

        Raises ClockError.
        """
        return self._running().current_khz()

    def running_khz(self) -> int:
        """Return the clock in kHz that the hardware reports now, where it may be read.

        Costs more than `current_khz`. Raises ClockError.
        """
        return self._running().real_khz()

    def found_governor(self) -> str:
        """Return the kernel's governor in force now. Raises ClockError."""
        return self._main.read(GOVERNOR)

    def check_writable(self) -> None:
        """Raise ClockError, with what helps, where this process may not set the clock."""
        for policy in self._policies:
            policy.check_writable()

    def stay(self) -> None:
        """Keep the process on the cores whose clock is told here, until `reset`."""
        self._staying.begin(" and ".join(policy.name for policy in self._group))

    def set_khz(self, khz: int) -> int:
        """Ask for a clock and return the one that the kernel then reports.

        The kernel does not see a cap by the firmware: `check_clocks` and the thermometer do.
        Asking again for the same clock writes nothing. Raises ClockError.
        """
        if khz not in self._main.clocks_khz or khz in self._aliased:
            offered = ", ".join(f"{clock / 1000:g}" for clock in self.supported_khz())
            raise ClockError(f"no clock of {khz / 1000:g} MHz; there are: {offered} MHz")
        if khz != self._asked_khz:
            if self._asked_khz is None:
                self._prepare()
            for policy in self._policies:
                self._set(policy, policy.nearest_khz(khz))
            self._asked_khz = khz
        return self._read_back(khz)

    def check_clocks(self, measured_khz: Callable[[], int] | None = None) -> dict[int, int]:
        """Set every clock in turn; return those that the hardware runs as another: asked to got.

        Takes a change of clock each: not for the hot path.

        Args:
            measured_khz: measures the clock; the kernel's own word for it if None.

        Raises:
            ClockError: a clock cannot be set or read.
        """
        got = {}
        for khz in self.supported_khz():
            self.set_khz(khz)
            got[khz] = measured_khz() if measured_khz else self._running().real_khz()
        return {khz: real for khz, real in got.items() if abs(real - khz) > ALIAS * khz}

    def drop_aliased(self, measured_khz: Callable[[], int] | None = None) -> dict[int, int]:
        """Stop to offer the clocks that `check_clocks` finds, and return them; see `drop`."""
        return self.drop(self.check_clocks(measured_khz))

    def drop(self, aliased: Mapping[int, int]) -> dict[int, int]:
        """Stop to offer clocks that run as another, asked to got; return those that are dropped.

        The highest clock stays whatever it runs at: something must be offered.
        """
        top_khz = self._main.clocks_khz[-1]
        dropped = {khz: real for khz, real in aliased.items() if khz != top_khz}
        self._aliased |= dropped
        return dropped

    def reset(self) -> None:
        """Put back what was found, where it is still ours. May be called twice.

        Raises ClockError; the record then stays on disk for the next start.
        """
        self._asked_khz = None
        restored = False
        try:
            self._restore(self._claims)
            self._claims = {}
            restored = True
        finally:
            self._staying.end()
            if self._lease is not None:
                self._lease.release(restored)

    def _running(self) -> CpufreqPolicy:
        """Return the policy of the core that runs this thread, where several are used."""
        if len(self._group) > 1:
            cpu = self._cores.running()
            return next((policy for policy in self._group if cpu in policy.cpus), self._main)
        return self._main

    def _prepare(self) -> None:
        """Note what is found before the first change, then take the userspace governor."""
        self.stay()
        if not self._claims:
            self._claims = self._found()
            self._record()
        for policy in self._policies:
            if GOVERNOR in self._claims[policy.name].ours:
                policy.write(GOVERNOR, USERSPACE)

    def _found(self) -> dict[str, Claim]:
        if self._lease is not None:
            self._lease.take()
            self._restore(self._lease.left_over())
        claims = {}
        for policy in self._policies:
            found = policy.settings()
            claims[policy.name] = Claim(found, _userspace_values(policy, found[GOVERNOR]))
        return claims

    def _set(self, policy: CpufreqPolicy, khz: int) -> None:
        if policy.has_userspace:
            policy.write(SETSPEED, str(khz))
            return
        found, ours = self._claims[policy.name].found, self._claims[policy.name].ours
        before = ours.get(MIN_KHZ, [])[-1:]
        values = [*before, str(khz)]
        self._claims[policy.name] = Claim(found, {MIN_KHZ: values, MAX_KHZ: values})
        self._record()
        policy.write_limits(str(khz), str(khz))

    def _read_back(self, khz: int) -> int:
        # The kernel applies new limits in a worker of its own: they may show a few reads later.
        for _ in range(READ_BACKS):
            got_khz = self.current_khz()
            if got_khz == khz:
                break
        return got_khz

    def _record(self) -> None:
        if self._lease is not None:
            self._lease.record(self._claims)

    def _restore(self, claims: dict[str, Claim]) -> None:
        for policy in self._policies:
            claim = claims.get(policy.name)
            if claim is not None:
                policy.restore(claim.found, claim.ours)

    def _restore_after_the_dead(self) -> None:
        if self._lease is None or not self._lease.exists() or not self._lease.try_take():
            return
        restored = False
        try:
            self._restore(self._lease.left_over())
            restored = True
        finally:
            self._lease.release(restored)


def _fastest(policies: Sequence[CpufreqPolicy], cores: Cores) -> tuple[CpufreqPolicy, ...]:
    """Return the policies of the fastest cores that this process may run on: alike, one or more."""
    known = len(policies) > 1 and all(policy.cpus for policy in policies)
    usable = [p for p in policies if p.cpus & cores.allowed()] if known else []
    chosen = max(usable or policies, key=lambda policy: (policy.capacity, policy.clocks_khz[-1]))
    alike = [
        p for p in usable if (p.capacity, p.clocks_khz) == (chosen.capacity, chosen.clocks_khz)
    ]
    return tuple(alike) or (chosen,)


def _userspace_values(policy: CpufreqPolicy, governor: str) -> dict[str, list[str]]:
    """What we will write: the governor or, where that was userspace already, the speed."""
    if not policy.has_userspace:
        return {}
    if governor != USERSPACE:
        return {GOVERNOR: [USERSPACE]}
    return {SETSPEED: [str(khz) for khz in policy.clocks_khz]}

"""The device side as a whole: slots, self-tests, the running bundle, its log, the SMP agent."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.device.operators import OperatorGate, OperatorSettings
from edge_infer.firmware_bridge.device.standard_groups import (
    ImageGroup,
    SelfTests,
    enumeration_group,
    os_group,
)
from edge_infer.firmware_bridge.device.state_folder import StateFolder
from edge_infer.firmware_bridge.errors import ImageError
from edge_infer.firmware_bridge.image.bundle_file import BundleFolders
from edge_infer.firmware_bridge.image.keys import TrustedKeys
from edge_infer.firmware_bridge.slots.child_self_test import ChildSelfTests
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.slots.upload import Upload
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.worker.power_log import BootHistory, PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner, StartWorker
from edge_infer.firmware_bridge.worker.worker import child_worker

_log = logging.getLogger(__name__)

TICK_NS = 100_000_000
"""How often, at least, the worker's health is looked at."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """How a device runs bundles."""

    state_folder: Path
    board: str = "host"
    policy: str = "performance"
    confirm_after: int = 0
    """Confirm a bundle on trial after so many inferences; 0 to wait for the host."""
    allow_unsigned: bool = False
    marker: str | None = None
    """GPIO line that is high while an inference runs, for a meter outside."""


class Device:
    """Fulfils LineProtocol, for a first client; `another_line` makes one for a further.

    Args:
        settings: how it runs bundles.
        keys: who may sign them.
        operators: who may change something, where a key is required for that.
        start_worker: makes what runs a bundle.
        make_tests: makes what tries a bundle before.

    Raises:
        OSError: the state folder cannot be used, or another agent uses it.
        ImageError: an operator's key signs bundles too.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        keys: TrustedKeys,
        start_worker: StartWorker = child_worker,
        make_tests: Callable[[Slots, BundleFolders], SelfTests] = ChildSelfTests,
        operators: OperatorSettings | None = None,
    ) -> None:
        self._settings = settings
        self._operators = operators or OperatorSettings(TrustedKeys(), required=False)
        self._operators.check_apart(keys)
        self._state = StateFolder(settings.state_folder)
        self._folders = BundleFolders(self._state.bundles)
        self.slots = Slots(self._state.slots, keys, allow_unsigned=settings.allow_unsigned)
        self.log = PowerLog(history=BootHistory(self._state.file("log-ends")))
        self.runner = Runner(
            start_worker,
            settings.board,
            self.log,
            self._on_good,
            self._on_failure,
            settings.policy,
            settings.marker,
        )
        self._tests = make_tests(self.slots, self._folders)
        self._images = ImageGroup(self.slots, Upload(self.slots), self._tests).group()
        self._edge = EdgeGroup(self.slots, self.runner, self.log).group()
        self._first = self.another_line()
        self._reset_wanted = False
        self._start_active()

    def another_line(self) -> "ClientLine":
        """Return a line for another client, who is served beside the others."""
        gate = OperatorGate(self._operators, self._state.board_id, self.log.history.boot)
        edge = replace(self._edge, handlers={**self._edge.handlers, **gate.handlers()})
        groups = [os_group(self._want_reset), self._images, edge]
        agent = Agent([*groups, enumeration_group(groups)], gate.check)
        return ClientLine(agent, gate, self._reset_if_wanted)

    def line_up(self, now_ns: int) -> bytes:
        """See LineProtocol."""
        return self._first.line_up(now_ns)

    def line_lost(self) -> None:
        """See LineProtocol."""
        self._first.line_lost()

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """See LineProtocol. A reset comes after its answer."""
        return self._first.feed(data, now_ns)

    def poll(self, now_ns: int) -> bytes:
        """See LineProtocol."""
        self.runner.poll(now_ns)
        self._reset_if_wanted()
        return self._first.poll(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        """See LineProtocol."""
        return min(TICK_NS, self._first.wait_ns(now_ns))

    def descriptors(self) -> Sequence[int]:
        """See LineProtocol."""
        return self.runner.descriptors()

    def reset(self) -> None:
        """Stop what runs, let the slots swap or revert, run what is active then."""
        self._reset_wanted = False
        self.runner.close()
        self.slots.reset()
        self._start_active()

    def close(self) -> None:
        """Stop everything. May be called twice."""
        self.runner.close()
        self._tests.close()
        self.log.history.close()
        self._state.close()

    def _start_active(self) -> None:
        try:
            active = self.slots.read_active()
            self._folders.keep_only(active, self.slots.read_other())
            self.runner.open(self._folders.folder_of(active) if active else None)
        except (OSError, ImageError) as error:
            self.runner.open(None)
            self.runner.statistics.last_failure = f"the bundle cannot be laid out: {error}"

    def _want_reset(self) -> None:
        self._reset_wanted = True

    def _reset_if_wanted(self) -> None:
        if self._reset_wanted:
            self.reset()

    def _on_good(self, inferences: int) -> None:
        needed = self._settings.confirm_after
        if self.slots.on_trial and needed and inferences >= needed:
            with _storing():
                self.slots.confirm()

    def _on_failure(self, reason: str) -> None:
        """A bundle on trial that cannot run is given up at once; a confirmed one stays stopped."""
        if self.slots.on_trial:
            with _storing():
                self.slots.fail(reason)
            self._reset_wanted = True


class ClientLine:
    """Fulfils LineProtocol: one client's line to a device that others talk to as well."""

    def __init__(self, agent: Agent, gate: OperatorGate, heard: Callable[[], None]) -> None:
        self._agent = agent
        self._gate = gate
        self._heard = heard

    def line_up(self, now_ns: int) -> bytes:
        """See LineProtocol."""
        self._gate.line_lost()  # whoever it is now
        return self._agent.line_up(now_ns)

    def line_lost(self) -> None:
        """See LineProtocol."""
        self._gate.line_lost()
        self._agent.line_lost()

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """See LineProtocol."""
        answers = self._agent.feed(data, now_ns)
        self._heard()
        return answers

    def poll(self, now_ns: int) -> bytes:
        """See LineProtocol."""
        return self._agent.poll(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        """See LineProtocol."""
        return self._agent.wait_ns(now_ns)

    def descriptors(self) -> Sequence[int]:
        """See LineProtocol: the device's own are looked at for its first line."""
        return ()


@contextmanager
def _storing() -> Iterator[None]:
    """Go on where the disk is full: the device stays reachable, and the log says what it lost."""
    try:
        yield
    except OSError as error:
        _log.error("the slot state could not be stored: %s", error)

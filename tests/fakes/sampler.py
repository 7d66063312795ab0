"""A device that fills its power log at a steady rate, at the end of a line in virtual time."""

from tests.fakes.bridge_device import KEYS
from tests.fakes.cut_storage import CutStorage
from tests.fakes.in_process_worker import InProcessWorker
from tests.fakes.serial_line import Faults, SerialLine

from edge_infer.boards.power import PowerSample
from edge_infer.firmware_bridge.device.edge_group import EdgeGroup
from edge_infer.firmware_bridge.slots.slots import Slots
from edge_infer.firmware_bridge.smp.agent import Agent
from edge_infer.firmware_bridge.wire.edge import RunInfo
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner

S = 1_000_000_000
RATE = 900
OFFSET_NS = 987_654_321_000


class Sampler:
    """A device that logs 900 samples a second, as an INA219 of 12 bits gives them."""

    def __init__(
        self,
        capacity: int,
        faults: Faults,
        seed: int = 1,
        drift_ppm: float = 0.0,
        runs: RunInfo | None = None,
    ) -> None:
        self.log = PowerLog(capacity)
        runner = Runner(InProcessWorker, "none", self.log)
        runner.info = runs
        group = EdgeGroup(Slots(CutStorage(), KEYS), runner, self.log).group()
        agent = Agent([group])
        self.line = SerialLine(
            lambda data, now_ns: agent.feed(data, self._device_ns(now_ns)),
            115_200,
            faults,
            seed,
            agent.line_lost,
        )
        self._drift = drift_ppm / 1e6
        self.line.every(S // 100, self._sample)

    def _device_ns(self, now_ns: int) -> int:
        return round(now_ns * (1 - self._drift)) + OFFSET_NS

    def _sample(self, now_ns: int) -> bytes:
        while self.log.end < now_ns * RATE // S:
            seq = self.log.end
            current_ua = 100 * (5000 + seq * 7919 % 900)
            bus_mv = 5000 + 4 * (seq * 31 % 5)
            at_ns = self._device_ns(seq * S // RATE)
            power_uw = bus_mv * current_ua // 1000
            self.log.add(PowerSample(seq, at_ns, 532_000, bus_mv, current_ua, power_uw))
        return b""

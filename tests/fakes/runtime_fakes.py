"""An engine and a clockwork for the event loop, and a meter that knows the true power."""

from collections.abc import Callable, Sequence

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.power import MeterStatistics, Origin, PowerSample, SampleFlag
from edge_infer.runtime.records import Frame, InferenceRecord

POINT = OperatingPoint(1_000_000)


class FakeTime:
    """Virtual time that only moves when told."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self.slept: list[int] = []

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until_ns(self, until_ns: int) -> None:
        self.slept.append(until_ns)
        self._now_ns = max(self._now_ns, until_ns)

    def advance(self, ns: int) -> None:
        self._now_ns += ns


def record_of(
    frame: Frame, start_ns: int, end_ns: int, stages: Sequence[tuple[int, int]] = ()
) -> InferenceRecord:
    spans = stages or ((start_ns, end_ns),)
    return InferenceRecord(
        number=frame.number,
        answer=0,
        exit=len(spans) - 1,
        confidence=0.0,
        arrival_ns=start_ns if frame.arrival_ns is None else frame.arrival_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        stage_start_ns=tuple(start for start, _ in spans),
        stage_end_ns=tuple(end for _, end in spans),
        points=(POINT,) * len(spans),
        label=frame.label,
        deadline_ns=frame.deadline_ns,
    )


class FakeEngine:
    """Takes `busy_ns` for each frame; drains whatever has ended."""

    def __init__(self, time: FakeTime, busy_ns: int) -> None:
        self._time = time
        self._busy_ns = busy_ns
        self._open: list[InferenceRecord] = []
        self.backlogs: list[int] = []
        self.on_infer: Callable[[Frame], None] = lambda frame: None

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        self.on_infer(frame)
        start_ns = self._time.now_ns()
        self._time.advance(self._busy_ns)
        self.backlogs.append(backlog)
        record = record_of(frame, start_ns, self._time.now_ns())
        self._open.append(record)
        return record

    def drain(self) -> Sequence[InferenceRecord]:
        done, self._open = self._open, []
        return done

    def rest(self) -> None:
        pass

    def finish(self) -> Sequence[InferenceRecord]:
        return self.drain()

    def close(self) -> None:
        pass


class IdealMeter:
    """Integrates a power curve exactly: no quantisation, any conversion time, gaps on request."""

    origin: Origin = "simulated"
    gain_uncertainty_ppm = 0
    offset_uncertainty_uw = 0
    resolution_uw = 1  # samples are whole uW

    def __init__(
        self,
        energy_nj: Callable[[int, int], float],
        conversion_ns: int,
        period_ns: int | None = None,
        lost: Callable[[int], bool] = lambda seq: False,
    ) -> None:
        self._energy_nj = energy_nj
        self._conversion_ns = conversion_ns
        self._period_ns = period_ns or conversion_ns
        self._lost = lost
        self._seq = 0

    def start(self) -> None:
        pass

    def drain(self, until_ns: int) -> list[PowerSample]:
        samples = []
        while (end_ns := self._seq * self._period_ns + self._conversion_ns) <= until_ns:
            start_ns = end_ns - self._conversion_ns
            power_uw = round(self._energy_nj(start_ns, end_ns) * 1e6 / self._conversion_ns)
            if not self._lost(self._seq):
                samples.append(
                    PowerSample(
                        self._seq,
                        end_ns,
                        self._conversion_ns,
                        5000,
                        power_uw // 5,
                        power_uw,
                        SampleFlag.NONE,
                    )
                )
            self._seq += 1
        return samples

    def statistics(self) -> MeterStatistics:
        return MeterStatistics(samples=self._seq)

    def stop(self) -> None:
        pass

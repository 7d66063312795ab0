"""Integration of a published energy trace gives the energy that its publisher computed."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.power import MeterStatistics, Origin, PowerSample
from edge_infer.runtime.accounting.account import IdleReference
from edge_infer.runtime.accounting.metered import MeteredAccount
from edge_infer.runtime.records import InferenceRecord

RUNS = Path(__file__).parents[2].parent / "shared" / "data" / "power" / "v0.5_Nucleo-L4R5ZI"
POINT = OperatingPoint(120_000)

pytestmark = pytest.mark.skipif(
    not RUNS.is_dir(), reason="the published MLPerf Tiny trace is not beside this checkout"
)


class RecordedMeter:
    """Plays a trace: mean power of each millisecond."""

    origin: Origin = "measured"
    gain_uncertainty_ppm = 0
    offset_uncertainty_uw = 0
    resolution_uw = 0

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        assert content[0] == 0xF1
        rate_hz, *_ = np.frombuffer(content, "<f4", 1, 1)
        self._period_ns = round(1e9 / rate_hz)
        self._uj = np.frombuffer(content, "<f4", offset=5)
        self._given = 0

    def start(self) -> None:
        pass

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        last = min(len(self._uj), until_ns // self._period_ns)
        samples = [
            PowerSample(
                seq,
                (seq + 1) * self._period_ns,
                self._period_ns,
                1800,
                0,
                round(float(self._uj[seq]) * 1e9 / self._period_ns),
            )
            for seq in range(self._given, last)
        ]
        self._given = last
        return samples

    def statistics(self) -> MeterStatistics:
        return MeterStatistics(samples=self._given)

    def stop(self) -> None:
        pass


def published(folder: Path) -> list[tuple[float, float, float]]:
    """Return (start s, length s, uJ) of each window in the publisher's own result file."""
    text = (folder / "results.txt").read_text()
    windows = re.findall(r"at time ([\d.]+) for ([\d.]+) sec.:.*?: +([\d.]+) uJ\n", text, re.S)
    return [(float(start), float(length), float(uj)) for start, length, uj in windows]


def window(number: int, start_ns: int, end_ns: int) -> InferenceRecord:
    return InferenceRecord(
        number, 0, 0, 0.0, start_ns, start_ns, end_ns, (start_ns,), (end_ns,), (POINT,)
    )


@pytest.mark.parametrize("model", ["ic", "kws", pytest.param("vww", marks=pytest.mark.slow)])
def test_windows_of_the_trace_give_the_published_energy(model: str) -> None:
    windows = published(RUNS / model)
    assert len(windows) == 5
    account = MeteredAccount(
        RecordedMeter(RUNS / model / "trace1-energy.bin"),
        IdleReference(0, 0),
        0,
        None,
        ("whole",),
        POINT.clock_khz,
    )
    for number, (start_s, length_s, _) in enumerate(windows):
        account.add(window(number, round(start_s * 1e9), round((start_s + length_s) * 1e9)))
    drained = account.close(round((windows[-1][0] + windows[-1][1] + 1) * 1e9))

    errors = []
    for record, (_, _, uj) in zip(drained, windows, strict=True):
        assert record.energy is not None
        errors.append(record.energy.gross_nj / 1000 / uj - 1)
        assert record.energy.apportioned_share < 0.001
    # The file states a window's start and length to 10 ms only; the worst is 0.03 % off.
    assert max(abs(error) for error in errors) < 0.001, errors

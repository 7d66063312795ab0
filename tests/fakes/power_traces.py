"""Power traces as other instruments write them, with a known energy in each window."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IDLE_W, BUSY_W = 0.020, 0.045
LOG = """\
00413.772 session: m-session-start-id[20210517030515]
00414.696 emon: m-trace[on]
{windows}00504.113 emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[{meter}]
00504.121 emon: m-voltage-mv[1800]
"""
STARTED = "00{0:07.3f} io: [dut]: m-infer-start-{1}\n00{2:07.3f} io: [dut]: m-infer-done\n"


def powers_w(
    spans_s: Sequence[tuple[float, float]], rate_hz: float, length_s: float
) -> NDArray[np.float64]:
    """Return the mean power of each reading: busy inside the spans, idle elsewhere."""
    edges = np.arange(round(length_s * rate_hz) + 1) / rate_hz
    busy = np.zeros(len(edges) - 1)
    for begin, end in spans_s:
        inside = np.clip(edges[1:], begin, end) - np.clip(edges[:-1], begin, end)
        busy += inside * rate_hz
    return IDLE_W + (BUSY_W - IDLE_W) * busy


def write_mlperf(
    folder: Path,
    *,
    rate_hz: float = 1000.0,
    inferences: int = 10,
    meter: str = "lpm01a",
    unit_j: float = 1e-6,
    results: bool = True,
    timestamps: bool = False,
    line_end: str = "\n",
) -> Path:
    """Write an energy run of three windows of 2 s, each so many inferences; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    spans = [(3.0 + 5 * n + 0.003, 5.0 + 5 * n + 0.003) for n in range(3)]
    powers = powers_w(spans, rate_hz, 18.0)
    energies = powers / rate_hz / unit_j
    data = b"\xf1" + struct.pack("<f", rate_hz) + energies.astype("<f4").tobytes()
    (folder / "trace1-energy.bin").write_bytes(data)
    started = "".join(
        STARTED.format(414.696 + begin, inferences, 414.696 + end + 0.020) for begin, end in spans
    )
    log = LOG.format(windows=started, meter=meter)
    (folder / "log.txt").write_bytes(log.replace("\n", line_end).encode())
    if results:
        text = _results(spans, inferences)
        (folder / "results.txt").write_bytes(text.replace("\n", line_end).encode())
    if timestamps:
        marks = [0.018, *(edge for span in spans for edge in span)]
        (folder / "trace1-timestamps.json").write_text(str([round(mark, 3) for mark in marks]))
    return folder


def _results(spans: Sequence[tuple[float, float]], inferences: int) -> str:
    energy_uj = 1e6 * BUSY_W * 2.0
    text = ""
    for number, (begin, _) in enumerate(spans):
        text += (
            f"00514.965 ulp-ml: Energy data for window {2 * number + 2} at time {begin:.2f} for "
            f"2.00 sec.:\n00514.965 ulp-ml:   Energy       : {energy_uj:12.3f} uJ\n"
            f"00514.965 ulp-ml:   Power        : {1e6 * BUSY_W:12.3f} uW\n"
            f"00514.965 ulp-ml:   Energy/Inf.  : {energy_uj / inferences:12.3f} uJ/inf.\n"
        )
    text += f"00514.974 ulp-ml: Median energy cost is {energy_uj / inferences:.3f} uJ/inf.\n"
    for number in range(len(spans)):
        text += (
            f"00514.974 ulp-ml: Performance results for window {2 * number + 2}:\n"
            f"00514.974 ulp-ml:   # Inferences : {inferences:12d}\n"
            "00514.974 ulp-ml:   Runtime      :        2.000 sec.\n"
        )
    return text


def write_ppk2(
    path: Path,
    spans_s: Sequence[tuple[float, float]],
    *,
    rate_hz: float = 10_000.0,
    length_s: float = 1.0,
    supply_v: float = 3.3,
    apart: bool = True,
    marked: Callable[[float], bool] | None = None,
) -> Path:
    """Write a PPK2 export, D0 high inside the spans, from one reading to the next."""
    powers = powers_w(spans_s, rate_hz, length_s)
    heading = ",".join(f"D{n}" for n in range(8)) if apart else "D0-D7"
    rows = [f"Timestamp(ms),Current(uA),{heading}"]
    for number, power in enumerate(powers):
        at_s = (number + 0.5) / rate_hz
        high = any(begin <= at_s < end for begin, end in spans_s)
        if marked is not None:
            high = marked(at_s)
        bits = f"{int(high)}0000000"
        rows.append(
            f"{1e3 * at_s:.3f},{1e6 * power / supply_v:.3f},{','.join(bits) if apart else bits}"
        )
    path.write_text("\n".join(rows) + "\n")
    return path

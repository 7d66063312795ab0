"""Traces of other instruments with anything done to them: read, or refused by an error of ours."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fakes.power_traces import write_mlperf, write_ppk2
from tests.hostile.suite import Suite, Tally

from edge_infer.boards.errors import MeterError
from edge_infer.boards.traces.formats import TraceOptions, open_trace
from edge_infer.lab.traces.apportioning import WindowOptions, apportion
from edge_infer.lab.traces.run_rows import read_run_rows

_SPANS = [(0.1, 0.2), (0.3, 0.35), (0.6, 0.8)]
_PUT = (
    b"nan", b"inf", b"-1", b"1e999", b"9" * 20, b"9" * 5000, b"", b",", b"\n", b'"', b"\xff\xfe",
    b"null", b"0", b"-", b"\x00",
)  # fmt: skip
_PPK2 = TraceOptions(supply_v=3.3)
_D0 = WindowOptions(channel="D0")


def _traces(tally: Tally) -> None:
    with tempfile.TemporaryDirectory(prefix="edge-infer-hostile-") as name:
        opened = _written(Path(name))
        kept = {path: path.read_bytes() for path in opened}
        for _ in range(tally.count):
            path = tally.rng.choice(sorted(opened))
            seed = tally.rng.getrandbits(32)
            path.write_bytes(_changed(Random(seed), kept[path]))
            with tally.case((path.name, seed)), warnings.catch_warnings():
                warnings.simplefilter("error")
                _read(opened[path])
            path.write_bytes(kept[path])


def _read(open_one: Callable[[], object]) -> None:
    try:
        open_one()
    except MeterError as error:
        assert str(error).count("\n") == 0, "more than a line"


def _written(folder: Path) -> dict[Path, Callable[[], object]]:
    """Write one of each; return how the file is read, by path."""
    opened: dict[Path, Callable[[], object]] = {}
    for number, (timestamps, results) in enumerate(((True, True), (False, True), (False, False))):
        run = write_mlperf(folder / str(number), timestamps=timestamps, results=results)
        for path in run.iterdir():
            opened[path] = lambda run=run: apportion(  # type: ignore[misc]
                open_trace(run, TraceOptions()), WindowOptions(), None
            )
    together = write_ppk2(folder / "b.csv", _SPANS, rate_hz=1000, apart=False)
    for path in (write_ppk2(folder / "a.csv", _SPANS, rate_hz=1000), together):
        opened[path] = lambda path=path: apportion(open_trace(path, _PPK2), _D0, None)  # type: ignore[misc]
    whole = write_ppk2(folder / "c.csv", _SPANS, rate_hz=1000)
    run_log = folder / "run.jsonl"
    rows = (
        f'{{"start_ns": {round(1e9 * a)}, "end_ns": {round(1e9 * b)}, "exit": 0}}\n'
        for a, b in _SPANS
    )
    run_log.write_text("".join(rows))
    opened[run_log] = lambda: apportion(open_trace(whole, _PPK2), _D0, read_run_rows(run_log))
    return opened


def _changed(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not changed:
            break
        begin = rng.randrange(len(changed))
        end = min(len(changed), begin + rng.randint(1, 30))
        match rng.randrange(6):
            case 0:
                changed[begin] = rng.randrange(256)
            case 1:
                del changed[begin:end]
            case 2:
                changed[begin:begin] = changed[begin:end]
            case 3:
                del changed[begin:]
            case 4:
                changed[begin:end] = rng.choice(_PUT)
            case _:
                digits = [at for at in range(begin, end) if 48 <= changed[at] <= 57]
                for at in digits:
                    changed[at] = rng.choice(b"0123456789")
    return bytes(changed)


SUITES = (Suite("foreign traces", 20_000, _traces),)

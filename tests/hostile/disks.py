"""A disk that is full at any byte of a result or a log, and logs that are cut at any length."""

import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hostile.suite import Suite, Tally

from edge_infer.boards.errors import MeterError
from edge_infer.boards.power_csv import read_power_log
from edge_infer.commands.root import run_line
from edge_infer.commands.stream_file import StreamFile
from edge_infer.firmware_bridge.wire.log_text import CSV_HEADER
from edge_infer.runtime.errors import RunError

_SIM = "sim:raspberry-pi-5"
_RECORD = ("power", "record", "--meter", _SIM, "--duration", "300ms", "-o")
_LOGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("power.csv", _RECORD),
    ("run.csv", ("run", "digits-early-exit", "--board", _SIM, "--frames", "120", "-o")),
    ("run.jsonl", ("run", "digits-early-exit", "--board", _SIM, "--frames", "120", "-o")),
)
_RESULTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("x.bundle", ("bundle", "pack", "digits-early-exit", "-o")),
    ("key.pub.pem", ("bundle", "keygen")),
)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _limited(arguments: Sequence[str], limit_bytes: int) -> tuple[int, str]:
    """Run a command in a child whose files cannot grow beyond a size; return status and stderr."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(writing, 2)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        code = 99
        try:
            code = run_line(arguments)
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    return os.waitpid(child, 0)[1], text


def _full(path: Path, arguments: Sequence[str]) -> bytes:
    code, said = _limited(arguments, resource.RLIM_INFINITY)
    assert code == 0, said
    return path.read_bytes()


def _disk_full(tally: Tally) -> None:
    whole = {}
    with _folder() as folder:
        for name, command in _LOGS + _RESULTS:
            target = folder / name.removesuffix(".pub.pem")
            whole[name] = _full(folder / name, [*command, str(target)])
    for _ in range(tally.count):
        name, command = tally.rng.choice(_LOGS + _RESULTS)
        size = tally.rng.randrange(len(whole[name]))
        with tally.case((name, size)), _folder() as folder:
            status, said = _limited([*command, str(folder / name.removesuffix(".pub.pem"))], size)
            # A run goes on without its log, says so and ends with 1.
            told = [line for line in said.splitlines() if line.startswith(("error: ", "warning: "))]
            assert status == 1 << 8, f"status {status}: {said}"
            assert len(told) == 1 and "cannot be written: File too large" in told[0], said
            assert "Traceback" not in said, said
            left = {path.name: path.read_bytes() for path in folder.iterdir()}
            if (name, command) in _RESULTS:
                assert left.keys() <= {"key.pem"}, f"{list(left)} are left"
            else:
                _check_rows(left[name], whole[name])


def _check_rows(left: bytes, whole: bytes) -> None:
    assert left == b"" or left.endswith(b"\n"), f"half a row: {left[-60:]!r}"
    head = whole.splitlines(keepends=True)[0]
    assert left == b"" or left.startswith(head), f"another heading: {left[:60]!r}"
    assert left.count(b"\n") <= whole.count(b"\n")


def _cuts(data: bytes, tally: Tally) -> Iterator[tuple[int, bytes]]:
    """Yield a log cut at every length, bare and followed by what a lost power leaves: NULs."""
    for length in range(0, len(data) + 1, 1 if tally.long else 10):
        yield length, data[:length]
        yield length, data[:length] + bytes(50)


def _power_logs(tally: Tally) -> None:
    with _folder() as folder:
        path = folder / "power.csv"
        code, said = _limited([*_RECORD, str(path)], resource.RLIM_INFINITY)
        assert code == 0, said
        samples = read_power_log(path).samples[:40]
        data = b"".join(path.read_bytes().splitlines(keepends=True)[:42])
        for length, cut in _cuts(data, tally):
            with tally.case((length, len(cut))):
                path.write_bytes(cut)
                whole = max(0, data[:length].count(b"\n") - 2)
                try:
                    log = read_power_log(path, up_to_cut=True)
                except MeterError:
                    assert not whole, f"{whole} samples are whole"
                    continue
                assert log.samples == samples[:whole]
                clean = data[:length].endswith(b"\n") and len(cut) == length
                assert (log.left_out is None) == clean


def _stream_logs(tally: Tally) -> None:
    rows = [CSV_HEADER, "0,boot,,,,,,,,,77"]
    rows += [f"{n},power,{n * 1000},,{n},532000,5000,100,500,0," for n in range(30)]
    rows += ["30,gap,,,,,,,,,12", *(f"{n},clock_khz,{n},,,,,,,,1500000" for n in range(42, 60))]
    csv = ("\n".join(rows) + "\n").encode()
    objects = b'{"entry": 0, "kind": "boot", "value": 77}\n' + b"".join(
        b'{"entry": %d, "kind": "power", "seq": %d}\n' % (n, n) for n in range(60)
    )
    for name, data, heading in (("x.csv", csv, 1), ("x.jsonl", objects, 0)):
        for length, cut in _cuts(data, tally):
            with tally.case((name, length, len(cut))), _folder() as folder:
                _go_on(folder / name, data[:length], cut, heading)


def _go_on(path: Path, kept: bytes, cut: bytes, heading: int) -> None:
    """Go on with a cut log: its whole rows stay, and the next number follows the last."""
    path.write_bytes(cut)
    whole = kept[: kept.rfind(b"\n") + 1]
    try:
        with StreamFile(path) as file:
            position = file.position
    except RunError:
        assert path.read_bytes() == cut and whole.count(b"\n") == 0
        return
    left = path.read_bytes()
    assert left == (whole or left) and (left == b"" or left.endswith(b"\n"))
    following = whole.count(b"\n") - heading - 1
    if following < 0:
        assert position is None
        return
    expected = following if following <= 30 or not heading else following - 1 + 12
    assert position is not None and position.next == expected, f"{position}, not {expected}"


def _copy_over(tally: Tally) -> None:
    """A result that stood there before stays, byte for byte, when the new one cannot be written."""
    with _folder() as kept:
        before = kept / "x.bundle"
        whole = _full(before, ["bundle", "pack", "digits-early-exit", "-o", str(before)])
        for _ in range(tally.count):
            size = tally.rng.randrange(len(whole))
            with tally.case(size), _folder() as folder:
                shutil.copy(before, folder / "x.bundle")
                line = ["bundle", "pack", "digits-early-exit", "-o", str(folder / "x.bundle")]
                status, said = _limited(line, size)
                assert status == 1 << 8, said
                names = [path.name for path in folder.iterdir()]
                assert names == ["x.bundle"], f"{names}: {said}"
                assert (folder / "x.bundle").read_bytes() == whole


_RUNS: tuple[tuple[str, int, Callable[[Tally], None]], ...] = (
    ("disks: full at any byte", 300, _disk_full),
    ("disks: full, over a result", 50, _copy_over),
    ("disks: power logs cut", 0, _power_logs),
    ("disks: streams cut", 0, _stream_logs),
)
SUITES = tuple(Suite(*run) for run in _RUNS)

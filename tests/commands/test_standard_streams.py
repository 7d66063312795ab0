"""Closed and full standard streams: one line with the cause, and the right exit code."""

import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -m edge_infer"


def sh(line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("boards list >&-", "standard output: Bad file descriptor"),
        ("boards list >/dev/full", "standard output: No space left on device"),
        ("boards list --json >/dev/full", "standard output: No space left on device"),
        ("--help >/dev/full", "No space left on device"),
        ("run digits-early-exit - <&-", "standard input is closed"),
        (
            "power calibrate --meter ina219 --known-load 1W --known-load 5W <&-",
            "standard input is closed",
        ),
        (
            "power calibrate --meter ina219 --known-load 1W --known-load 5W </dev/null",
            "standard input ended",
        ),
        ("power record --meter sim:raspberry-pi-5 --duration 1s -o /dev/full", "No space left"),
    ],
)
def test_one_line_with_the_cause(line: str, cause: str) -> None:
    done = sh(f"{COMMAND} {line}")
    told = [said for said in done.stderr.splitlines() if said.startswith("error: ")]
    assert done.returncode == 1, done.stderr
    assert len(told) == 1 and cause in told[0]
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_all_closed_is_an_exit_code() -> None:
    assert sh(f"{COMMAND} boards list <&- >&- 2>&-").returncode == 1
    assert sh(f"{COMMAND} boards list 2>&-").returncode == 0
    assert sh(f"{COMMAND} no-such-command 2>&-").returncode == 2


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: object) -> None:
    out = f"{tmp_path}/power.csv"
    line = f"{COMMAND} power record --meter sim:raspberry-pi-5 --duration 50ms -o {out} >&- 2>&-"
    assert sh(line).returncode == 0
    assert "samples" not in sh(f"cat {out}").stdout


def test_a_reader_that_went_away_is_no_trouble() -> None:
    done = sh(f"{COMMAND} boards list --json | head -1")
    assert done.returncode == 0 and done.stderr == ""

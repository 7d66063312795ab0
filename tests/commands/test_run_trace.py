"""`run --trace` against the Trace Event Format, as its document describes it."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from edge_infer.commands.root import run_line

DIGITS, PI_5 = "digits-early-exit", "sim:raspberry-pi-5"
Event = dict[str, Any]
NUMBER = int | float
WANTED: dict[str, dict[str, Any]] = {
    "X": {"ts": NUMBER, "dur": NUMBER},
    "i": {"ts": NUMBER, "s": str},
    "b": {"ts": NUMBER, "cat": str, "id": int | str},
    "e": {"ts": NUMBER, "cat": str, "id": int | str},
    "C": {"ts": NUMBER, "args": dict},
    "M": {"args": dict},
}
"""Phase to what the format wants of it beside name, pid and tid."""
METADATA = {"process_name": "name", "thread_name": "name", "process_sort_index": "sort_index"}


def traced(path: Path, *arguments: str) -> list[Event]:
    assert run_line(["run", DIGITS, "--board", PI_5, "--trace", str(path), *arguments]) == 0
    events: list[Event] = json.loads(path.read_text())
    return events


def check_format(events: list[Event]) -> None:
    """Fail unless events are such as the format describes."""
    for event in events:
        for key, kind in {"name": str, "pid": int, "tid": int, **WANTED[event["ph"]]}.items():
            assert isinstance(event[key], kind), event
        if event["ph"] == "i":
            assert event["s"] in {"g", "p", "t"}
        if event["ph"] == "C":
            assert all(isinstance(value, NUMBER) for value in event["args"].values())
        if event["ph"] == "M":
            assert METADATA[event["name"]] in event["args"]
    check_nesting(events)
    check_pairs(events)


def check_nesting(events: list[Event]) -> None:
    """Complete events of one thread lie beside or within each other."""
    rows = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            assert event["dur"] >= 0
            rows[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in rows.values():
        ends: list[float] = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while ends and ends[-1] <= begin + 1e-6:
                ends.pop()
            assert not ends or end <= ends[-1] + 1e-6
            ends.append(end)


def check_pairs(events: list[Event]) -> None:
    """Each asynchronous event that begins ends, not before."""
    open_: dict[tuple[str, Any], float] = {}
    for event in (e for e in events if e["ph"] in "be"):
        key = event["cat"], event["id"]
        if event["ph"] == "b":
            assert key not in open_
            open_[key] = event["ts"]
        else:
            assert open_.pop(key) <= event["ts"]
    assert not open_


def test_a_trace_is_what_the_format_describes(tmp_path: Path) -> None:
    events = traced(
        tmp_path / "t.json", "--frames", "450", "--rate", "9000", "--policy", "fixed:1500",
        "--deadline", "1ms", "--queue", "8",
    )  # fmt: skip
    check_format(events)
    phases = {event["ph"] for event in events}
    assert phases == set(WANTED)  # some frames wait for their turn


def test_stages_decisions_waits_and_counters_are_there(tmp_path: Path) -> None:
    events = traced(
        tmp_path / "t.json", "--frames", "300", "--rate", "200", "--policy", "planned",
        "--deadline", "5ms", "-o", str(tmp_path / "r.jsonl"),
    )  # fmt: skip
    check_format(events)
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    by_name = defaultdict(list)
    for event in events:
        by_name[event["name"]].append(event)
    origin_ns = rows[0]["start_ns"] - by_name["frame 0"][0]["ts"] * 1000
    for row in rows:
        (frame,) = by_name[f"frame {row['number']}"]
        assert frame["ts"] * 1000 == pytest.approx(row["start_ns"] - origin_ns, abs=0.1)
        assert frame["dur"] == (row["end_ns"] - row["start_ns"]) / 1000
        assert frame["args"]["answer"] == row["label"]
    assert len(by_name["exit1"]) == len(by_name["leave"]) == 300
    assert len(by_name["stay"]) == sum(row["exit"] for row in rows)
    assert len(by_name["wait for a frame"]) == 299
    assert {event["args"]["MHz"] for event in by_name["clock"]} >= {
        khz / 1000 for row in rows for khz in row["clock_khz"]
    }
    watts = [event["args"]["W"] for event in by_name["power"]]
    assert len(watts) > 1000 and 1 < min(watts) < max(watts) < 20


def test_a_board_without_a_meter_has_no_power_and_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert run_line(["run", DIGITS, "--frames", "10", "--trace", str(path)]) == 0
    events = json.loads(path.read_text())
    check_format(events)
    assert "power" not in {event["name"] for event in events}


def test_a_trace_that_was_cut_off_lacks_its_end_alone(tmp_path: Path) -> None:
    whole = tmp_path / "t.json"
    traced(whole, "--frames", "20")
    lines = whole.read_text().splitlines()
    assert lines[0] == "[" and lines[-1] == "]"
    # The format lets the bracket be missing, and readers take the last comma.
    check_format(json.loads("[" + "".join(lines[1:50]).rstrip(",") + "]"))


def test_another_suffix_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_line(["run", DIGITS, "--trace", "trace.txt"]) == 2
    assert "name it trace.json" in capsys.readouterr().err

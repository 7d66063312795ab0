"""The `run` command: its document, its records, and what ends it early."""

import csv
import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest

from edge_infer.boards.profile import load_profile
from edge_infer.boards.simulated.board import SimulatedBoard
from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame, InferenceRecord

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
PI_5 = "sim:raspberry-pi-5"
Capture = pytest.CaptureFixture[str]


def run_json(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run_line(["run", *arguments, "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads((SCHEMAS / "run.schema.json").read_text()), document)
    return document


@pytest.mark.parametrize("bundle", ["digits-early-exit", "digits-little-big"])
@pytest.mark.parametrize("board", ["host", PI_5, "sim:raspberry-pi-4b"])
def test_one_pass_gives_the_accuracy_of_the_manifest(
    bundle: str, board: str, capsys: Capture
) -> None:
    samples = open_bundle(bundle).samples()
    assert samples is not None
    count = len(samples[1])
    document = run_json(
        capsys, bundle, "--board", board, "--frames", str(count), "--resolver", "reference"
    )
    assert document["inferences"] == count == sum(document["exits"].values())
    assert all(document["exits"].values())
    stated = open_bundle(bundle).manifest.provenance["adaptive"]["test"]
    assert document["accuracy"] == pytest.approx(stated / 100, abs=0.01)
    assert document["simulated"] == board.startswith("sim:")


def test_a_simulated_run_is_never_called_measured(capsys: Capture) -> None:
    document = run_json(capsys, "digits-early-exit", "--board", PI_5, "--frames", "2000")
    energy = document["energy"]
    assert energy["origin"] == "simulated"
    assert not document["synthetic"]
    assumed = run_json(capsys, "digits-early-exit", "--board", "sim:generic-high-idle")
    assert assumed["synthetic"]
    assert energy["gross_uj"] > energy["net_uj"] > 0
    assert energy["net_uj_per_inference"] == pytest.approx(energy["net_uj"] / 2000)
    wall_s = energy["wall_us"] / 1e6
    assert energy["gross_uj"] - energy["net_uj"] == pytest.approx(
        energy["idle_reference_mw"] * 1000 * wall_s, rel=1e-3
    )


def test_the_host_claims_no_energy(capsys: Capture) -> None:
    assert run_json(capsys, "digits-early-exit", "--frames", "10")["energy"] is None


def test_samples_repeat_until_the_meter_has_seen_ten_seconds(capsys: Capture) -> None:
    document = run_json(capsys, "digits-early-exit", "--board", PI_5, "--rate", "200")
    assert document["energy"]["wall_us"] >= 10e6
    assert document["inferences"] % 450 == 0
    assert document["passes"] == document["inferences"] // 450


def test_policies_set_the_clock_and_the_time(capsys: Capture) -> None:
    arguments = (
        "digits-early-exit", "--board", "sim:raspberry-pi-4b", "--ideal", "--frames", "300",
    )  # fmt: skip
    fast = run_json(capsys, *arguments, "--policy", "performance")
    slow = run_json(capsys, *arguments, "--policy", "powersave")
    middle = run_json(capsys, *arguments, "--policy", "fixed:1000")
    assert list(fast["frequency_residency"]) == ["600000", "1500000"]  # idle reference, then run
    assert fast["frequency_residency"]["1500000"] > 0.9
    assert list(slow["frequency_residency"]) == ["600000"]
    assert slow["latency_us"]["p50"] == pytest.approx(2.5 * fast["latency_us"]["p50"], rel=0.01)
    assert middle["latency_us"]["p50"] == pytest.approx(1.5 * fast["latency_us"]["p50"], rel=0.01)
    # A Raspberry Pi 4 has one voltage below its top clock: slower does not save.
    assert slow["energy"]["net_uj"] == pytest.approx(fast["energy"]["net_uj"], rel=0.1)


def test_a_late_answer_is_a_miss(capsys: Capture) -> None:
    document = run_json(
        capsys, "digits-early-exit", "--board", PI_5, "--frames", "450", "--deadline", "30us"
    )
    # At 2400 MHz the first exit takes 20 us, the second 45.
    assert document["deadline"]["misses"] == 450 - document["exits"]["exit1"]
    assert document["deadline"]["us"] == 30


def test_an_overload_drops_frames_and_counts_them(capsys: Capture) -> None:
    document = run_json(
        capsys, "digits-early-exit", "--board", "sim:raspberry-pi-4b", "--policy", "powersave",
        "--rate", "30000", "--frames", "1000", "--queue", "2",
    )  # fmt: skip
    assert document["deadline"]["dropped"] > 0
    assert document["inferences"] + document["deadline"]["dropped"] == 1000


def test_records_are_logged_as_lines_and_as_columns(tmp_path: Path, capsys: Capture) -> None:
    lines, columns = tmp_path / "r.jsonl", tmp_path / "r.csv"
    for path in (lines, columns):
        run_json(capsys, "digits-early-exit", "--board", PI_5, "--frames", "20", "-o", str(path))
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    rows = list(csv.DictReader(io.StringIO(columns.read_text())))
    assert len(records) == len(rows) == 20
    for number, (record, row) in enumerate(zip(records, rows, strict=True)):
        assert record["number"] == int(row["number"]) == number
        assert record["net_nj"] == int(row["net_nj"])
        assert record["energy_origin"] == row["energy_origin"] == "simulated"
        assert record["clock_khz"] == [int(khz) for khz in row["clock_khz"].split()]


def test_raw_frames_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    samples = open_bundle("digits-early-exit").samples()
    assert samples is not None
    pipe = io.TextIOWrapper(io.BytesIO(samples[0][:30].tobytes()))
    monkeypatch.setattr(sys, "stdin", pipe)
    document = run_json(capsys, "digits-early-exit", "-", "--board", PI_5, "--frame-size", "8x8")
    assert document["inferences"] == 30
    assert document["accuracy"] is None


def test_a_wrong_input_names_both_shapes(tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 9, 9, 1), np.uint8))
    assert run_line(["run", "digits-early-exit", str(tmp_path / "x.npy")]) == 2
    assert "[9, 9, 1], the bundle takes [8, 8, 1]" in capsys.readouterr().err


class Watched:
    """Opens a given simulated board and remembers how the kernel's files stood before."""

    def __init__(self, **settings: Any) -> None:
        self.board = SimulatedBoard(load_profile("raspberry-pi-5"), **settings)
        self.found = self.clock_files()

    def clock_files(self) -> dict[str, str]:
        policy = "devices/system/cpu/cpufreq/policy0"
        names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
        return {name: self.board.sysfs.read(f"{policy}/{name}") for name in names}

    def open(self, name: str, ideal: bool = False) -> SimulatedBoard:
        return self.board


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watched]:
    def start(**settings: Any) -> Watched:
        watched = Watched(**settings)
        monkeypatch.setattr("edge_infer.commands.run_engine.open_board", watched.open)
        return watched

    return start


def at_frame(monkeypatch: pytest.MonkeyPatch, number: int, what: Callable[[], None]) -> None:
    """Let something happen while the engine answers a frame."""
    infer = Engine.infer

    def watched(self: Engine, frame: Frame, backlog: int = 0) -> InferenceRecord:
        if frame.number == number:
            what()
        return infer(self, frame, backlog)

    monkeypatch.setattr(Engine, "infer", watched)


def test_ctrl_c_tells_what_ran_and_puts_the_clock_back(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    watched = watch()
    at_frame(monkeypatch, 500, lambda: signal.raise_signal(signal.SIGINT))
    document = run_json(capsys, "digits-early-exit", "--policy", "fixed:2000", code=130)
    assert document["inferences"] == 501
    assert document["interrupted"]
    assert document["energy"]["net_uj"] > 0
    assert watched.clock_files() == watched.found
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_bus_that_fails_in_mid_run_tells_what_ran_and_exits_1(
    watch: Callable[..., Watched], capsys: Capture
) -> None:
    watched = watch(bus_fails_at_ns=4_000_000_000)
    code = run_line(
        ["run", "digits-early-exit", "--policy", "fixed:2000", "--rate", "500", "--json"]
    )
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert code == 1
    assert 1000 < document["inferences"] < 2500
    assert document["energy"]["samples"] > 2000
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err
    assert watched.clock_files() == watched.found


def test_an_unexpected_fault_still_puts_the_clock_back(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch()

    def fault() -> None:
        raise ZeroDivisionError

    at_frame(monkeypatch, 5, fault)
    with pytest.raises(ZeroDivisionError):
        run_line(["run", "digits-early-exit", "--policy", "powersave"])
    assert watched.clock_files() == watched.found


def test_the_report_is_for_people(capsys: Capture) -> None:
    assert run_line(["run", "digits-little-big", "--board", PI_5, "--frames", "900"]) == 0
    text = capsys.readouterr().out
    for word in ("little", "big", "accuracy", "net energy", "simulated", "+-", "2400 MHz", "p99"):
        assert word in text
    assert "synthetic" not in text
    board = ["--board", "sim:generic-high-idle"]
    assert run_line(["run", "digits-little-big", *board, "--frames", "900"]) == 0
    assert "synthetic" in capsys.readouterr().out

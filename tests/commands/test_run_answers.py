"""What `run` says of each input, and where its rows go."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.commands.test_standard_streams import sh
from tests.fakes.noisy_digits import write_noisy_digits

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.manifest_text import manifest_text
from edge_infer.runtime.sinks.row import COLUMNS
from edge_infer.runtime.sinks.row_files import StandardOutputSink

DIGITS, PI_5 = "digits-early-exit", "sim:raspberry-pi-5"
Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run_line(["run", DIGITS, *arguments]) == code
    out, err = capsys.readouterr()
    return out, err


def document(capsys: Capture, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(capsys, *arguments, "--json")[0])
    return found


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Twenty-one of the bundle's samples."""
    samples = open_bundle(DIGITS).samples()
    assert samples is not None
    np.savez(tmp_path / "digits.npz", frames=samples[0][:21], labels=samples[1][:21])
    np.save(tmp_path / "twenty.npy", samples[0][:20])
    return tmp_path


def test_few_inputs_are_told_one_by_one(capsys: Capture, inputs: Path) -> None:
    out, _ = run(capsys, str(inputs / "twenty.npy"), "--top", "2")
    lines = out.split("\n\n")[0].splitlines()
    assert lines[0].split() == [
        "input", "answer", "probability", "exit", "time", "net", "energy", "next",
    ]  # fmt: skip
    assert len(lines) == 22
    assert lines[2].startswith("twenty.npy[0]")
    assert "accuracy" in out


def test_more_inputs_are_summed_up_unless_lines_are_asked_for(
    capsys: Capture, inputs: Path
) -> None:
    path = str(inputs / "digits.npz")
    assert "digits.npz[" not in run(capsys, path)[0]
    lines = run(capsys, path, "--answers")[0].splitlines()
    told = [line for line in lines if line.startswith("digits.npz[")]
    assert len(told) == 21 and told[0].endswith("right")
    assert document(capsys, path)["answers"] is None
    assert len(document(capsys, path, "--answers")["answers"]) == 21


def test_an_input_that_repeats_is_told_once(capsys: Capture, inputs: Path) -> None:
    repeated = document(capsys, str(inputs / "twenty.npy"), "--frames", "50")
    assert repeated["inferences"] == 50
    assert [answer["number"] for answer in repeated["answers"]] == list(range(20))


def test_answers_of_json_carry_label_confidence_and_the_likeliest(
    capsys: Capture, inputs: Path
) -> None:
    answers = document(capsys, "--frames", "3", "--top", "4", "--board", PI_5)["answers"]
    for answer in answers:
        assert answer["label"] == answer["top"][0]["label"] == answer["true_label"]
        assert answer["confidence"] == answer["top"][0]["confidence"]
        assert answer["confidence_kind"] == "probability"
        shares = [choice["confidence"] for choice in answer["top"]]
        assert len(shares) == 4 and shares == sorted(shares, reverse=True)
        assert answer["net_uj"] > 0 and answer["energy_origin"] == "simulated"


def test_without_temperatures_in_the_manifest_it_is_a_score(
    tmp_path: Path, capsys: Capture
) -> None:
    bundle = open_bundle(DIGITS)
    folder = tmp_path / "cold"
    folder.mkdir()
    for file in bundle.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    chosen = replace(bundle.manifest.thresholds["1.0"], temperatures=None)
    cold = replace(bundle.manifest, thresholds={"1.0": chosen})
    (folder / "manifest.json").write_text(manifest_text(cold))
    assert run_line(["run", str(folder), "--frames", "3"]) == 0
    out = capsys.readouterr().out
    heading, _, first = out.splitlines()[:3]
    assert "score" in heading and "probability" not in heading and "0." in first


def test_a_probability_of_tune_is_how_often_it_is_right(tmp_path: Path, capsys: Capture) -> None:
    inputs = write_noisy_digits(open_bundle(DIGITS), tmp_path, copies=3)
    tuned, rows = tmp_path / "tuned", tmp_path / "rows.jsonl"
    line = ["tune", DIGITS, "--calibration", str(inputs), "-o", str(tuned), "--allow", "5"]
    assert run_line(line) == 0
    assert run_line(["run", str(tuned), str(inputs), "-o", str(rows)]) == 0
    capsys.readouterr()
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    assert {row["confidence_kind"] for row in told} == {"probability"}
    for exit_ in {row["exit"] for row in told}:
        here = [row for row in told if row["exit"] == exit_]
        right = np.mean([row["label"] == row["true_label"] for row in here])
        assert np.mean([row["confidence"] for row in here]) == pytest.approx(right, abs=0.05)


def test_rows_in_every_form_carry_name_label_and_the_likeliest(
    tmp_path: Path, capsys: Capture
) -> None:
    lines, columns = tmp_path / "r.jsonl", tmp_path / "r.csv"
    out, err = run(
        capsys, "--frames", "5", "--top", "3", "-o", str(lines), "-o", str(columns), "-o", "-"
    )
    objects = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [json.loads(line) for line in out.splitlines()] == objects
    assert "accuracy" in err  # the report makes room for the rows
    rows = list(csv.DictReader(io.StringIO(columns.read_text())))
    assert len(objects) == len(rows) == 5
    for found, row in zip(objects, rows, strict=True):
        assert tuple(found) == tuple(row) == COLUMNS
        assert found["name"] == row["name"] != ""
        assert found["label"] == row["label"] == found["true_label"]
        assert len(found["top"]) == 3 and json.loads(row["top"]) == found["top"]


@pytest.mark.parametrize("other", [["--json"], ["--answers"], ["-o", "-"]])
def test_two_texts_on_standard_output_are_refused(other: list[str], capsys: Capture) -> None:
    _, err = run(capsys, "-o", "-", *other, code=2)
    assert "standard output both" in err


def test_a_log_of_another_kind_is_refused_before_anything_runs(capsys: Capture) -> None:
    _, err = run(capsys, "-o", "rows.txt", code=2)
    assert "rows.txt: records are written as .jsonl or .csv" in err


@pytest.mark.parametrize("board", ["host", PI_5])
def test_rows_of_a_live_source_come_before_its_next_frame(
    board: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    samples = open_bundle(DIGITS).samples()
    assert samples is not None
    read, write = os.pipe()
    come, seen = threading.Event(), list[bool]()
    flush = StandardOutputSink.flush

    def watched(sink: StandardOutputSink) -> None:
        flush(sink)
        if sink.delivered:
            come.set()

    def camera() -> None:
        with os.fdopen(write, "wb", buffering=0) as pipe:
            pipe.write(samples[0][0].tobytes())
            seen.append(come.wait(30))  # only then comes the next
            pipe.write(samples[0][1].tobytes())

    monkeypatch.setattr(StandardOutputSink, "flush", watched)
    thread = threading.Thread(target=camera)
    with io.TextIOWrapper(os.fdopen(read, "rb")) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        thread.start()
        out, _ = run(capsys, "-", "--frame-size", "8x8", "-o", "-", "--board", board)
        thread.join()
    assert seen == [True]
    assert [json.loads(line)["number"] for line in out.splitlines()] == [0, 1]


def test_a_full_disk_is_one_line_and_the_run_goes_on(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    # /dev/full has no suffix that says how to write: a link to it has.
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    line = (
        f"{sys.executable} -m edge_infer run {DIGITS} --frames 2000 --json "
        f"-o {tmp_path}/full.jsonl -o {rows} >{tmp_path}/out.json"
    )
    done = sh(line)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"warning: {tmp_path}/full.jsonl: cannot be written: No space left on device: the run goes "
        "on without it"
    ]
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["inferences"] == 2000 == len(rows.read_text().splitlines())
    full, other = found["sinks"]
    assert full["dropped"] + full["written"] == 2000 and full["dropped"] > 0
    assert (other["written"], other["dropped"]) == (2000, 0)


def test_a_reader_that_leaves_ends_the_run() -> None:
    line = f"{sys.executable} -m edge_infer run {DIGITS} --frames 1000000 -o - | head -3"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 3
    assert "Traceback" not in done.stderr and "error" not in done.stderr


def test_mean_time_and_latency_agree_and_decoding_is_apart(capsys: Capture) -> None:
    found = document(capsys, "--frames", "450", "--board", PI_5)
    busy = sum(
        found["per_exit"][name]["mean_busy_us"] * count for name, count in found["exits"].items()
    )
    # One after the other, nothing waits: latency is the time of the inference itself.
    assert found["latency_us"]["mean"] == pytest.approx(busy / 450)
    assert found["decoding_us"] is None
    assert document(capsys, "--frames", "3")["decoding_us"] > 0
    assert "reading and decoding apart" in run(capsys, "--frames", "3")[0]


def test_what_warms_up_counts_nowhere(capsys: Capture) -> None:
    cold = document(capsys, "--frames", "5", "--board", PI_5)
    assert document(capsys, "--frames", "5", "--board", PI_5, "--warmup", "3") == cold

"""MLPerf Tiny's text protocol, spoken as the public runner speaks it (mlcommons/tiny,
benchmark/runner: device_under_test.py and script.py)."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profile import examples

from edge_infer.boards import open_board
from edge_infer.firmware_bridge.device.mlperf_tiny import MlperfTiny, input_dtype
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.records import Frame

SPEC = FrameSpec((8, 8, 1), np.dtype("uint8"))
RUNNER_BYTES = 31
"""Bytes in one `db` command of the runner, so that a command stays below 80 characters."""


class Runner:
    """The host's side of the protocol."""

    def __init__(self, dut: MlperfTiny) -> None:
        self.dut = dut
        self.boot = self._lines(dut.line_up(0))

    def send(self, command: str) -> list[str]:
        out = self.dut.feed(command.encode() + b"%", 0)
        while b"m-ready" not in out:
            out += self.dut.poll(0)
        lines = self._lines(out)
        assert lines[-1] == "m-ready" and lines.count("m-ready") == 1
        return lines[:-1]

    def load(self, data: bytes) -> list[str]:
        lines = self.send(f"db load {len(data)}")
        assert lines == [f"m-[Expecting {len(data)} bytes]"]
        for at in range(0, len(data), RUNNER_BYTES):
            lines = self.send(f"db {data[at : at + RUNNER_BYTES].hex()}")
        return lines

    def _lines(self, out: bytes) -> list[str]:
        text = out.decode("ascii")
        assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
        return text.split("\r\n")[:-1]


@pytest.fixture(scope="module")
def engine(tiny_bundle: Bundle) -> Iterator[Engine]:
    with open_board("sim:raspberry-pi-4b") as board, Engine(tiny_bundle, board) as engine:
        yield engine


@pytest.fixture
def runner(engine: Engine) -> Runner:
    now_ns = engine.board.timebase.now_ns
    return Runner(MlperfTiny(engine, SPEC, "ic01", "edge-infer test", now_ns))


def test_boot_name_and_profile(runner: Runner) -> None:
    assert runner.boot == ["m-init-done", "m-ready"]
    assert runner.send("name") == ["m-name-dut-[edge-infer test]"]
    assert runner.send("profile") == ["m-profile-[edge-infer]", "m-model-[ic01]"]
    (lap,) = runner.send("timestamp")
    assert re.fullmatch(r"m-lap-us-\d+", lap)
    assert any("infer N" in line for line in runner.send("help"))


def test_kws01_gives_int8_and_ic01_pixels(engine: Engine, tiny_bundle: Bundle) -> None:
    spec, now_ns = FrameSpec.of(tiny_bundle), engine.board.timebase.now_ns
    frame = np.random.default_rng(2).integers(0, 256, spec.shape, np.uint8)
    answers = []
    for model, data in (("ic01", frame), ("kws01", (frame ^ 128).view(np.int8))):
        runner = Runner(MlperfTiny(engine, replace(spec, signed=True), model, "test", now_ns))
        runner.load(data.tobytes())
        answers.append([line for line in runner.send("infer 1 0") if "results" in line])
    assert answers[0] == answers[1] and answers[0]
    with pytest.raises(FrameError, match="--source int8"):
        input_dtype(replace(spec, signed=False), "kws01")
    assert input_dtype(replace(spec, dtype=np.dtype(np.int8)), "kws01") == np.int8


def test_accuracy_mode_gives_the_engines_answer_for_every_sample(
    runner: Runner, engine: Engine, tiny_bundle: Bundle
) -> None:
    samples = tiny_bundle.samples()
    assert samples is not None
    for number, data in enumerate(samples[0]):
        assert runner.load(data.tobytes()) == ["m-load-done"]
        lines = runner.send("infer 1 0")
        assert lines[:3] == ["m-warmup-start-0", "m-warmup-done", "m-infer-start-1"]
        (results,) = re.findall(r"^m-results-\[([^]]+)\]$", lines[-1])
        values = [float(value) for value in results.split(",")]
        assert sum(values) == pytest.approx(1, abs=0.01)
        record = engine.infer(Frame(number, data))
        assert int(np.argmax(values)) == record.answer or sorted(values)[-1] == sorted(values)[-2]
        assert runner.send("results") == [lines[-1]]


def test_performance_mode_times_the_counted_inferences_only(runner: Runner, engine: Engine) -> None:
    runner.load(bytes(64))
    one_us = engine.infer(Frame(0, np.zeros((8, 8, 1), np.uint8))).busy_ns / 1000
    lines = runner.send("infer 200 10")
    assert lines[0] == "m-warmup-start-10" and "m-infer-done" in lines
    start, end = (int(line.split("-")[-1]) for line in lines if line.startswith("m-lap-us-"))
    assert (end - start) / 200 == pytest.approx(one_us, rel=0.05)
    assert lines.index("m-infer-done") == len(lines) - 2


def test_infer_takes_ten_warmups_when_it_is_not_told(runner: Runner) -> None:
    runner.load(bytes(64))
    assert runner.send("infer 3")[0] == "m-warmup-start-10"


def test_the_buffer_can_be_printed(runner: Runner) -> None:
    runner.load(bytes(range(10)))
    assert runner.send("db print") == ["m-buffer-00-01-02-03-04-05-06-07", "m-buffer-08-09"]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("bogus", "e-[Unknown command: bogus]"),
        ("", "e-[Unknown command: ]"),
        ("db", "e-[Command 'db' requires a subcommand]"),
        ("db load", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 0", "e-[Command 'db load' must be >0 and at most 1048576 bytes]"),
        ("db load 99999999999", "e-[Command 'db load' must be >0 and at most 1048576 bytes]"),
        ("db abc", "e-[Insufficent number of hex digits]"),
        ("db zz", "e-[Invalid hex digit in 'zz']"),
        ("infer 0", "e-[Inference iterations must be >0]"),
        ("infer 1 -1", "e-[Inference warmup must be >=0]"),
        ("infer 1 0", "e-[The input has 0 bytes, the model takes 64]"),
        ("results", "e-[No inference was run]"),
    ],
)
def test_errors_are_answered_and_followed_by_ready(
    runner: Runner, command: str, error: str
) -> None:
    assert runner.send(command) == [error]


@given(st.binary(max_size=400))
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_leave_it_answering(engine: Engine, stream: bytes) -> None:
    dut = MlperfTiny(engine, SPEC, "ic01", "x", engine.board.timebase.now_ns)
    dut.feed(stream.replace(b"infer", b""), 0)
    assert dut.feed(b"%name%", 0).endswith(b"m-name-dut-[x]\r\nm-ready\r\n")


def test_results_are_kept_whatever_is_loaded_after(runner: Runner) -> None:
    runner.load(bytes(64))
    told = runner.send("infer 1 0")[-1]
    assert told.startswith("m-results-[")
    runner.send("db load 490")
    assert runner.send("results") == [told]


def test_loading_during_an_inference_changes_nothing_of_it(runner: Runner) -> None:
    runner.load(bytes(64))
    told = runner.send("infer 1 0")[-1]
    out = runner.dut.feed(b"infer 2000 0%db load 490%", 0)
    while b"m-infer-done" not in out:
        out += runner.dut.poll(0)
    assert told.encode() in out


def test_many_commands_at_once_are_answered_turn_by_turn(runner: Runner) -> None:
    runner.load(bytes(1 << 17))
    begin_s = time.process_time()
    said = [runner.dut.feed(b"db print%" * 100_000, 0)]
    while runner.dut.wait_ns(0) == 0 and len(said) < 50:
        said.append(runner.dut.poll(0))
    assert max(map(len, said)) < 1 << 18
    assert (time.process_time() - begin_s) / len(said) < 0.05
    runner.dut.line_lost()
    assert runner.send("name") == ["m-name-dut-[edge-infer test]"]

"""MLPerf Tiny's line with commands in any order, of any size, and with what is none."""

import random

from tests.fakes.tiny_bundles import write_early_exit
from tests.hostile.smp_frames import scratch
from tests.hostile.suite import Suite, Tally

from edge_infer.boards import open_board
from edge_infer.firmware_bridge.device.mlperf_tiny import MlperfTiny
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.engine import Engine

_WORDS = (
    "name", "profile", "timestamp", "help", "results", "db", "db print", "db load", "db load 64",
    "db load 490", "db load 1048576", "db load 0", "db load -1", "db " + "00" * 32, "db zz", "db 0",
    "infer 1 0", "infer 2", "infer 3 1", "infer 0", "infer x", "infer 1 0 0 0", "infer", "", " ",
)  # fmt: skip


def _commands(tally: Tally) -> None:
    rng = tally.rng
    with scratch() as folder:
        bundle = write_early_exit(folder)
        with open_board("sim:raspberry-pi-4b") as board, Engine(bundle, board) as engine:
            spec = FrameSpec.of(bundle)
            line = MlperfTiny(engine, spec, "ic01", "x", board.timebase.now_ns)
            for case in range(tally.count):
                data = _command(rng)
                with tally.case(f"case {case}: {data!r}"):
                    line.feed(data, 0)
                    line.poll(0)
                if case % 20 == 0:
                    line.line_lost()
                    said = line.feed(b"%name%", 0)
                    if b"m-name-dut-[x]" not in said:
                        tally.fail(f"after case {case}", f"it does not answer: {said!r}")


def _command(rng: random.Random) -> bytes:
    words = b"%".join(rng.choice(_WORDS).encode() for _ in range(rng.choice((1, 1, 2, 5)))) + b"%"
    if rng.random() < 0.2:
        changed = bytearray(words)
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)
    return words if rng.random() < 0.9 else rng.randbytes(rng.randint(1, 3000))


SUITES = (Suite("MLPerf Tiny lines", 20_000, _commands, 0.5),)

"""MLPerf Tiny's text protocol, device side, so that the benchmark's runner drives this board.

mlcommons/tiny, benchmark/api/internally_implemented.{h,cpp}: commands end with `%`, every answer
with CR LF, every command with `m-ready`. Times are the board's own, in us.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.stage import LoadedStage, run_stages
from edge_infer.models_tflite.stage_spec import Scores
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.records import Frame, InferenceRecord

COMMAND_BYTES = 80
"""EE_CMD_SIZE; what is longer is cut, as there."""
MAX_INPUT_BYTES = 1 << 20
_MAX_PRINTED_BYTES = 48 << 10
"""Of the input, by `db print`: 192 KiB of text."""
_MAX_WAITING_BYTES = 1 << 16
"""Commands that wait for their turn; the runner sends one at a time."""
_MAX_SAID_BYTES = 1 << 16
"""Said in one turn, about; then the line is looked at again."""
_SLICE_NS = 200_000_000
"""How long inferences run before the line is looked at again."""
_FIRMWARE = "edge-infer"
_INT8_MODEL = "kws01"
"""The one of the benchmark's models whose inputs come as int8."""


class MlperfEngine(LocalEngine, Protocol):
    """An engine of this board, with its loaded stages."""

    @property
    def stages(self) -> Sequence[LoadedStage]:
        """The stages, in order."""
        ...


class MlperfTiny:
    """Fulfils LineProtocol.

    Args:
        engine: answers the frames.
        spec: what the bundle takes; `db` gives it as raw bytes, see `input_dtype`.
        model: kws01, vww01, ad01, ic01 or strww01, or another name.
        vendor: printed by `name`.
        now_ns: the board's time.
    """

    def __init__(
        self,
        engine: MlperfEngine,
        spec: FrameSpec,
        model: str,
        vendor: str,
        now_ns: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._spec = spec
        self._dtype = input_dtype(spec, model)
        self._model = model
        self._vendor = vendor
        self._now_ns = now_ns
        self._command = bytearray()
        self._input = bytearray()
        self._expected = 0
        self._waiting = bytearray()
        self._left = {"warmup": 0, "infer": 0}
        self._data: NDArray[Any] = np.zeros(self._spec.shape, self._spec.dtype)
        """What the inference under way answers, whatever is loaded meanwhile."""
        self._frames = 0
        self._last: InferenceRecord | None = None
        self._told = "e-[No inference was run]"
        """The last answer."""

    def line_up(self, now_ns: int) -> bytes:
        """See LineProtocol: what a board prints when it has booted."""
        return _lines("m-init-done", "m-ready")

    def line_lost(self) -> None:
        """See LineProtocol."""
        self._command.clear()
        self._waiting.clear()
        self._left = {"warmup": 0, "infer": 0}

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """See LineProtocol. What nobody could have an answer to yet, waits; too much is dropped."""
        self._waiting += data[: _MAX_WAITING_BYTES - len(self._waiting)]
        return self._take_commands()

    def _take_commands(self) -> bytes:
        """Run commands that came, until enough is said for one turn."""
        out = bytearray()
        while self._waiting and len(out) < _MAX_SAID_BYTES:
            end = self._waiting.find(b"%")
            part = self._waiting[: end if end >= 0 else None]
            self._command += part[: COMMAND_BYTES - len(self._command)]
            del self._waiting[: len(part) + 1]
            if end >= 0:
                out += self._run_command(self._command.decode("ascii", "replace").strip())
                self._command.clear()
        return bytes(out)

    def poll(self, now_ns: int) -> bytes:
        """See LineProtocol: goes on with `infer`, for a slice of time."""
        if not self._busy:
            return self._take_commands()
        end_ns = self._now_ns() + _SLICE_NS
        phase = "warmup" if self._left["warmup"] else "infer"
        while self._left[phase] and self._now_ns() < end_ns:
            self._left[phase] -= 1
            self._infer_once()
        self._engine.drain()
        if phase == "warmup":
            return self._begin_timed() if not self._left["warmup"] else b""
        return self._end_timed() if not self._left["infer"] else b""

    def wait_ns(self, now_ns: int) -> int:
        """See LineProtocol."""
        return 0 if self._busy or self._waiting else 1_000_000_000

    def descriptors(self) -> Sequence[int]:
        """See LineProtocol."""
        return ()

    @property
    def _busy(self) -> bool:
        return bool(self._left["warmup"] or self._left["infer"])

    def _run_command(self, command: str) -> bytes:
        words = command.split()
        match words:
            case ["name"]:
                lines = [f"m-name-dut-[{self._vendor}]"]
            case ["profile"]:
                lines = [f"m-profile-[{_FIRMWARE}]", f"m-model-[{self._model}]"]
            case ["timestamp"]:
                lines = [self._lap()]
            case ["help"]:
                lines = _HELP
            case ["db", *rest]:
                lines = self._buffer(rest)
            case ["infer", *rest]:
                lines = self._start_inference(rest)
                if not lines[0].startswith("e-"):
                    return _lines(*lines)  # m-ready follows when it is done
            case ["results"]:
                lines = [self._told]
            case _:
                lines = [f"e-[Unknown command: {words[0] if words else ''}]"]
        return _lines(*lines, "m-ready")

    def _buffer(self, words: list[str]) -> list[str]:
        match words:
            case []:
                return ["e-[Command 'db' requires a subcommand]"]
            case ["load"]:
                return ["e-[Command 'db load' requires the # of bytes]"]
            case ["load", count]:
                return self._load(int(count) if count.isdigit() else 0)
            case ["print", *_]:
                shown = self._input[:_MAX_PRINTED_BYTES]
                rows = [shown[at : at + 8].hex("-") for at in range(0, len(shown), 8)]
                return [f"m-buffer-{row}" for row in rows]
            case [digits, *_]:
                return self._take_hex(digits)
        return []

    def _load(self, count: int) -> list[str]:
        if not 0 < count <= MAX_INPUT_BYTES:
            return [f"e-[Command 'db load' must be >0 and at most {MAX_INPUT_BYTES} bytes]"]
        self._expected = count
        self._input.clear()
        return [f"m-[Expecting {count} bytes]"]

    def _take_hex(self, digits: str) -> list[str]:
        if len(digits) % 2:
            return ["e-[Insufficent number of hex digits]"]
        try:
            self._input += bytes.fromhex(digits)
        except ValueError:
            return [f"e-[Invalid hex digit in '{digits[:16]}']"]
        if len(self._input) < self._expected:
            return []
        del self._input[self._expected :]
        return ["m-load-done"]

    def _start_inference(self, words: list[str]) -> list[str]:
        numbers = [int(word) if word.isdigit() else -1 for word in words]
        count, warmups = (numbers + [1, 10][len(numbers) :])[:2]
        if count <= 0:
            return ["e-[Inference iterations must be >0]"]
        if warmups < 0:
            return ["e-[Inference warmup must be >=0]"]
        needed = math.prod(self._spec.shape) * self._dtype.itemsize
        if len(self._input) != needed:
            return [f"e-[The input has {len(self._input)} bytes, the model takes {needed}]"]
        data = np.frombuffer(bytes(self._input), self._dtype).reshape(self._spec.shape)
        try:
            self._data = self._spec.check(data, "input")
        except FrameError as error:
            return [f"e-[{error}]"]
        self._left = {"warmup": warmups, "infer": count}
        lines = [f"m-warmup-start-{warmups}"]
        if not warmups:
            lines += ["m-warmup-done", f"m-infer-start-{count}", self._lap()]
        return lines

    def _begin_timed(self) -> bytes:
        count = self._left["infer"]
        return _lines("m-warmup-done", f"m-infer-start-{count}", self._lap())

    def _end_timed(self) -> bytes:
        lap = self._lap()
        self._told = self._results()
        return _lines(lap, "m-infer-done", self._told, "m-ready")

    def _infer_once(self) -> None:
        self._last = self._engine.infer(Frame(self._frames, self._data))
        self._frames += 1

    def _lap(self) -> str:
        return f"m-lap-us-{self._now_ns() // 1000}"

    def _results(self) -> str:
        assert self._last is not None  # told after an inference
        values = exit_probabilities(self._engine.stages, self._data, self._last.exit)
        return f"m-results-[{','.join(f'{value:.3f}' for value in values)}]"


def input_dtype(spec: FrameSpec, model: str) -> np.dtype[Any]:
    """Return what the bytes of `db` are: kws01 gives int8, ic01 and vww01 pixels, ad01 float32.

    mlcommons/tiny, benchmark/evaluation/datasets/README.md. Of other models int8 where the bundle
    would take uint8, but its model is none of images.

    Raises:
        FrameError: they are int8, and the bundle takes uint8 that int8 cannot be told from.
    """
    if spec.dtype != np.uint8 or (model != _INT8_MODEL and spec.like_pixels):
        return spec.dtype
    signed = np.dtype(np.int8)
    spec.check(np.zeros(spec.shape, signed), model)
    return signed


def exit_probabilities(
    stages: Sequence[LoadedStage], data: NDArray[Any], exit_index: int
) -> NDArray[np.float64]:
    """Run a frame again up to the exit where it left; return that head's probabilities."""
    *_, scores = run_stages(stages[: exit_index + 1], data)
    return probabilities(scores, stages[exit_index].spec.scores)


def probabilities(scores: NDArray[Any], head: Scores) -> NDArray[np.float64]:
    """Return raw scores as probabilities: real = scale * (raw - zero point), then softmax."""
    real = scores.astype(np.float64)
    if np.issubdtype(scores.dtype, np.integer):
        real = head.scale * (real - head.zero_point)
    if head.kind == "softmax":
        return real
    powers = np.exp(real - real.max())
    return np.asarray(powers / powers.sum())


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")


_HELP = [
    _FIRMWARE,
    "",
    "help         : Print this information",
    "name         : Print the name of the device",
    "timestamp    : Print the time in us",
    "db SUBCMD    : Fill the input buffer",
    "  load N     : Expect N bytes",
    "  HH[HH]*    : Load bytes in hexadecimal",
    "  print      : Print the buffer",
    "infer N [W=10]: Run N inferences after W that do not count",
    "results      : Print the last result",
]

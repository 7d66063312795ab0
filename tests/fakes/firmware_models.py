"""Runs models on the firmware's graph and on tflite-runtime's reference kernels."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tests.fakes.backends import open_or_skip
from tests.fakes.firmware_build import Driver

from edge_infer.models_tflite.manifest import FULL_RATIO

_ON_ZEROS = 0xFFFFFFFF
"""Instead of a number of runs: one whose outputs nobody wants."""


@dataclass
class Ran:
    """What the firmware made of a model."""

    status: int
    kept_bytes: int
    activation_bytes: int
    outputs: list[bytes]
    """For each run all outputs, one after the other."""
    ticks: list[int]
    """For each run, of the board's clock; 0 on this computer."""
    opening: int
    """Ticks that opening took."""


def run_on_firmware(
    driver: Driver, model: bytes, runs: list[bytes], ratio: str = FULL_RATIO
) -> Ran:
    """Open a model at a pruning ratio and run it on each input."""
    head = struct.pack("<II", len(model), millionths(ratio))
    driver.write(head, model, struct.pack("<I", len(runs)))
    status, kept, activations, size, opening = driver.numbers(5)
    outputs: list[bytes] = []
    ticks: list[int] = []
    if status == 0:
        for run in runs:
            driver.write(run)
            ticks += driver.numbers(1)
            outputs.append(driver.read(size))
    return Ran(status, kept, activations, outputs, ticks, opening)


def try_on_firmware(driver: Driver, model: bytes, ratio: str) -> int:
    """Open a model that may be damaged, and run it where that goes; return the status."""
    head = struct.pack("<II", len(model), millionths(ratio))
    driver.write(head, model, struct.pack("<I", _ON_ZEROS))
    status: int = driver.numbers(5)[0]
    return status


def millionths(ratio: str) -> int:
    """Return a ratio as the firmware counts it."""
    return round(float(ratio) * 1_000_000)


class Reference:
    """tflite-runtime 2.14's reference kernels on one model: the golden answers."""

    def __init__(self, model: bytes) -> None:
        kernels = open_or_skip("tflite-runtime", "reference")
        self._interpreter = kernels.load_vouched(model)
        self.inputs = self._interpreter.get_input_details()
        self.outputs = self._interpreter.get_output_details()

    def random_input(self, random: np.random.Generator) -> bytes:
        """Return all inputs, one after the other."""
        size = sum(int(np.prod(detail["shape"])) for detail in self.inputs)
        return random.integers(-128, 128, size, np.int8).tobytes()

    def run(self, data: bytes) -> bytes:
        """Return all outputs, one after the other."""
        at = 0
        for detail in self.inputs:
            size = int(np.prod(detail["shape"]))
            values: NDArray[np.int8] = np.frombuffer(data, np.int8, size, at)
            self._interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
            at += size
        self._interpreter.invoke()
        return b"".join(
            self._interpreter.get_tensor(detail["index"]).tobytes() for detail in self.outputs
        )

"""Bundle files for the firmware, and what the Python runtime makes of their frames."""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tests.fakes.backends import open_or_skip
from tests.fakes.firmware_build import Driver
from tests.fakes.firmware_models import millionths

from edge_infer.firmware_bridge.image import mcuboot_image, stored_zip
from edge_infer.firmware_bridge.image.clock_plan import clock_plan_table
from edge_infer.firmware_bridge.image.keys import SigningKey
from edge_infer.firmware_bridge.image.tables import CLOCK_PLAN_FILE, tables
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO, MANIFEST_FILE
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.exit_criterion import exit_criterion
from edge_infer.runtime.planning.plan import Plan


class Answer(NamedTuple):
    """One frame's way through a bundle."""

    exit: int
    answer: int
    confidence: int


class Timed(NamedTuple):
    """An answer of the firmware, and the ticks of the board's clock it took."""

    answer: Answer
    ticks: int


def bundle_file(
    bundle: Bundle,
    security_counter: int = 0,
    key: SigningKey | None = None,
    plan: tuple[Plan, str] | None = None,
) -> bytes:
    """Return the bundle file with all tables, of a manifest that may differ from the folder's."""
    names = [MANIFEST_FILE, *bundle.manifest.files]
    entries = {name: (bundle.path / name).read_bytes() for name in names} | tables(bundle)
    if plan:
        entries[CLOCK_PLAN_FILE] = clock_plan_table(*plan)
    version = mcuboot_image.ImageVersion.parse(bundle.manifest.version)
    return mcuboot_image.build(stored_zip.pack(entries), version, security_counter, key)


def on_the_runtime(
    bundle: Bundle, frames: Iterable[NDArray[Any]], ratio: str = FULL_RATIO
) -> list[Answer]:
    """Answer frames with the Python runtime's stages and criteria, reference kernels."""
    manifest = bundle.manifest
    stages = load_stages(bundle, open_or_skip("tflite-runtime", "reference"), ratio=ratio)
    rule = manifest.thresholds[ratio]
    bounds = [*rule.values, None]
    judges = [
        exit_criterion(rule.criterion, bound, stage.spec.scores.scale)
        for bound, stage in zip(bounds, stages, strict=True)
    ]
    answers = []
    for frame in frames:
        inputs: Any = ()
        for index, (stage, judge) in enumerate(zip(stages, judges, strict=True)):
            if stage.prepare is not None:
                inputs = stage.prepare(frame)
            decision = judge(stage.run(inputs))
            if decision.leave:
                answers.append(Answer(index, int(decision.answer), int(decision.confidence)))
                break
            inputs = stage.features()
    return answers


def on_the_firmware(
    driver: Driver, file: bytes, frames: Iterable[NDArray[Any]], ratio: str = FULL_RATIO
) -> list[Answer]:
    """Answer frames with the firmware."""
    return [timed.answer for timed in timed_on_the_firmware(driver, file, frames, ratio)]


def timed_on_the_firmware(
    driver: Driver, file: bytes, frames: Iterable[NDArray[Any]], ratio: str = FULL_RATIO
) -> list[Timed]:
    """Answer frames with the firmware, and count."""
    status, _, _, frame_bytes, _ = open_on_firmware(driver, file, ratio)
    assert status == 0, f"status {status}"
    answers = []
    for frame in frames:
        assert frame.nbytes == frame_bytes
        driver.write(struct.pack("<I", int(frame.dtype == np.int8)), frame.tobytes())
        exit_index, answer, confidence, ticks = struct.unpack("<IIiI", driver.read(16))
        answers.append(Timed(Answer(exit_index, answer, confidence), ticks))
    close_on_firmware(driver)
    return answers


def open_on_firmware(driver: Driver, file: bytes, ratio: str = FULL_RATIO) -> tuple[int, ...]:
    """Return status, kept bytes, activation bytes, frame bytes, security counter."""
    driver.write(struct.pack("<II", len(file), millionths(ratio)), file)
    return driver.numbers(5)


def close_on_firmware(driver: Driver) -> None:
    """End the bundle that was opened."""
    driver.write(struct.pack("<I", 2))

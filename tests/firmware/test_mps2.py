"""The firmware on QEMU's mps2-an386: the same bits, and how many instructions they take.

QEMU counts instructions, not cycles: limits hold the code's size and shape, not a board's time.
"""

import gzip
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.fakes.firmware_build import (
    INSTRUCTIONS_PER_TICK,
    Driver,
    build_mps2_driver,
    on_qemu,
)
from tests.fakes.firmware_bundles import (
    bundle_file,
    on_the_runtime,
    open_on_firmware,
    timed_on_the_firmware,
)
from tests.fakes.firmware_models import Reference, run_on_firmware
from tests.fakes.kernel_cases import KERNELS, Case
from tests.fakes.tiny_models import ModelBuilder

from edge_infer.firmware_bridge.image.tables import predictor_table
from edge_infer.models_tflite.bundle import open_bundle, shipped_names
from edge_infer.models_tflite.prunable import PrunableModel
from edge_infer.runtime.predictor import SoftmaxPredictor

pytestmark = pytest.mark.usefixtures("test_mcu_only")

SHARED = Path(__file__).parents[2].parent / "shared"
RESNET_8 = SHARED / "data" / "models" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
ARENA_BYTES = 56 * 1024
"""What the drivers have on the board; a model that does not fit is refused."""

INSTRUCTIONS_PER_MAC = {8: 2.8, 16: 1.85, 32: 1.5, 64: 1.35}
"""3x3 convolution of so many channels in and out, DSP kernels: measured, and 5 % more."""
RATIO_INSTRUCTIONS_PER_MAC = {"1.0": 1.52, "0.53": 1.79, "0.2": 2.68}
"""Of cifar10-prunable, whole: measured, and 5 % more."""
OPENING_MEGA_INSTRUCTIONS = {"1.0": 0.5, "0.53": 13.9, "0.2": 12.9}
"""A ratio checks the hash of the file, 40 instructions a byte, and decodes its layers."""
RESNET_8_INSTRUCTIONS = 25_000_000
CODE_BYTES = 64 * 1024
PREDICTION_INSTRUCTIONS = 17_100
SIGNATURE_INSTRUCTIONS = 3_750_000
MNIST_FRAMES = int(os.environ.get("EDGE_INFER_MNIST_FRAMES", "1000"))
"""The first of 10,000 test images."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(*on_qemu(build_mps2_driver(tmp_path_factory.getbasetemp(), "model_runner"))) as d:
        yield d


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(*on_qemu(build_mps2_driver(tmp_path_factory.getbasetemp(), "bundle_runner"))) as d:
        yield d


@pytest.mark.backend
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_are_exact_on_the_board(kernel: str, models: Driver) -> None:
    for seed in range(100):
        model = KERNELS[kernel](Case(seed))
        reference = Reference(model)
        run = reference.random_input(np.random.default_rng(seed))
        ran = run_on_firmware(models, model, [run])
        assert ran.outputs == [reference.run(run)], f"{kernel} {seed}"


@pytest.mark.parametrize("channels", INSTRUCTIONS_PER_MAC)
def test_instructions_of_a_3x3_convolution(channels: int, models: Driver) -> None:
    b = ModelBuilder(channels)
    source = b.tensor("in", [1, 16, 16, channels], scale=0.05, zero_point=3)
    model = b.build([source], [b.conv("map", source, channels)])
    ran = run_on_firmware(models, model, [bytes(16 * 16 * channels)])
    macs = 16 * 16 * channels * channels * 9
    per_mac = ran.ticks[0] * INSTRUCTIONS_PER_TICK / macs
    print(f"\n3x3, {channels} channels: {per_mac:.2f} instructions per MAC")
    assert per_mac <= INSTRUCTIONS_PER_MAC[channels]


@pytest.mark.backend
def test_resnet_8_in_56_kib(models: Driver) -> None:
    if not RESNET_8.exists():
        pytest.skip("ResNet-8 lies in ../shared, which is not here")
    model = RESNET_8.read_bytes()
    reference = Reference(model)
    random = np.random.default_rng(8)
    runs = [reference.random_input(random) for _ in range(5)]
    ran = run_on_firmware(models, model, runs)
    assert ran.outputs == [reference.run(run) for run in runs]
    assert ran.kept_bytes + ran.activation_bytes <= ARENA_BYTES
    instructions = int(max(ran.ticks) * INSTRUCTIONS_PER_TICK)
    print(f"\nResNet-8: arena {ran.kept_bytes + ran.activation_bytes} bytes, "
          f"{instructions} instructions")  # fmt: skip
    assert instructions <= RESNET_8_INSTRUCTIONS


@pytest.mark.backend
def test_ratios_on_the_board(models: Driver) -> None:
    """Weights stay in flash; fewer channels take fewer instructions, at nearly the same each."""
    bundle = open_bundle("cifar10-prunable")
    model = bundle.read(bundle.manifest.stages[0].file)
    per_mac, mega = {}, {}
    for ratio in ("1.0", "0.53", "0.2"):
        reference = Reference(PrunableModel.open(model).materialise(ratio))
        run = reference.random_input(np.random.default_rng(9))
        ran = run_on_firmware(models, model, [run], ratio)
        assert ran.outputs == [reference.run(run)]
        assert ran.kept_bytes + ran.activation_bytes <= 20 * 1024
        macs = bundle.manifest.stages_at(ratio)[0].macs
        mega[ratio] = ran.ticks[0] * INSTRUCTIONS_PER_TICK / 1e6
        per_mac[ratio] = ran.ticks[0] * INSTRUCTIONS_PER_TICK / macs
        opening = ran.opening * INSTRUCTIONS_PER_TICK / 1e6
        print(f"\ncifar10-prunable at {ratio}: {mega[ratio]:.2f} million instructions, "
              f"{per_mac[ratio]:.2f} per MAC; opened in {opening:.2f} million")  # fmt: skip
        assert opening <= OPENING_MEGA_INSTRUCTIONS[ratio]
    assert all(found <= RATIO_INSTRUCTIONS_PER_MAC[ratio] for ratio, found in per_mac.items())


@pytest.mark.backend
@pytest.mark.parametrize("name", ["digits-early-exit", "digits-little-big"])
def test_exits_are_those_of_the_host_and_save_instructions(name: str, bundles: Driver) -> None:
    bundle = open_bundle(name)
    samples = bundle.samples()
    assert samples is not None
    frames = list(samples[0])
    timed = timed_on_the_firmware(bundles, bundle_file(bundle), frames)
    assert [t.answer for t in timed] == on_the_runtime(bundle, frames)
    last = len(bundle.manifest.stages) - 1
    mean = float(np.mean([t.ticks for t in timed])) * INSTRUCTIONS_PER_TICK
    whole = max(t.ticks for t in timed if t.answer.exit == last) * INSTRUCTIONS_PER_TICK
    print(f"\n{name}: {mean:.0f} instructions per inference, {whole:.0f} through the last exit")
    assert mean < whole / 2


@pytest.mark.backend
def test_mnist_little_big_saves_what_the_paper_says(bundles: Driver) -> None:
    """BL-DNN claims 94.1 % less energy than the big net; here it is instructions."""
    images = SHARED / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    if "mnist-little-big" not in shipped_names() or not images.exists():
        pytest.skip("the bundle or the MNIST test images are not here")
    bundle = open_bundle("mnist-little-big")
    pixels = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
    frames = list(pixels.reshape(-1, 28, 28, 1)[:MNIST_FRAMES])
    timed = timed_on_the_firmware(bundles, bundle_file(bundle), frames)
    assert [t.answer for t in timed] == on_the_runtime(bundle, frames)
    ticks = [[t.ticks for t in timed if t.answer.exit == exit] for exit in (0, 1)]
    big_alone = float(np.mean(ticks[1]) - np.mean(ticks[0]))
    saving = 100 * (1 - float(np.mean([t.ticks for t in timed])) / big_alone)
    print(f"\nmnist-little-big: {saving:.1f} % fewer instructions than the big net, "
          f"{len(frames)} frames, {len(ticks[1])} through it")  # fmt: skip
    assert saving >= 94.1


def test_instructions_of_a_prediction(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = open_bundle("digits-early-exit")
    table = predictor_table(bundle.manifest)
    assert table is not None
    predictor = SoftmaxPredictor.from_document((bundle.manifest.predictor or {})["1.0"])
    normal = np.random.default_rng(1).normal(0, 25, (300, 10))
    rows = np.clip(np.rint(normal), -128, 127).astype(np.int8)
    program = build_mps2_driver(tmp_path_factory.getbasetemp(), "governing_runner")
    with Driver(*on_qemu(program)) as driver:
        driver.write(struct.pack("<II", 0, len(table)), table)
        assert driver.numbers(2) == (0, len(predictor.bin_exits))
        driver.write(struct.pack("<II", *rows.shape), rows.tobytes())
        *bins, ticks = driver.numbers(len(rows) + 1)
    assert bins == [predictor.bin_of(row) for row in rows]
    each = ticks * INSTRUCTIONS_PER_TICK / len(rows)
    print(f"\nprediction: {each:.0f} instructions")
    assert each <= PREDICTION_INSTRUCTIONS


def test_instructions_of_a_signature(tmp_path_factory: pytest.TempPathFactory) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, digest = private.public_key().public_bytes_raw(), bytes(range(32))
    signature = private.sign(digest)
    program = build_mps2_driver(tmp_path_factory.getbasetemp(), "signature_runner")
    with Driver(*on_qemu(program)) as driver:
        driver.write(struct.pack("<I", 32), signature, key, digest)
        right, ticks = driver.numbers(2)
        driver.write(struct.pack("<I", 32), signature, key, digest[::-1])
        wrong, _ = driver.numbers(2)
    assert (right, wrong) == (1, 0)
    print(f"\nsignature: {ticks * INSTRUCTIONS_PER_TICK:.0f} instructions")
    assert ticks * INSTRUCTIONS_PER_TICK <= SIGNATURE_INSTRUCTIONS


def test_a_truncated_file_is_refused_on_the_board(bundles: Driver) -> None:
    truncated = bundle_file(open_bundle("digits-early-exit"))[:-1]
    assert open_on_firmware(bundles, truncated)[0] == 1


def test_code_and_constants(tmp_path_factory: pytest.TempPathFactory) -> None:
    program = build_mps2_driver(tmp_path_factory.getbasetemp(), "bundle_runner")
    size = subprocess.run(
        ["arm-none-eabi-size", str(program)], check=True, capture_output=True, text=True
    )
    text, data, bss = (int(field) for field in size.stdout.splitlines()[1].split()[:3])
    print(f"\nreader, kernels and execution: {text + data} bytes of code and constants")
    assert text + data <= CODE_BYTES
    assert bss > ARENA_BYTES  # the arena is counted, not hidden

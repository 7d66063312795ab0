"""The firmware on QEMU's mps2-an386: the same bits, and how many instructions they take.

QEMU counts instructions, not cycles: limits hold the code's size and shape, not a board's time.
"""

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models_tflite.bundle import open_bundle, shipped_names
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

pytestmark = pytest.mark.usefixtures("test_mcu_only")

SHARED = Path(__file__).parents[2].parent / "shared"
RESNET_8 = SHARED / "data" / "models" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
ARENA_BYTES = 56 * 1024
"""What the drivers have on the board; a model that does not fit is refused."""

INSTRUCTIONS_PER_MAC = {8: 2.8, 16: 1.85, 32: 1.5, 64: 1.35}
"""3x3 convolution of so many channels in and out, DSP kernels: measured, and 5 % more."""
RESNET_8_INSTRUCTIONS = 25_000_000
CODE_BYTES = 64 * 1024
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

"""Whole models on the firmware equal the reference kernels, bit by bit."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_models import Reference, run_on_firmware
from tests.fakes.small_nets import ds_cnn, mobilenet

MODELS = Path(__file__).parents[2].parent / "shared" / "data" / "models"
FOREIGN = ("mlperf_tiny/pretrainedResnet_quant", "tflm/hello_world_int8",
           "tflm/micro_speech_quantized")  # fmt: skip
UNSUPPORTED = 5
"""einf_status"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "model_runner", kernels="dsp")) as d:
        yield d


def _check(runner: Driver, model: bytes, count: int) -> None:
    reference = Reference(model)
    random = np.random.default_rng(2)
    runs = [reference.random_input(random) for _ in range(count)]
    ran = run_on_firmware(runner, model, runs)
    assert ran.status == 0
    assert len(set(ran.outputs)) > 1, "the outputs do not depend on the input"
    for run, found in zip(runs, ran.outputs, strict=True):
        assert found == reference.run(run)


@pytest.mark.backend
@pytest.mark.parametrize("name", FOREIGN)
def test_models_nobody_here_made(name: str, runner: Driver) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip("the model lies in ../shared, which is not here")
    _check(runner, path.read_bytes(), 8)


@pytest.mark.backend
@pytest.mark.parametrize("make", [ds_cnn, mobilenet])
@pytest.mark.parametrize("seed", range(3))
def test_nets_of_the_usual_shapes(make: Callable[[int], bytes], seed: int, runner: Driver) -> None:
    _check(runner, make(seed), 4)


def test_a_model_of_another_type_is_refused(runner: Driver) -> None:
    path = MODELS / "mlperf_tiny" / "pretrainedResnet.tflite"
    if not path.exists():
        pytest.skip("the model lies in ../shared, which is not here")
    assert run_on_firmware(runner, path.read_bytes(), []).status == UNSUPPORTED

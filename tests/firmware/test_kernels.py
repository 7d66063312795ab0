"""Every kernel equals tflite-runtime's reference kernel, bit by bit, on random models."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_models import Reference, run_on_firmware
from tests.fakes.kernel_cases import KERNELS, Case

CASES = int(os.environ.get("EDGE_INFER_KERNEL_CASES", "100"))
"""Random models a kernel; `make test-mcu` takes more."""


@pytest.fixture(scope="module", params=["plain", "dsp"])
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    program = build_driver(tmp_path_factory.getbasetemp(), "model_runner", kernels=request.param)
    with Driver(program) as driver:
        yield driver


@pytest.mark.backend
@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_the_reference_kernel(kernel: str, runner: Driver) -> None:
    values = inside = 0
    for seed in range(CASES):
        model = KERNELS[kernel](Case(seed))
        reference = Reference(model)
        random = np.random.default_rng(seed)
        runs = [reference.random_input(random) for _ in range(2)]
        ran = run_on_firmware(runner, model, runs)
        assert ran.status == 0, f"{kernel} {seed}: status {ran.status}"
        for run, found in zip(runs, ran.outputs, strict=True):
            wanted = reference.run(run)
            assert found == wanted, f"{kernel} {seed}"
            raw = np.frombuffer(wanted, np.int8)
            values += raw.size
            inside += int(((raw > -128) & (raw < 127)).sum())
    assert inside > values / 4, "most outputs are saturated: the cases say little"

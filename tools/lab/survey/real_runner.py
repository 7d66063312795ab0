"""What runs on a real board: generated models on an interpreter, and this program itself."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import numpy as np

from edge_infer.boards.cpufreq_policy import CpufreqPolicy, find_policies
from edge_infer.boards.errors import BoardError, BusError
from edge_infer.boards.meter_config import MeterConfig
from edge_infer.boards.meters import open_meter
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.registry import device_tree
from edge_infer.boards.sysfs import Sysfs
from edge_infer.boards.videocore import VideoCore, measured_clock_khz
from edge_infer.lab.bench import decision_us, interleaved_ns, without_exits
from edge_infer.lab.survey.computer import cpu_core, daemons
from edge_infer.lab.survey.errors import SurveyError
from edge_infer.lab.survey.operator_models import OperatorModel, burn_model, operator_models
from edge_infer.lab.survey.rig import Invoke, Load
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.runtime.engine import Engine

SINGLE, SEVERAL = "cifar10-narrow", "cifar10-early-exit"
"""Bundles of one stage and of several: their overheads tell runtime and stage apart."""
ROUNDS, RUNS = 5, 60
CLASSES = 10
KILLED_IN_S = 20.0


class RealRunner:
    """Fulfils `Runner` on this computer.

    Args:
        backend: its kernels.
        cores: the processor has.
        sysfs: the kernel's files.
        meter: how the meter is wired; None without one.
        open_bundle: opens one that ships.
        open_host: opens this computer as a board without a clock.
    """

    def __init__(
        self,
        backend: Backend,
        cores: int,
        sysfs: Sysfs,
        meter: MeterConfig | None,
        open_bundle: Callable[[str], Bundle],
        open_host: Callable[[], Any],
    ) -> None:
        self._backend, self._cores, self._sysfs = backend, cores, sysfs
        self._meter, self._open_bundle, self._open_host = meter, open_bundle, open_host
        self._burn: Invoke | None = None

    def identity(self) -> dict[str, Any]:
        """Return what the computer says of itself."""
        compatible = list(device_tree(self._sysfs))
        return {
            "model": _model(self._sysfs) or platform.machine(),
            "compatible": [text for text in compatible if text],
            "core": cpu_core(),
            "kernel": f"Linux {platform.release()}",
            "firmware": _firmware(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "backend": str(self._backend.info),
            "governors": _governors(self._sysfs),
            "daemons": daemons(),
            "meter": None if self._meter is None else asdict(self._meter),
        }

    def measured_khz(self) -> int | None:
        """Return the clock that a Raspberry Pi's firmware measures; None elsewhere."""
        try:
            firmware = VideoCore()
        except BusError:
            return None
        try:
            return measured_clock_khz(firmware)
        except BusError:
            return None
        finally:
            firmware.close()

    def load(self) -> None:
        """Load an interpreter and run it once."""
        self.invoke(operator_models()[0], 1)()

    def invoke(self, model: OperatorModel, threads: int) -> Invoke:
        """Return the bare invocation of a model that this program has written itself."""
        interpreter = self._backend.load_vouched(model.model, threads)
        random = np.random.default_rng(0)
        for detail in interpreter.get_input_details():
            low, high = (-1, 1) if detail["dtype"] is np.float32 else (-100, 100)
            values = random.uniform(low, high, detail["shape"]).astype(detail["dtype"])
            interpreter.set_tensor(detail["index"], values)
        invoke: Invoke = interpreter.invoke
        return invoke

    def burn(self, until_ns: int) -> None:
        """Run large convolutions on every core until then."""
        if self._burn is None:
            self._burn = self.invoke(burn_model(), self._cores)
        while time.monotonic_ns() < until_ns:
            self._burn()

    def copy(self, size: int) -> Invoke:
        """Return a copy from one array to another."""
        source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)

        def copy() -> None:
            np.copyto(target, source)

        return copy

    def overheads_ns(self) -> Mapping[str, Sequence[float]]:
        """Return what the engine takes beyond bare loops over the same interpreters."""
        decisions = [decision_us(CLASSES) * 1000 for _ in range(ROUNDS)]
        one, several = self._engine_ns(SINGLE), self._engine_ns(SEVERAL)
        stages = len(self._open_bundle(SEVERAL).manifest.stages)
        stage = [
            max(0.0, (more - less - (stages - 1) * decision) / (stages - 1))
            for more, less, decision in zip(several, one, decisions, strict=True)
        ]
        runtime = [max(0.0, less - each) for less, each in zip(one, stage, strict=True)]
        return {"runtime": runtime, "stage": stage, "decision": decisions}

    def meter_at(self, adc_bits: int) -> PowerMeter | None:
        """Return the INA219 at another resolution; None for any other meter."""
        if self._meter is None or self._meter.kind != "ina219":
            return None
        return open_meter(replace(self._meter, adc_bits=adc_bits, adc_samples=1), self._sysfs)

    def attach(self, load: Load | None) -> bool:
        """Return False: a person has to."""
        return False

    def killed(self) -> dict[str, Any] | None:
        """Let another process set the lowest clock, kill it, and put back what it found."""
        before = self._clock_files()
        child = subprocess.Popen(
            [sys.executable, "-m", "edge_infer.lab.survey.clock_holder"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout is not None
            said = child.stdout.readline().strip()
            meanwhile = self._clock_files()
        finally:
            child.kill()
            child.wait(KILLED_IN_S)
            assert child.stdout is not None
            child.stdout.close()
        if said != "holds":
            raise SurveyError(f"the process that was to hold the clock said {said or 'nothing'!r}")
        _restore(self._sysfs)
        return {"before": before, "meanwhile": meanwhile, "after": self._clock_files()}

    def _engine_ns(self, name: str) -> list[float]:
        """Return the engine's time beyond the bare loop's, a frame: the median of each round."""
        bundle = self._open_bundle(name)
        with (
            self._open_host() as host,
            Engine(without_exits(bundle), host, backend=self._backend) as engine,
        ):
            rounds = [interleaved_ns(engine, bundle.golden().frames, RUNS) for _ in range(ROUNDS)]
        return [float(median(whole - bare)) for bare, whole in rounds]

    def _clock_files(self) -> dict[str, dict[str, str]]:
        return {policy.name: policy.settings() for policy in find_policies(self._sysfs)}


def _restore(sysfs: Sysfs) -> None:
    from edge_infer.boards.clock_lease import ClockLease
    from edge_infer.boards.cpufreq import CpufreqClock

    CpufreqClock(sysfs, ClockLease())


def _governors(sysfs: Sysfs) -> dict[str, str]:
    try:
        policies: Sequence[CpufreqPolicy] = find_policies(sysfs)
        return {policy.name: policy.read("scaling_governor") for policy in policies}
    except BoardError:
        return {}


def _model(sysfs: Sysfs) -> str:
    for path in ("firmware/devicetree/base/model", "class/dmi/id/product_name"):
        try:
            return sysfs.read(path).rstrip("\0").strip()
        except OSError:
            continue
    return ""


def _firmware() -> str:
    """Return the Raspberry Pi firmware's version, in one line; empty without one."""
    try:
        firmware = VideoCore()
    except BusError:
        return ""
    try:
        return " ".join(firmware.ask("version").split())
    except BusError:
        return ""
    finally:
        firmware.close()


def cores_here(of_clock: frozenset[int] = frozenset()) -> int:
    """Return how many processors this process may use, of those of its clock if they are known."""
    allowed = os.sched_getaffinity(0)
    return len(allowed & of_clock) or len(allowed)

"""Simulated boards that nobody knows: drawn by a seed, and hidden from a survey."""

from collections import defaultdict
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.kernel_counts import load_kernel_counts
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.profile_sections import (
    CpuProfile,
    KernelProfile,
    KernelSpeed,
    MeterProfile,
    OverheadProfile,
    PowerProfile,
)
from edge_infer.boards.simulated import DISTURBED, Disturbance, MeterFaults, SimulatedBoard, Truth
from edge_infer.boards.toml_reader import Figure
from edge_infer.lab.survey.rig import Load, Rig
from edge_infer.lab.survey.simulated_runner import SimulatedRunner

CORES = ("cortex-a53", "cortex-a72", "cortex-a76")
OPERATORS = ("DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "ADD", "MEAN")
UNCALIBRATED = Calibration(gain_uncertainty_ppm=30_000, offset_uncertainty_uw=10_000)
"""The datasheet's bounds, as the driver has them without a calibration."""


@dataclass
class Hidden:
    """A board, what a survey may see of it, and the truth."""

    truth: BoardProfile
    board: SimulatedBoard
    rig: Rig
    lies: dict[int, int]


def hidden_profile(seed: int, clocks: int | None = None) -> BoardProfile:
    """Return a board within wide ranges."""
    random = Random(f"hidden {seed}")
    count = clocks or random.randint(3, 8)
    lowest = random.randrange(400, 1600, 100)
    step = random.choice((100, 150, 200))
    khz = tuple(1000 * (lowest + step * index) for index in range(count))
    low_uv, high_uv = random.randint(700_000, 850_000), random.randint(860_000, 1_050_000)
    uv = tuple(low_uv + (high_uv - low_uv) * index // (count - 1) for index in range(count))
    busy = random.randint(150_000, 1_500_000)
    core = random.choice(CORES)
    permille = {dtype: {op: random.randint(700, 1400) for op in OPERATORS}
                for dtype in ("int8", "float32")}  # fmt: skip
    return BoardProfile(
        name=f"hidden-{seed}",
        title=f"Hidden board {seed}",
        cpu=CpuProfile(core, 4, khz, uv, random.randint(100_000, 2_000_000),
                       random.randint(900, 990)),
        power=PowerProfile(random.randint(600_000, 6_000_000), busy,
                           busy * random.randint(400, 1000) // 1000, random.randint(0, 150),
                           random.randint(650, 1000), 5_100),
        kernels=KernelProfile(
            load_kernel_counts(f"xnnpack-{core}"),
            {
                "int8": KernelSpeed(random.randint(300, 900), random.randint(5_000, 80_000), 1000,
                                    permille["int8"]),
                "float32": KernelSpeed(random.randint(300, 900), random.randint(20_000, 200_000),
                                       random.randint(750, 1000), permille["float32"]),
            },
        ),
        overhead=OverheadProfile(random.randint(6_000, 20_000), random.randint(8_000, 30_000),
                                 random.randint(8_000, 30_000), random.randint(4_000, 12_000)),
        meter=MeterProfile("ina219", 1, 0x40, 400_000, 100_000, 10_000, 320, 16, 12, 1),
        figures=defaultdict(lambda: Figure("drawn by a seed")),
    )  # fmt: skip


def hidden(
    seed: int,
    *,
    clocks: int | None = None,
    lies: dict[int, int] | None = None,
    disturbance: Disturbance | None = None,
    faults: MeterFaults | None = None,
    calibration: Calibration | None = None,
    load: Load | None = None,
    truth_of: Truth = DISTURBED,
    shunt_range_mv: int = 320,
    **more: Any,
) -> Hidden:
    """Return a hidden board; clocks that lie are given by their numbers."""
    truth = hidden_profile(seed, clocks)
    assert truth.cpu is not None and truth.meter is not None
    truth = replace(truth, meter=replace(truth.meter, shunt_range_mv=shunt_range_mv))
    assert truth.cpu is not None
    khz = truth.cpu.clocks_khz
    lying = {khz[asked]: khz[real] for asked, real in (lies or {}).items()}
    board = SimulatedBoard(
        truth, name="unknown", seed=seed, disturbance=disturbance or Disturbance(lies=lying),
        truth=truth_of, meter_faults=faults, calibration=calibration, **more,
    )  # fmt: skip
    said = {"model": "a board that nobody described", "core": truth.cpu.core, "firmware": "none",
            "kernel": "6.6"}  # fmt: skip
    return Hidden(truth, board, Rig(board, SimulatedRunner(board, 4, said), 4, load=load), lying)

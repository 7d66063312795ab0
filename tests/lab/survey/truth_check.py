"""A surveyed profile beside the hidden truth: how far off, and whether the intervals hold it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.lab.survey.hidden_boards import Hidden

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.profile import BoardProfile, profile_from
from edge_infer.lab.costs.networks import network
from edge_infer.lab.survey.figures import figures_of
from edge_infer.lab.survey.measured_profile import measured_profile
from edge_infer.lab.survey.survey_state import SurveyState

NETWORKS = ("resnet-8", "vww", "mobilenet-v2-0.35-96")
PLAIN = ("supply_mv", "cores", "clocks_khz", "core_uv")


class Off(NamedTuple):
    """How far a prediction is off, relative."""

    what: str
    error: float


def profile_of(state: SurveyState) -> BoardProfile:
    """The profile that a survey writes, read back."""
    return profile_from(measured_profile(state, figures_of(state), {}), "surveyed")


def predictions(hidden: Hidden, profile: BoardProfile) -> Iterator[Off]:
    """What both models say of the same things."""
    ours, true = CostModel(profile), CostModel(hidden.truth)
    yield Off("idle", ours.idle_uw / true.idle_uw - 1)
    yield Off("switch", ours.cpu.switch_ns / true.cpu.switch_ns - 1)
    for khz in true.cpu.clocks_khz:
        if khz not in ours.cpu.clocks_khz:
            continue
        for n in range(1, 5):
            yield Off("busy", ours.busy_cores_uw(n, khz) / true.busy_cores_uw(n, khz) - 1)
    khz = true.cpu.clocks_khz[-1]
    for dtype in ("int8", "float32"):
        for name in NETWORKS:
            for n in (1, 2, 4):
                work, point = network(name, dtype), OperatingPoint(khz, n)
                times = [model.cycles(work, n).kernel for model in (ours, true)]
                yield Off("rates", times[0] / times[1] - 1)
                gross = [model.row(work, point) for model in (ours, true)]
                net = [row.energy_nj - m.idle_uw * row.time_ns / 1e6
                       for row, m in zip(gross, (ours, true), strict=True)]  # fmt: skip
                yield Off("net energy", net[0] / net[1] - 1)


def covered(hidden: Hidden, profile: BoardProfile) -> Mapping[str, bool]:
    """Whether the interval of each measured figure holds the truth, by its key."""
    truth = hidden.truth
    assert truth.cpu and truth.power and truth.kernels and truth.overhead
    values = {
        "cpu.switch_ns": truth.cpu.switch_ns,
        "cpu.parallel_permille": truth.cpu.parallel_permille,
        "power.idle_uw": truth.power.idle_uw,
        "power.busy_core_uw": truth.power.busy_core_uw,
        "power.more_core_uw": truth.power.more_core_uw,
        "power.waiting_permille": truth.power.waiting_permille,
        "kernels.float32.shared_permille": truth.kernels.speeds["float32"].shared_permille,
    }
    for part in ("invoke", "runtime", "stage", "decision"):
        values[f"overhead.{part}_cycles"] = getattr(truth.overhead, f"{part}_cycles")
    for dtype, speed in truth.kernels.speeds.items():
        values[f"kernels.{dtype}.cycles_per_kinstruction"] = speed.cycles_per_kinstruction
        values[f"kernels.{dtype}.sync_cycles"] = speed.sync_cycles
        for op, permille in speed.ops_permille.items():
            values[f"kernels.{dtype}.ops_permille.{op}"] = permille
    held = {}
    for key, value in values.items():
        figure = profile.figures[key]
        assert figure.low is not None and figure.high is not None, key
        held[key] = figure.low <= value <= figure.high
    return held

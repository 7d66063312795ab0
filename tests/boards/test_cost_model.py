from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.networks import NETWORKS, mobilenet_v2, resnet_8

from edge_infer.boards.cost_model import CostModel, modelled_cost_table
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names
from edge_infer.boards.profile_sections import PublishedLatency

PI_4, PI_5 = load_profile("raspberry-pi-4b"), load_profile("raspberry-pi-5")
BOARDS = [PI_4, PI_5]


def latency_ns(profile: BoardProfile, network: str, threads: int) -> int:
    point = OperatingPoint(CostModel(profile).cpu.clocks_khz[-1], threads)
    return CostModel(profile).row(NETWORKS[network], point).time_ns


EVERY_BOARD = [load_profile(name) for name in profile_names()]
FITTED = [(b, p) for b in EVERY_BOARD for p in b.published if p.use == "fit"]


@pytest.mark.parametrize(
    ("profile", "published"), FITTED, ids=[f"{b.name} {p.network}" for b, p in FITTED]
)
def test_the_rates_give_back_the_latencies_they_were_fitted_to(
    profile: BoardProfile, published: PublishedLatency
) -> None:
    # 5 %: the fit has one rate for every convolution, and the published figures two digits.
    ours = latency_ns(profile, published.network, published.threads)
    assert ours == pytest.approx(published.latency_ns, rel=0.05)


def test_resnet_8_on_a_pi_4_lies_about_the_published_1070_us() -> None:
    # Latent AI's compiled network, thread count not stated: it must lie between our one and four
    # threads, and within a factor of two of either, since another compiler made its kernels.
    published = next(p for p in PI_4.published if "ResNet-8" in p.network)
    one, four = (latency_ns(PI_4, published.network, threads) for threads in (1, 4))
    assert four < published.latency_ns < one
    assert one < 2 * published.latency_ns < 4 * four


def test_one_core_of_a_pi_4_cannot_reach_the_published_figure() -> None:
    # 8 MAC a cycle: Cortex-A72 Software Optimisation Guide, one 8x8 SMULL or SMLAL a cycle.
    published = next(p for p in PI_4.published if "ResNet-8" in p.network)
    cycles = published.latency_ns * 1.5
    assert resnet_8().macs / cycles > 0.95 * 8


def test_mobilenet_v2_is_faster_than_with_the_kernels_of_2021() -> None:
    # DeepEdgeBench ran TFLite's built-in int8 kernels: an upper limit for XNNPACK's.
    published = next(p for p in PI_4.published if p.use == "check" and p.threads == 1)
    assert latency_ns(PI_4, published.network, 1) < published.latency_ns


def test_power_while_busy_is_what_was_measured() -> None:
    # DeepEdgeBench, Pi 4B: 3.543 W while MobileNetV2 int8 runs on one core.
    row = CostModel(PI_4).row(mobilenet_v2(), OperatingPoint(1_500_000))
    assert row.power_uw == pytest.approx(3_543_000, rel=0.001)


def test_all_four_cores_of_a_pi_5_draw_what_powerjoular_says_for_full_load() -> None:
    model = CostModel(PI_5)
    assert model.busy_cores_uw(4, 2_400_000) == pytest.approx(3_458_000)


def test_a_lower_clock_saves_net_energy_on_a_pi_5_by_its_voltage_alone() -> None:
    model, work = CostModel(PI_5), resnet_8()
    low, high = (model.row(work, OperatingPoint(khz)) for khz in (1_500_000, 2_400_000))
    net = [row.energy_nj - model.idle_uw * row.time_ns / 1e6 for row in (low, high)]
    assert net[0] / net[1] == pytest.approx((720 / 865) ** 2, rel=0.001)
    assert low.energy_nj > high.energy_nj  # gross: idle power over the longer time


def test_a_lower_clock_saves_nothing_on_a_pi_4() -> None:
    model, work = CostModel(PI_4), resnet_8()
    rows = [model.row(work, OperatingPoint(khz)) for khz in model.cpu.clocks_khz]
    nets = [row.energy_nj - model.idle_uw * row.time_ns / 1e6 for row in rows]
    assert max(nets) / min(nets) == pytest.approx(1, rel=1e-4)
    assert [row.energy_nj for row in rows] == sorted((r.energy_nj for r in rows), reverse=True)


@pytest.mark.parametrize("profile", BOARDS, ids=lambda p: p.name)
def test_the_table_has_every_row_and_says_what_is_assumed(profile: BoardProfile) -> None:
    works = [resnet_8(), replace(mobilenet_v2(), decides=False)]
    table = modelled_cost_table(profile, works, f"sim:{profile.name}", (1, 4))
    assert profile.cpu is not None and profile.power is not None
    assert len(table.rows) == len(works) * len(profile.cpu.clocks_khz) * 2
    assert table.board == f"sim:{profile.name}"
    assert set(table.idle_uw.values()) == {profile.power.idle_uw}
    assert table.idle_reference_uw == profile.power.idle_uw
    assert table.switch.time_ns == 355_000
    assert table.switch.origin == "synthetic"
    assert any("not measured" in note for note in table.notes)


def test_a_row_that_rests_on_assumptions_is_synthetic_and_names_them() -> None:
    small = Work("small", (OpWork("CONV_2D", 1000, 10), *[OpWork("ADD", 0, 1000)] * 4))
    table = modelled_cost_table(PI_5, [small], "sim:raspberry-pi-5")
    assert table.synthetic
    cycles = CostModel(PI_5).cycles(small)
    assert cycles.synthetic == 5 * 1500 + 4 * 500
    assert cycles.kernel == cycles.synthetic + 10_800 + 40
    assert cycles.overhead == 14_000 + 14_100 + 7_000
    assert any("overhead.op_cycles" in note for note in table.notes)
    big = modelled_cost_table(PI_5, [NETWORKS["ResNet-18, int8"]], "sim:raspberry-pi-5")
    assert not big.synthetic


def test_overhead_is_kept_apart_and_a_last_stage_decides_nothing() -> None:
    work = resnet_8()
    model, point = CostModel(PI_5), OperatingPoint(2_400_000)
    deciding, last = model.row(work, point), model.row(replace(work, decides=False), point)
    assert deciding.overhead_ns - last.overhead_ns == pytest.approx(7_000 / 2.4, abs=1)
    assert deciding.time_ns - last.time_ns == pytest.approx(7_000 / 2.4, abs=1)


def test_what_is_done_once_an_inference_falls_on_its_first_stage_alone() -> None:
    work = resnet_8()
    model, point = CostModel(PI_5), OperatingPoint(2_400_000)
    first, further = model.row(work, point), model.row(replace(work, first=False), point)
    assert first.overhead_ns - further.overhead_ns == pytest.approx(14_000 / 2.4, abs=1)
    assert further.overhead_ns == pytest.approx((14_100 + 7_000) / 2.4, abs=1)


def test_a_clock_the_profile_does_not_list_is_synthetic() -> None:
    model, work = CostModel(PI_5), NETWORKS["ResNet-18, int8"]
    assert model.core_uv(1_950_000) == 805_000
    assert model.core_uv(600_000) == 720_000
    assert model.core_uv(3_000_000) == 865_000
    assert model.row(work, OperatingPoint(2_400_000)).origin == "modelled"
    assert model.row(work, OperatingPoint(1_950_000)).origin == "synthetic"


def test_what_cannot_be_priced_is_named() -> None:
    model = CostModel(PI_5)
    with pytest.raises(ProfileError, match="no rates for float16 kernels"):
        model.row(Work("w", (), dtype="float16"), OperatingPoint(2_400_000))
    with pytest.raises(ProfileError, match="5 threads on raspberry-pi-5: it has 4 cores"):
        model.row(resnet_8(), OperatingPoint(2_400_000, 5))
    with pytest.raises(ProfileError, match="edge-infer measure --board host"):
        CostModel(load_profile("host"))


def test_uint8_runs_at_the_rates_of_int8() -> None:
    point = OperatingPoint(2_400_000)
    assert CostModel(PI_5).row(resnet_8("uint8"), point) == CostModel(PI_5).row(resnet_8(), point)


OPS = st.builds(
    OpWork,
    st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "NEW_OP"]),
    st.integers(0, 10**8),
    st.integers(0, 10**6),
)
WORKS = st.builds(lambda ops: Work("w", tuple(ops)), st.lists(OPS, max_size=20))


@given(work=WORKS, profile=st.sampled_from(BOARDS), extra=OPS)
def test_more_work_never_costs_less_and_parts_add_up(
    work: Work, profile: BoardProfile, extra: OpWork
) -> None:
    model = CostModel(profile)
    longer = Work("longer", (*work.ops, extra))
    alone = Work("alone", (extra,))
    start = model.cycles(Work("empty", ()))
    for threads in (1, 2, 4):
        a, b, c = (model.cycles(w, threads).kernel for w in (work, longer, alone))
        assert b >= a
        assert b == pytest.approx(a + c - start.kernel, rel=1e-9)


@given(work=WORKS, profile=st.sampled_from(BOARDS))
def test_a_higher_clock_is_faster_and_energy_is_power_times_time(
    work: Work, profile: BoardProfile
) -> None:
    model = CostModel(profile)
    rows = [model.row(work, OperatingPoint(khz)) for khz in model.cpu.clocks_khz]
    assert [r.time_ns for r in rows] == sorted((r.time_ns for r in rows), reverse=True)
    for khz, row in zip(model.cpu.clocks_khz, rows, strict=True):
        power_uw = model.idle_uw + model.busy_cores_uw(1, khz)
        assert row.energy_nj == pytest.approx(power_uw * row.time_ns / 1e6, rel=1e-4, abs=2)
        assert 0 < row.overhead_ns <= row.time_ns

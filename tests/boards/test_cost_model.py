"""The model of a board: against published measurements, and against its own arithmetic."""

from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.cost_model import CostModel, modelled_cost_table
from edge_infer.boards.cost_table import OperatingPoint, OpWork, Work
from edge_infer.boards.errors import ProfileError
from edge_infer.boards.kernel_counts import OpCounts, load_kernel_counts, parse_kernel_counts
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.published import published_networks
from edge_infer.lab.costs.board_check import check_boards, checked_boards
from edge_infer.lab.costs.networks import network

PI_4, PI_5 = load_profile("raspberry-pi-4b"), load_profile("raspberry-pi-5")
BOARDS = [PI_4, PI_5]
ROWS = check_boards()["rows"]


def error(row: dict[str, object], unit: str = "ms") -> float:
    ours, published = row[f"model_{unit}"], row[f"published_{unit}"]
    assert isinstance(ours, float) and isinstance(published, int | float)
    return abs(ours / published - 1)


FITTED = [
    row
    for row in ROWS
    if row["use"] == "fit" and row["published_ms"] and row["kernels"] != "ruy-2021"
]


@pytest.mark.parametrize("row", FITTED, ids=lambda row: f"{row['board']} {row['model']}")
def test_the_model_gives_back_what_it_was_scaled_by(row: dict[str, object]) -> None:
    # One cycle count an instruction and one price of threads for each arithmetic: 5 %.
    assert error(row) < 0.05


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_pi_4_with_one_factor_for_its_kernels_of_2021(dtype: str) -> None:
    rows = [row for row in ROWS if row["kernels"] == "ruy-2021" and row["dtype"] == dtype]
    assert len(rows) >= 23
    for unit in ("ms", "net_mj"):
        errors = [error(row, unit) for row in rows]
        assert median(errors) < 0.10 and max(errors) < 0.30


def test_each_family_is_predicted_by_the_others() -> None:
    """The rows of 2021, with the family left out when both scales are fitted."""
    counts = load_kernel_counts("xnnpack-cortex-a72")
    rows = [
        row for row in published_networks(PI_4.name)
        if row.kernel_set == "ruy-2021" and row.dtype == "int8"
    ]  # fmt: skip
    works = {row.network: network(row.network).ops for row in rows}
    sizes = {
        name: (sum(counts.op("int8", op.op).instructions(op) for op in ops) / 1e6, len(ops))
        for name, ops in works.items()
    }
    errors = []
    for family in ("mobilenet-v1", "mobilenet-v2", "mobilenet-v3", "efficientnet"):
        kept = [row for row in rows if not row.network.startswith(family)]
        scale, price = _least_squares([sizes[r.network] for r in kept],
                                      [r.latency_us for r in kept])  # fmt: skip
        for row in rows:
            if row.network.startswith(family):
                instructions, ops = sizes[row.network]
                errors.append(abs((scale * instructions + price * ops) / row.latency_us - 1))
    assert len(errors) == len(rows)
    assert median(errors) < 0.10 and max(errors) < 0.30


def _least_squares(sizes: list[tuple[float, int]], us: list[int]) -> tuple[float, float]:
    """Return both coefficients of relative least squares, by the normal equations."""
    rows = [(a / t, b / t) for (a, b), t in zip(sizes, us, strict=True)]
    aa, ab, bb = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a, b = sum(r[0] for r in rows), sum(r[1] for r in rows)
    whole = aa * bb - ab * ab
    return (a * bb - b * ab) / whole, (aa * b - ab * a) / whole


def test_a_zero_2_w_draws_what_was_published_for_each_number_of_busy_cores() -> None:
    rows = [row for row in ROWS if row["published_mw"]]
    assert {row["threads"] for row in rows} == {1, 4}
    assert max(error(row, "mw") for row in rows) < 0.10


@pytest.mark.parametrize("model", ["ssd-mobilenet-v2-1.0-300", "ssd-mobilenet-v1-0.75-300"])
def test_a_pi_5_against_a_pi_4_on_networks_that_nothing_was_scaled_by(model: str) -> None:
    ours, published = (
        [row[key] for row in ROWS if (row["model"] == model and "-4b" in row["board"])
         or (row["model"] == model and row["board"].endswith("-5"))]
        for key in ("model_ms", "published_ms")
    )  # fmt: skip
    assert len(ours) == 2
    assert ours[1] / ours[0] == pytest.approx(published[1] / published[0], rel=0.25)


def test_every_published_row_names_a_network_and_a_source() -> None:
    assert len(checked_boards()) >= 7
    for row in ROWS:
        assert row["source"] and row["use"] in ("fit", "check", "context")


def test_the_networks_have_the_multiply_accumulates_of_their_papers() -> None:
    # Millions: arXiv 1704.04861, 1801.04381, 1905.02244 tables 3; EfficientNet-Lite's README;
    # He et al.; Szegedy et al.; MLPerf Tiny's repository.
    for name, macs in (
        ("mobilenet-v1-1.0-224", 569), ("mobilenet-v2-1.0-224", 300),
        ("mobilenet-v3-large-1.0-224", 217), ("mobilenet-v3-small-1.0-224", 56),
        ("efficientnet-lite4", 2554), ("resnet-18", 1814), ("resnet-50", 4089),
        ("googlenet", 1500), ("resnet-8", 12.5), ("vww", 7.5),
    ):  # fmt: skip
        assert network(name).macs / 1e6 == pytest.approx(macs, rel=0.02)
    with pytest.raises(ValueError, match="no network alexnet; there are mobilenet-v1"):
        network("alexnet")


def test_instructions_by_hand() -> None:
    row = OpCounts(macs=100, taps=10, outputs=1000, columns=8, depth=4)
    # 5x5 pixels, 6 -> 10 channels, 3x3: 10 columns are 16, 6 deep are 8.
    op = OpWork("CONV_2D", 25 * 10 * 6 * 9, 25 * 10, 10, 9, 25 * 6)
    padded = 25 * 16
    expected = (padded * 9 * 8 * 100 + padded * 9 * 10 + padded * 1000) / 1000
    assert row.instructions(op) == pytest.approx(expected)
    pooled = OpCounts(inputs=500)
    assert pooled.instructions(OpWork("MEAN", 0, 10, 10, 1, 4000)) == pytest.approx(2000)
    # Of a shape that is not known nothing is padded.
    assert row.instructions(OpWork("CONV_2D", 1000, 10)) == pytest.approx(100 + 0.1 + 10)


def test_counts_that_cannot_be_read_are_refused() -> None:
    for text in ("x", 'title = "t"', 'title="t"\nsource="s"\nstart=1\n[types.int8]\nCONV_2D={}'):
        with pytest.raises(ProfileError, match="kernel counts mine"):
            parse_kernel_counts(text, "mine")
    with pytest.raises(ProfileError, match="no kernel counts none; there are: tflm"):
        load_kernel_counts("none")
    with pytest.raises(ProfileError, match="no factor from XNNPACK on a Cortex-A72 to the kernel"):
        CostModel(PI_4, "acl").row(network("resnet-8"), OperatingPoint(1_500_000))


def test_power_while_busy_is_what_was_measured() -> None:
    # DeepEdgeBench, Pi 4B: 3.543 W while MobileNetV2 int8 runs on one core.
    row = CostModel(PI_4).row(network("mobilenet-v2-1.0-224"), OperatingPoint(1_500_000))
    assert row.power_uw == pytest.approx(3_543_000, rel=0.001)


def test_all_four_cores_of_a_pi_5_draw_what_powerjoular_says_for_full_load() -> None:
    model = CostModel(PI_5)
    assert model.busy_cores_uw(4, 2_400_000) == pytest.approx(3_458_000)


def test_a_lower_clock_saves_net_energy_on_a_pi_5_by_its_voltage_alone() -> None:
    model, work = CostModel(PI_5), network("resnet-8")
    low, high = (model.row(work, OperatingPoint(khz)) for khz in (1_500_000, 2_400_000))
    net = [row.energy_nj - model.idle_uw * row.time_ns / 1e6 for row in (low, high)]
    # 5 % of what a core draws follows neither voltage nor clock: its time grows with 1 / f.
    squared, times = (720 / 865) ** 2, 2400 / 1500
    assert net[0] / net[1] == pytest.approx(0.05 * times + 0.95 * squared, rel=0.001)
    assert low.energy_nj > high.energy_nj  # gross: idle power over the longer time


def test_a_lower_clock_saves_nothing_on_a_pi_4() -> None:
    model, work = CostModel(PI_4), network("resnet-8")
    rows = [model.row(work, OperatingPoint(khz)) for khz in model.cpu.clocks_khz]
    nets = [row.energy_nj - model.idle_uw * row.time_ns / 1e6 for row in rows]
    assert nets == sorted(nets, reverse=True)
    assert [row.energy_nj for row in rows] == sorted((r.energy_nj for r in rows), reverse=True)


@pytest.mark.parametrize("profile", BOARDS, ids=lambda p: p.name)
def test_the_table_has_every_row_and_says_what_is_assumed(profile: BoardProfile) -> None:
    works = [network("resnet-8"), network("mobilenet-v2-1.0-224")]
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
    strange = Work(
        "strange", (OpWork("CONV_2D", 10**6, 1000, 10, 9, 1000), OpWork("SQRT", 0, 10**6))
    )
    table = modelled_cost_table(PI_5, [strange], "sim:raspberry-pi-5")
    assert table.synthetic
    assert any("power.fixed_permille" in note for note in table.notes)
    cycles, counts = CostModel(PI_5).cycles(strange), load_kernel_counts("xnnpack-cortex-a76")
    assert cycles.synthetic == pytest.approx((counts.start + 2440 * 1000) * 0.415)
    # A convolution whose shape a manifest does not tell.
    unknown = Work("unknown", (OpWork("CONV_2D", 10**8, 10**5),))
    assert CostModel(PI_5).row(unknown, OperatingPoint(2_400_000)).origin == "synthetic"
    big = modelled_cost_table(PI_5, [network("resnet-18")], "sim:raspberry-pi-5")
    assert not big.synthetic


def test_threads_help_large_operators_and_harm_small_ones() -> None:
    model = CostModel(PI_4)
    for name, helps in (("efficientnet-lite4", True), ("mobilenet-v1-0.25-32", False)):
        one, four = (
            model.row(network(name), OperatingPoint(1_500_000, threads)).time_ns
            for threads in (1, 4)
        )
        assert (four < one) == helps
    assert model.speed_up(4) == pytest.approx(3.0, rel=0.01)


def test_overhead_is_kept_apart_and_a_last_stage_decides_nothing() -> None:
    work = replace(network("resnet-8"), decides=True)
    model, point = CostModel(PI_5), OperatingPoint(2_400_000)
    deciding, last = model.row(work, point), model.row(replace(work, decides=False), point)
    assert deciding.overhead_ns - last.overhead_ns == pytest.approx(7_000 / 2.4, abs=1)
    assert deciding.time_ns - last.time_ns == pytest.approx(7_000 / 2.4, abs=1)


def test_what_is_done_once_an_inference_falls_on_its_first_stage_alone() -> None:
    work = replace(network("resnet-8"), decides=True)
    model, point = CostModel(PI_5), OperatingPoint(2_400_000)
    first, further = model.row(work, point), model.row(replace(work, first=False), point)
    assert first.overhead_ns - further.overhead_ns == pytest.approx(14_000 / 2.4, abs=1)
    assert further.overhead_ns == pytest.approx((14_100 + 7_000) / 2.4, abs=1)


def test_a_clock_the_profile_does_not_list_is_synthetic() -> None:
    model, work = CostModel(PI_5), network("resnet-18")
    assert model.core_uv(1_950_000) == 805_000
    assert model.core_uv(600_000) == 720_000
    assert model.core_uv(3_000_000) == 865_000
    assert model.row(work, OperatingPoint(2_400_000)).origin == "modelled"
    assert model.row(work, OperatingPoint(1_950_000)).origin == "synthetic"


def test_what_cannot_be_priced_is_named() -> None:
    model = CostModel(PI_5)
    with pytest.raises(ProfileError, match="has no float16 kernels"):
        model.row(Work("w", (), dtype="float16"), OperatingPoint(2_400_000))
    with pytest.raises(ProfileError, match="5 threads on raspberry-pi-5: it has 4 cores"):
        model.row(network("resnet-8"), OperatingPoint(2_400_000, 5))
    with pytest.raises(ProfileError, match="edge-infer measure --board host"):
        CostModel(load_profile("host"))


def test_uint8_runs_the_kernels_of_int8() -> None:
    point = OperatingPoint(2_400_000)
    assert CostModel(PI_5).row(network("resnet-8", "uint8"), point) == CostModel(PI_5).row(
        network("resnet-8"), point
    )


OPS = st.builds(
    OpWork,
    st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "NEW_OP"]),
    st.integers(0, 10**8),
    st.integers(0, 10**6),
    st.integers(0, 512),
    st.sampled_from([1, 9, 25]),
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

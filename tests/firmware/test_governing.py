"""Exit prediction and plans on the firmware: the same bins and clocks as on the host, always."""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.fakes.backends import open_or_skip
from tests.fakes.firmware_build import Driver, build_driver
from tests.fakes.firmware_bundles import bundle_file
from tests.fakes.firmware_device import FirmwareDevice
from tests.fakes.plan_tables import STAGES, steep_table
from tests.profile import examples

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.firmware_bridge.errors import DeviceRefusedError, ImageError
from edge_infer.firmware_bridge.image.clock_plan import clock_plan_table
from edge_infer.firmware_bridge.image.mcuboot_image import parse
from edge_infer.firmware_bridge.image.tables import predictor_table
from edge_infer.firmware_bridge.wire.command import Group, Op
from edge_infer.firmware_bridge.wire.edge import EdgeCommand, Record
from edge_infer.firmware_bridge.wire.inference import inference_record
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.lab.tuning.chain_fitting import fit_chain
from edge_infer.models_tflite.bundle import Bundle, open_bundle, shipped_names
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.exit_criterion import exit_criteria
from edge_infer.runtime.governors.leaving import LeavingGovernor, micro, pays_in
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.frame_sweep import LEAVES
from edge_infer.runtime.planning.plan import Plan, PlanSet
from edge_infer.runtime.planning.planner import Planner
from edge_infer.runtime.planning.problem import chained_exits, plan_problem, predicted_exits
from edge_infer.runtime.predictor import SoftmaxPredictor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

OK, TRUNCATED, CORRUPT, UNSUPPORTED = 0, 1, 2, 5
"""Values of einf_status."""
PREDICTOR, PLAN, LEAVING = 0, 1, 2
DEADLINE_NS = 8_000_000
CLOCKS_KHZ = (20_000, 40_000, 80_000)
"""Of the driver device_runner."""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "governing_runner")) as driver:
        yield driver


def _predictor(seed: int, later: int = 2, bins: int = 4, ranks: int = 4) -> SoftmaxPredictor:
    """A predictor of random numbers, of the size that fitted ones have."""
    random = np.random.default_rng(seed)
    features = ranks + 2
    shares = random.dirichlet(np.ones(bins))
    return SoftmaxPredictor(
        scale=float(random.uniform(0.02, 0.3)),
        ranks=ranks,
        mean=tuple(random.uniform(0, 5, features).tolist()),
        deviation=tuple(random.uniform(0.3, 3, features).tolist()),
        weights=tuple(tuple(w) for w in random.normal(0, 1, (later - 1, features + 1)).tolist()),
        edges=tuple(sorted(random.uniform(0, max(later - 1, 0.1), bins - 1).tolist())),
        leave_first=0.4,
        bin_shares=tuple(shares.tolist()),
        bin_exits=tuple(tuple(row) for row in random.dirichlet(np.ones(later), bins).tolist()),
        fitted_on={"data": "random"},
    )


def _with_predictor(bundle: Bundle, predictor: SoftmaxPredictor) -> Bundle:
    carried = {"1.0": predictor.to_document()}
    return Bundle(bundle.path, replace(bundle.manifest, predictor=carried))


def _bins(runner: Driver, table: bytes, rows: NDArray[np.int8]) -> list[int]:
    runner.write(struct.pack("<II", PREDICTOR, len(table)), table)
    assert runner.numbers(2)[0] == OK
    runner.write(struct.pack("<II", *rows.shape))
    bins: list[int] = []
    for at in range(0, len(rows), 1000):  # a pipe holds so many answers
        part = np.ascontiguousarray(rows[at : at + 1000])
        runner.write(part.tobytes())
        bins += runner.numbers(len(part))
    runner.numbers(1)
    return bins


def _table(predictor: SoftmaxPredictor) -> bytes:
    manifest = _with_predictor(open_bundle("digits-early-exit"), predictor).manifest
    stages = manifest.stages[:1] * (len(predictor.weights) + 2)
    table = predictor_table(replace(manifest, stages=stages))
    assert table is not None
    return table


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 2**32 - 1), later=st.integers(1, 5), bins=st.integers(1, 9),
    ranks=st.integers(1, 16), classes=st.integers(2, 120),
)  # fmt: skip
def test_random_predictors_sort_as_on_the_host(
    seed: int, later: int, bins: int, ranks: int, classes: int, runner: Driver
) -> None:
    predictor = _predictor(seed, later, bins, ranks)
    rows = np.random.default_rng(seed).integers(-128, 128, (50, classes), np.int8)
    wanted = [predictor.bin_of(row) for row in rows]
    assert _bins(runner, _table(predictor), rows) == wanted


@pytest.mark.backend
@pytest.mark.parametrize("name", shipped_names())
def test_shipped_predictors_sort_all_samples_as_on_the_host(name: str, runner: Driver) -> None:
    bundle = open_bundle(name)
    table = predictor_table(bundle.manifest)
    if table is None:
        pytest.skip(f"{name} carries no predictor")
    predictor = SoftmaxPredictor.from_document((bundle.manifest.predictor or {})["1.0"])
    samples = bundle.samples()
    frames = samples[0] if samples else bundle.golden().frames
    stage = load_stages(bundle, open_or_skip("tflite-runtime", "reference"))[0]
    assert stage.prepare is not None
    real = np.array([stage.run(stage.prepare(frame)).copy() for frame in frames], np.int8)
    random = np.random.default_rng(1)
    near = np.clip(np.rint(random.normal(0, 25, (5000, real.shape[1]))), -128, 127)
    rows = np.concatenate([real, near.astype(np.int8)])
    wanted = [predictor.bin_of(row) for row in rows]
    assert _bins(runner, table, rows) == wanted
    assert len(set(wanted)) == len(predictor.bin_exits)


def test_a_predictor_of_another_kind_is_none() -> None:
    bundle = open_bundle("digits-early-exit")
    manifest = replace(bundle.manifest, predictor={"1.0": {"kind": "of-tomorrow"}})
    assert predictor_table(manifest) is None
    assert predictor_table(replace(manifest, predictor=None)) is None


def _solved(predictor: SoftmaxPredictor, seed: int = 0, slots: int = 60) -> Plan:
    random = np.random.default_rng(seed)
    stage_ms = random.uniform(0.3, 2.0, len(predictor.bin_exits[0]) + 1).tolist()
    table = steep_table(stage_ms, CLOCKS_KHZ, switch_ns=50_000, switch_nj=20_000)
    stages = "abcdefgh"[: len(stage_ms)]
    problem = plan_problem(
        table, stages, table.points, predicted_exits(predictor), DEADLINE_NS, (9_000_000,), 1.3
    )
    return Planner(problem, slots).within(0.01)


@pytest.mark.parametrize("seed", range(6))
def test_every_lookup_is_the_plan_s(seed: int, runner: Driver) -> None:
    predictor = _predictor(seed, later=1 + seed % 4, bins=1 + seed)
    plan = _solved(predictor, seed)
    table = clock_plan_table(plan, "sim:runner")
    runner.write(struct.pack("<II", PLAN, len(table)), table)
    stages, bins, clocks = plan.problem.stages, 1 + seed, len(plan.problem.clocks_khz)
    assert runner.numbers(4) == (OK, stages, bins, clocks)
    ages = {age + off for age in plan.ages_ns for off in (0, 1)}
    ages |= {3 * DEADLINE_NS, 2**63}
    questions = [
        (stage, b, clock, 0, age)
        for stage in range(stages + 1)
        for b in range(bins)
        for clock in range(clocks)
        for age in sorted(ages)
    ]
    wanted = [_planned_clock(plan, *question) for question in questions]
    assert _clocks(runner, questions) == wanted
    assert len(set(wanted)) > 1


def _clocks(runner: Driver, questions: Sequence[tuple[int, ...]]) -> list[int]:
    runner.write(struct.pack("<I", len(questions)))
    clocks: list[int] = []
    for at in range(0, len(questions), 1000):  # a pipe holds so many answers
        part = questions[at : at + 1000]
        runner.write(*(struct.pack("<IIIIQ", *question) for question in part))
        clocks += runner.numbers(len(part))
    return clocks


def _planned_clock(plan: Plan, stage: int, b: int, clock: int, _: int, age_ns: int) -> int:
    slot = plan.age_index(age_ns)
    if stage == plan.problem.stages:
        return int(plan.idle[clock, slot])
    row = plan.first[0] if stage == 0 else plan.later[stage - 1][b]
    return plan.problem.clock_of[int(row[clock, slot])]


def test_plans_with_threads_are_refused() -> None:
    predictor = _predictor(1)
    table = steep_table((1.0, 1.0, 2.0), CLOCKS_KHZ, threads=(1, 2))
    problem = plan_problem(table, STAGES, table.points, predicted_exits(predictor), DEADLINE_NS, ())
    with pytest.raises(ImageError, match="one thread"):
        clock_plan_table(Planner(problem, 20).within(0.01), "runner")


@pytest.mark.parametrize("kind", [PREDICTOR, PLAN])
def test_tables_of_another_version_or_cut_short(kind: int, runner: Driver) -> None:
    whole = _table(_predictor(2)) if kind == PREDICTOR else clock_plan_table(_some_plan(), "runner")
    newer = whole[:4] + b"\3" + whole[5:]
    for table, status in ((newer, UNSUPPORTED), (whole[:-1], CORRUPT), (whole[:20], TRUNCATED),
                          (b"?" + whole[1:], CORRUPT)):  # fmt: skip
        runner.write(struct.pack("<II", kind, len(table)), table)
        found = runner.numbers(2 if kind == PREDICTOR else 4)
        assert found == (status, *[0] * (len(found) - 1))


@cache
def _some_plan() -> Plan:
    return _solved(_predictor(2), slots=20)


@settings(max_examples=examples(100))
@given(data=st.data())
def test_damaged_plans_never_lead_out_of_the_table(data: st.DataObject, runner: Driver) -> None:
    """The sanitizers end the driver at the first access out of bounds."""
    table = bytearray(clock_plan_table(_some_plan(), "runner"))
    for _ in range(data.draw(st.integers(1, 4))):
        table[data.draw(st.integers(5, len(table) - 1))] = data.draw(st.integers(0, 255))
    runner.write(struct.pack("<II", PLAN, len(table)), bytes(table))
    status, stages, bins, clocks = runner.numbers(4)
    if status == OK:
        places = itertools.product(range(stages + 1), range(bins), range(clocks))
        questions = [(*place, 0, 4_000_000) for place in itertools.islice(places, 1000)]
        assert max(_clocks(runner, questions)) < clocks


@cache
def _leaving_plan(seed: int, exits: int = 3) -> Plan:
    """A plan with leaving as an action, of random scores, with other bins at each exit."""
    random = np.random.default_rng(seed)
    outcomes = ExitOutcomes(
        random.integers(0, 60, (exits - 1, 400)).astype(float),
        random.random((exits, 400)) < np.linspace(0.6, 0.9, exits)[:, None],
    )
    leaving = outcomes.exits(tuple(float(t) for t in random.integers(30, 50, exits - 1)))
    chain = fit_chain(outcomes, leaving, "drawn")
    stage_ms = random.uniform(0.3, 2.0, exits).tolist()
    table = steep_table(stage_ms, CLOCKS_KHZ, switch_ns=50_000, switch_nj=20_000)
    problem = plan_problem(
        table, "abcdefgh"[:exits], table.points, chained_exits(chain), DEADLINE_NS, (6_000_000,)
    )
    priced = replace(problem, loss_price_nj=30_000.0 * (1 + seed % 3), loss_bound_points=3.0)
    return Planner(priced, 60).within(0.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_that_leaves_is_looked_up_as_on_the_host(seed: int, runner: Driver) -> None:
    plan = _leaving_plan(seed, exits=2 + seed % 3)
    chain = plan.problem.distribution.chain
    assert chain is not None
    table = clock_plan_table(plan, "sim:runner")
    runner.write(struct.pack("<II", PLAN, len(table)), table)
    stages, bins, clocks = runner.numbers(4)[1:]
    assert (stages, bins) == (plan.problem.stages, max(len(t) for t in plan.later))
    questions = [
        (stage, b, clock, 0, age)
        for stage in range(1, stages)
        for b in range(len(plan.later[stage - 1]))
        for clock in range(clocks)
        for age in plan.ages_ns
    ]
    wanted = []
    for stage, b, clock, _, age in questions:
        choice = int(plan.later[stage - 1][b][clock, plan.age_index(age)])
        leaves = 256 if choice >= LEAVES else 0
        wanted.append(plan.problem.clock_of[choice % LEAVES] + leaves)
    assert _clocks(runner, questions) == wanted
    assert max(wanted) >= 256 > min(wanted)
    runner.write(struct.pack("<II", LEAVING, len(table)), table)
    assert runner.numbers(3) == (OK, bins, pays_in(plan))
    asked = [(exit_, confidence) for exit_ in range(stages - 1) for confidence in range(-2, 62)]
    runner.write(struct.pack("<I", len(asked)), *(struct.pack("<Ii", *one) for one in asked))
    for exit_, confidence in asked:
        own, forced, tuned = struct.unpack("<Iii", struct.pack("<3I", *runner.numbers(3)))
        assert own == chain.bin_of(exit_, confidence)
        assert forced == micro(chain.forced[exit_].points[own])
        assert tuned == micro(chain.tuned.points[exit_])


def test_bounds_beyond_any_score_are_never_reached_on_a_device() -> None:
    plan = _leaving_plan(0)
    distribution = plan.problem.distribution
    assert distribution.chain is not None
    last = len(distribution.chain.edges[0])
    chain = replace(
        distribution.chain,
        edges=((*distribution.chain.edges[0][: last - 1], 1e300), *distribution.chain.edges[1:]),
    )
    problem = replace(plan.problem, distribution=replace(distribution, chain=chain))
    table = clock_plan_table(replace(plan, problem=problem), "runner")
    assert struct.pack("<i", 2**31 - 1) in table


@settings(max_examples=examples(60))
@given(data=st.data())
def test_damaged_plans_that_leave_never_lead_out_of_the_table(
    data: st.DataObject, runner: Driver
) -> None:
    table = bytearray(clock_plan_table(_leaving_plan(1), "runner"))
    for _ in range(data.draw(st.integers(1, 4))):
        table[data.draw(st.integers(5, len(table) - 1))] = data.draw(st.integers(0, 255))
    runner.write(struct.pack("<II", LEAVING, len(table)), bytes(table))
    status, bins, _ = runner.numbers(3)
    if status == OK:
        runner.write(struct.pack("<I", 2), struct.pack("<IiIi", 0, 2**31 - 1, 0, -5))
        assert max(runner.numbers(3)[0], runner.numbers(3)[0]) < bins


@pytest.fixture(scope="module")
def device_driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(build_driver(tmp_path_factory.getbasetemp(), "device_runner", kernels="dsp")) as d:
        yield d


def _device(driver: Driver, file: bytes) -> FirmwareDevice:
    device = FirmwareDevice(driver)
    device.load_flash(b"\xff" * len(device.flash()))
    device.power_on()
    device.upload(file)
    device.mark(parse(file).digest, permanent=True)
    device.power_on()
    return device


def _infer(device: FirmwareDevice, number: int, frame: Any) -> dict[str, Any]:
    body = {"n": number, "session": 7, "len": frame.nbytes, "off": 0, "data": frame.tobytes(),
            "dtype": str(frame.dtype), "shape": list(frame.shape)}  # fmt: skip
    return device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.INFER, body)


def _govern(device: FirmwareDevice, policy: str) -> dict[str, Any]:
    body = {"policy": policy, "ratio": "1.0", "n": 3}
    return device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.ENGINE, body)


def _host_points(
    governor: PlannedGovernor, record: InferenceRecord, scores: Sequence[NDArray[Any]]
) -> tuple[OperatingPoint, ...]:
    """Return what the host's governor says at the times that the device had."""
    due_ns = record.arrival_ns + DEADLINE_NS
    frame = Frame(record.number, scores[0], arrival_ns=record.arrival_ns, deadline_ns=due_ns)
    points = [governor.first_point(frame, record.arrival_ns, 0)]
    stay = ExitDecision(leave=False, answer=0, confidence=0)
    for stage in range(record.exit):
        result = StageResult(stage, scores[stage], record.stage_end_ns[stage])
        points.append(governor.next_point(frame, result, stay))
    governor.learn(record)
    return tuple(points)


@pytest.mark.backend
@pytest.mark.parametrize("name", shipped_names())
def test_clocks_and_predictions_of_all_samples(name: str, device_driver: Driver) -> None:
    bundle = open_bundle(name)
    samples = bundle.samples()
    if samples is None or len(bundle_file(bundle)) > 190 * 1024 or len(bundle.manifest.stages) < 2:
        pytest.skip(f"{name} has no samples, one stage, or does not fit this driver's slots")
    carried = (bundle.manifest.predictor or {}).get("1.0")
    later = len(bundle.manifest.stages) - 1
    predictor = SoftmaxPredictor.from_document(carried) if carried else _predictor(5, later)
    bundle = _with_predictor(bundle, predictor)
    plan = _solved(predictor, 7)
    device = _device(device_driver, bundle_file(bundle, plan=(plan, "sim:runner")))
    assert _govern(device, "planned")["policy"] == "planned"
    governor = PlannedGovernor(
        "planned", plan.problem, 0.01, lambda _, scores: predictor.bin_of(scores),
        feedback=False, plans=PlanSet(plan),
    )  # fmt: skip
    stages = load_stages(bundle, open_or_skip("tflite-runtime", "reference"))
    random = np.random.default_rng(4)
    clocks, switches = set(), 0
    for number, frame in enumerate(samples[0]):
        device.be_slow(int(random.integers(0, 2_500_000)))
        body = _infer(device, number, frame)
        record = inference_record(Record.unpack(body), 0)
        scores: list[NDArray[Any]] = []
        inputs: Sequence[NDArray[Any]] = ()
        for stage in stages[: record.exit + 1]:
            inputs = stage.prepare(frame) if stage.prepare else inputs
            scores.append(stage.run(inputs).copy())
            inputs = stage.features()
        wanted = _host_points(governor, record, scores)
        if number:  # before the first frame the host's governor takes the clock for the lowest
            assert record.points == wanted, f"frame {number}"
        assert record.exit_probabilities == (
            predictor.probabilities(scores[0]) if record.exit and later > 1 else None
        )
        clocks |= {point.clock_khz for point in record.points}
        switches += record.switches
    device.be_slow(0)
    assert len(clocks) > 1 and switches > 10
    residency = device.ask(Op.WRITE, Group.EDGE_INFER, EdgeCommand.FINISH, {"n": 1})["residency"]
    assert {khz for khz, _ in residency} >= clocks


@pytest.mark.backend
def test_the_device_leaves_where_the_host_does(device_driver: Driver) -> None:
    """Same frames, same times: same exits, same clocks, the account bit for bit."""
    bundle = open_bundle("digits-early-exit")
    samples = bundle.samples()
    assert samples is not None
    stages = load_stages(bundle, open_or_skip("tflite-runtime", "reference"))
    scores = run_all(stages, list(samples[0]))
    scales = [stage.scores.scale or 1.0 for stage in bundle.manifest.stages]
    thresholds = bundle.manifest.thresholds["1.0"]
    outcomes = ExitOutcomes.of_scores(scores, samples[1], thresholds.criterion, scales)
    judged = exit_criteria(bundle.manifest)
    decisions = [[judge(row) for judge, row in zip(judged, rows, strict=True)]
                 for rows in zip(*scores, strict=True)]  # fmt: skip
    exits = np.array([next(k for k, d in enumerate(row) if d.leave) for row in decisions])
    chain = fit_chain(outcomes, exits, "samples")
    table = steep_table((0.5, 0.5, 2.0), CLOCKS_KHZ, switch_ns=50_000, switch_nj=20_000)
    problem = plan_problem(
        table, STAGES, table.points, chained_exits(chain), DEADLINE_NS, (6_000_000,)
    )
    plan = Planner(replace(problem, loss_price_nj=3_000.0, loss_bound_points=2.0)).within(0.01)
    device = _device(device_driver, bundle_file(bundle, plan=(plan, "sim:runner")))
    assert _govern(device, "planned")["policy"] == "planned"
    governor = LeavingGovernor(
        "planned-leaving", plan.problem, 0.01, feedback=False, plans=PlanSet(plan)
    )
    random, early = np.random.default_rng(4), 0
    for number, frame in enumerate(samples[0]):
        device.be_slow(int(random.integers(0, 2_500_000)))
        record = inference_record(Record.unpack(_infer(device, number, frame)), 0)
        due_ns = record.arrival_ns + DEADLINE_NS
        asked = Frame(number, frame, arrival_ns=record.arrival_ns, deadline_ns=due_ns)
        points, exit_ = [governor.first_point(asked, record.arrival_ns, 0)], 0
        while not decisions[number][exit_].leave:
            assert exit_ <= record.exit
            end_ns = record.stage_end_ns[exit_]
            result = StageResult(exit_, scores[exit_][number], end_ns)
            if governor.leaves(asked, result, decisions[number][exit_]):
                early += 1
                break
            points.append(governor.next_point(asked, result, decisions[number][exit_]))
            exit_ += 1
        assert (record.exit, record.answer) == (exit_, decisions[number][exit_].answer), number
        if number:
            assert record.points == tuple(points), number
        governor.learn(record)
    device.be_slow(0)
    assert 10 < early < len(samples[0])


@pytest.mark.parametrize("board", ["sim:runner", "another-board", None])
def test_a_plan_is_for_its_board_alone(board: str | None, device_driver: Driver) -> None:
    bundle = _with_predictor(open_bundle("digits-early-exit"), _predictor(5))
    plan = (_solved(_predictor(5), slots=20), board) if board else None
    device = _device(device_driver, bundle_file(bundle, plan=plan))
    if board == "sim:runner":
        assert _govern(device, "planned")["policy"] == "planned"
    else:
        with pytest.raises(DeviceRefusedError, match="no plan for this board"):
            _govern(device, "planned")
    assert _govern(device, "powersave")["policy"] == "powersave"
    frame = np.zeros((8, 8, 1), np.uint8)
    assert _infer(device, 1, frame)["points"][0] == [CLOCKS_KHZ[0], 1]
    _govern(device, "performance")
    record = _infer(device, 2, frame)
    assert record["points"][0] == [CLOCKS_KHZ[-1], 1] and "probabilities" not in record
    with pytest.raises(DeviceRefusedError, match="policies of this device"):
        _govern(device, "ondemand")

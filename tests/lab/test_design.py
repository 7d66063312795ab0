"""`design`: one search over plain nets, exits and cascades; what it writes is what it promised."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import fastjsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.brought_models import Kind, patch_frames, template_model

from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.commands.root import run_line
from edge_infer.lab.design.designed import kind_of
from edge_infer.lab.design.members import Candidates, Member, read_candidates
from edge_infer.lab.design.prices import MARGIN, Prices
from edge_infer.lab.design.screen import DOUBT, Screen
from edge_infer.lab.design.search import search
from edge_infer.lab.tuning import LossBound
from edge_infer.lab.tuning.calibration_data import CalibrationData
from edge_infer.models_tflite import open_backend, open_bundle
from edge_infer.runtime.errors import InputError, RunError

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "design.schema.json"
BOARD = "sim:raspberry-pi-5"


def net(name: str, macs: int, margins: Sequence[float], right: Sequence[bool]) -> Member:
    """A plain net whose answers are given."""
    work = Work(name, (OpWork("CONV_2D", macs, macs // 100, 16, 9, 1000),))
    return Member(
        name, name, (name,), (), (work,), (), np.array([margins], float), np.array([right])
    )


PRICES_OF_THREE = Prices(
    [net(name, macs, [0.0], [True]) for name, macs in (("a", 10**6), ("b", 10**7), ("c", 10**8))],
    BOARD, (1,), 1e12,
)  # fmt: skip
MARGINS = st.permutations(range(24))
RIGHT = st.lists(st.booleans(), min_size=24, max_size=24)


@given(MARGINS, MARGINS, st.tuples(RIGHT, RIGHT, RIGHT), st.sampled_from([0.0, 0.1, 0.4]))
@settings(max_examples=25, deadline=None)
def test_the_grid_finds_the_cheapest_thresholds_that_seem_to_keep_a_loss(
    first: list[int], second: list[int], right: tuple[list[bool], ...], allowed: float
) -> None:
    """Against every pair of margins that occurs: of 24 different ones the grid has them all."""
    row = tuple(
        net(name, macs, margins, own)
        for name, macs, margins, own in zip(
            "abc", (10**6, 10**7, 10**8), (first, second, [0] * 24), right, strict=True
        )
    )
    everything = np.arange(24)
    screen = Screen(PRICES_OF_THREE, row[2].right[-1], everything)
    outcomes, price = screen.outcomes(row, everything), PRICES_OF_THREE.price(row)
    assert price is not None
    best = np.inf
    for thresholds in product([*range(24), np.inf], repeat=2):
        harmed, helped = outcomes.counts(thresholds)
        lost = (harmed - helped) / 24
        if lost + DOUBT * np.sqrt(harmed + helped) / 24 <= allowed:
            best = min(best, float(price.exit_nj @ outcomes.shares(thresholds)))
    found = screen.best(row, allowed)
    assert found is not None, "never leaving early is the reference itself"
    assert float(price.exit_nj @ found.shares) == pytest.approx(best)


def test_a_row_costs_what_its_stages_cost_and_fits_the_deadline() -> None:
    row = tuple(net(name, macs, [0.0], [True]) for name, macs in [("a", 10**6), ("b", 10**8)])
    loose = Prices(row, BOARD, (1,), 1e12).price(row)
    assert loose is not None
    fastest_ns = Prices(row, BOARD, (1,), 1e12).least_ns(row)
    assert loose.longest_ns > fastest_ns, "without a deadline the cheapest clock is a slow one"
    tight = Prices(row, BOARD, (1,), 1.001 * fastest_ns / MARGIN).price(row)
    assert tight is not None and tight.longest_ns == pytest.approx(fastest_ns)
    assert tight.exit_nj[-1] > loose.exit_nj[-1]
    assert Prices(row, BOARD, (1,), fastest_ns).price(row) is None
    # The second stage of a row pays no start of an inference, the last one decides nothing.
    alone = [Prices(row, BOARD, (1,), 1e12).price((member,)) for member in row]
    assert alone[0] is not None and alone[1] is not None
    assert loose.stage_nj[0] > alone[0].stage_nj[0] and loose.stage_nj[1] < alone[1].stage_nj[0]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with labels; the shipped samples, given as a file of one's own with other pixels."""
    found = open_bundle("digits-early-exit").samples()
    assert found is not None
    draw = np.random.default_rng(1)
    frames = np.repeat(found[0], 5, axis=0).astype(int)
    noisy = np.clip(frames + draw.integers(-1, 2, frames.shape), 0, 16).astype(np.uint8)
    path = tmp_path_factory.mktemp("design") / "digits.npz"
    np.savez(path, frames=noisy, labels=np.repeat(found[1], 5))
    return path


def test_every_exit_is_a_plain_net_and_the_chain_is_one_member(samples: Path) -> None:
    found = read_candidates(
        ["digits-early-exit", "digits-little-big"], open_backend(), str(samples), None, print
    )
    assert {member.name for member in found.members} == {
        "digits-early-exit:exit1", "digits-early-exit:exit2", "digits-early-exit",
        "digits-early-exit[2 exits]", "digits-early-exit[3 exits]",
        "digits-little-big:little", "digits-little-big",
    }  # fmt: skip
    assert [m.macs for m in found.members] == sorted(m.macs for m in found.members)
    kinds = {kind_of((m,)) for m in found.members}
    assert kinds == {"static", "early-exit"}
    with pytest.raises(InputError, match="no member x among the candidates; there are: digits"):
        found.named("x")


def test_a_search_ends_with_what_keeps_the_promise(samples: Path) -> None:
    found = read_candidates(["digits-early-exit", "digits-little-big"], open_backend(),
                            str(samples), None, lambda _: None)  # fmt: skip
    reference = found.named("digits-early-exit")
    prices = Prices(found.members, BOARD, (1,), 1e9)
    design = search(found, reference, prices, LossBound(0.02, 0.9), 0, lambda _: None)
    assert [f.net_nj for f in design.finalists] == sorted(f.net_nj for f in design.finalists)
    for finalist in design.finalists:
        assert finalist.loss <= 0.02
        assert sum(finalist.shares) == pytest.approx(1)
    costs = [estimate.net_nj for estimate in design.frontier]
    assert costs == sorted(costs, reverse=True)
    assert design.best.net_nj <= min(f.net_nj for f in design.finalists)
    with pytest.raises(RunError, match=r"no member answers within 0\.001 ms: the fastest takes"):
        hurried = Prices(found.members, BOARD, (1,), 1e3)
        search(found, reference, hurried, LossBound(0.02, 0.9), 0, lambda _: None)
    with pytest.raises(RunError, match=r"it takes \d+, none of them harmed; give \d+ more"):
        search(found, reference, prices, LossBound(1e-4, 0.99), 0, lambda _: None)


def test_the_command_writes_a_bundle_that_runs_as_it_says(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "designed"
    line = ["design", "digits-early-exit", "digits-little-big", "--calibration", str(samples),
            "--loss", "2", "--deadline", "5ms", "--rate", "100", "-o", str(out)]  # fmt: skip
    assert run_line([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    assert document["best"]["misses"] == 0
    bundle = open_bundle(str(out))
    assert len(bundle.manifest.stages) == len(document["best"]["members"])
    assert run_line(["run", str(out), str(samples), "--board", BOARD, "--ideal", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    judged = document["best"]
    assert run["accuracy"] == pytest.approx(judged["accuracy"], abs=0.02)
    shares = np.array(list(run["exits"].values())) / run["inferences"]
    assert shares == pytest.approx(judged["shares"], abs=0.05)
    assert run_line(line) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["digits-early-exit", "cifar10-narrow"], 2, "do not tell the same classes apart"),
        (["digits-early-exit", "--reference", "x"], 2, "no member x"),
        (["digits-early-exit", "--reference", "digits-early-exit[2 exits]"], 2, "name a plain net"),
        (["digits-early-exit", "--deadline", "1us"], 1, "no member answers within"),
        (["digits-early-exit", "--loss", "0.01"], 1, "calibration inputs cannot promise"),
        (["digits-early-exit", "--board", "host"], 1, "has no cost model"),
    ],
)
def test_what_cannot_be_designed_is_said(
    arguments: list[str], code: int, sentence: str, samples: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run_line(["design", *arguments, "--calibration", str(samples)]) == code
    assert sentence in capsys.readouterr().err


def test_the_reference_needs_no_test_against_itself() -> None:
    """At a confidence that the exact test cannot reach the reference still stands."""
    draw = np.random.default_rng(0)
    right = (draw.random(3000) < 0.9).tolist()
    reference = net("b", 10**7, [0.0] * 3000, right)
    poor = net("a", 10**6, [0.0] * 3000, [not each for each in right])
    frames = list(np.zeros((3000, 1)))
    data = CalibrationData(frames, np.zeros(3000, np.int64), "drawn", (), (), {})
    found = Candidates((poor, reference), ("x", "y"), data)
    bound = LossBound(0.01, 0.999999)
    design = search(found, reference, PRICES_OF_THREE, bound, 0, lambda _: None)
    assert [finalist.row for finalist in design.finalists] == [(reference,)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "a b"], "--out a b: a bundle is named with letters"),
        (["--deadline", "0ms"], "'0ms' is too little: more than 0"),
        (["--threads", "9"], "offers none of the threads (9,)"),
    ],
)
def test_what_no_design_has_is_a_usage_error(
    arguments: list[str], sentence: str, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["design", "digits-early-exit", "--loss", "4", "--calibration", str(samples)]
    assert run_line([*line, *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_the_option_that_replaces_a_bundle_is_the_one_that_is_named(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "designed"
    line = ["design", "digits-early-exit", "--loss", "4", "--calibration", str(samples),
            "-o", str(out)]  # fmt: skip
    assert run_line(line) == 0
    assert run_line(line) == 2
    assert "give --replace" in capsys.readouterr().err
    assert run_line([*line, "--replace"]) == 0


def test_nets_of_unlike_sizes_are_scored_as_they_run_behind_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On frames of one size that each resizes for itself, to the answer."""
    models = {"small": Kind(8, "uint8", softmax=True, noise=0.12),
              "big": Kind(120, "float32", softmax=True)}  # fmt: skip
    for name, kind in models.items():
        (tmp_path / f"{name}.tflite").write_bytes(template_model(kind))
    frames, labels = patch_frames(900, 0, 300)
    tested = np.random.default_rng(0).permutation(900)[270:]
    whole, own = tmp_path / "all.npz", tmp_path / "tested.npz"
    np.savez(whole, frames=frames, labels=labels)
    np.savez(own, frames=frames[tested], labels=labels[tested])
    out = tmp_path / "designed"
    nets = [str(tmp_path / f"{name}.tflite") for name in models]
    line = ["design", *nets, "--calibration", str(whole), "--loss", "4", "--deadline", "1s",
            "--rate", "5", "--out", str(out), "--json"]  # fmt: skip
    assert run_line(line) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    assert run_line(["run", str(out), str(own), "--board", BOARD, "--ideal", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["accuracy"] == pytest.approx(best["accuracy"])
    assert np.array(list(run["exits"].values())) / len(tested) == pytest.approx(best["shares"])


def test_candidates_of_one_name_are_not_taken_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, labels = patch_frames(900, 0, 300)
    np.savez(tmp_path / "all.npz", frames=frames, labels=labels)
    nets = [tmp_path / folder / "my net.tflite" for folder in ("one", "two")]
    for seed, path in enumerate(nets):
        path.parent.mkdir()
        path.write_bytes(template_model(Kind(softmax=True), seed))
    ends = ["--calibration", str(tmp_path / "all.npz"), "--loss", "4"]
    assert run_line(["design", str(nets[0]), str(nets[0]), *ends, "--json"]) == 0
    assert [m["net"] for m in json.loads(capsys.readouterr().out)["members"]] == ["my-net"]
    assert run_line(["design", *map(str, nets), *ends]) == 2
    assert "two candidates are called my-net: rename one" in capsys.readouterr().err


def test_labels_are_taken_from_a_bundle_wherever_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, labels = patch_frames(900, 0, 300)
    np.savez(tmp_path / "all.npz", frames=frames, labels=labels)
    for name, kind in (("bare", Kind()), ("known", Kind(softmax=True))):
        (tmp_path / f"{name}.tflite").write_bytes(template_model(kind))
    known = tmp_path / "bundle"
    assert run_line(["bundle", "build", "--single", str(tmp_path / "known.tflite"),
                     "--out", str(known)]) == 0  # fmt: skip
    ends = ["--calibration", str(tmp_path / "all.npz"), "--loss", "4", "--deadline", "1s"]
    assert run_line(["design", str(tmp_path / "bare.tflite"), str(known), *ends]) == 0
    assert run_line(["design", str(tmp_path / "bare.tflite"), *ends]) == 2
    assert "its bundle is a candidate too" in capsys.readouterr().err

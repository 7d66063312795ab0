import json
from functools import partial
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.fakes.noisy_digits import write_noisy_digits
from tests.fakes.tiny_bundles import write_single

from edge_infer.commands.root import run_line
from edge_infer.commands.tune import tune_command
from edge_infer.lab.costs.board_costs import board_table
from edge_infer.lab.replay.scored_frames import scored_bundle
from edge_infer.lab.train.sources import held_back_images
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.self_test import self_test
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_criterion import exit_criteria
from edge_infer.runtime.predictor import SoftmaxPredictor

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
EARLY, PAIR = "digits-early-exit", "digits-little-big"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy_digits(open_bundle(EARLY), tmp_path_factory.mktemp("noisy"))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(tune_command, [str(argument) for argument in arguments])


def tune(*arguments: object, schema: str = "tune") -> Any:
    """Run with --json; the document must be what the published schema says."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    fastjsonschema.validate(json.loads((SCHEMAS / f"{schema}.schema.json").read_text()), document)
    return document


@pytest.mark.parametrize("name", [EARLY, PAIR])
def test_it_writes_a_bundle_that_leaves_where_it_said(
    name: str, noisy: Path, tmp_path: Path
) -> None:
    source = open_bundle(name)
    document = tune(name, "--calibration", noisy, "--allow", 3, "-o", tmp_path / "tuned")
    assert document["pays"]
    tuned = open_bundle(tmp_path / "tuned")
    thresholds = tuned.manifest.thresholds["1.0"]
    assert list(thresholds.values) == document["thresholds"]
    assert thresholds.chosen_on.allowed_loss_points == 3
    assert thresholds.chosen_on.samples == document["calibration"]["tested_on"]
    assert [s.file for s in tuned.manifest.stages] == [s.file for s in source.manifest.stages]
    arrays = np.load(noisy)
    scores = run_all(load_stages(tuned, open_backend()), arrays["frames"])
    judged = scored_bundle(tuned, scores, arrays["labels"])
    if name == PAIR:  # tested on all of them
        assert judged.exit_shares == pytest.approx(list(document["adaptive"]["shares"].values()))
        right = [rows.argmax(axis=1) == arrays["labels"] for rows in scores]
        adaptive = np.where(judged.exits == 0, right[0], right[1])
        assert adaptive.mean() == pytest.approx(document["adaptive"]["accuracy"])
        assert right[1].mean() == pytest.approx(document["plain"]["accuracy"])
    predictor = SoftmaxPredictor.from_document((tuned.manifest.predictor or {})["1.0"])
    assert predictor.leave_first == pytest.approx(judged.exit_shares[0])
    assert self_test(tuned, open_backend(), partial(exit_criteria, tuned.manifest)).passed


def test_expected_energy_is_the_cost_table_s(noisy: Path) -> None:
    document = tune(PAIR, "--calibration", noisy, "--allow", 3, "--dry-run", "--clock", 1500)
    bundle = open_bundle(PAIR)
    table = board_table(bundle, "sim:raspberry-pi-5")
    point = next(p for p in table.points if p.clock_khz == 1_500_000 and p.threads == 1)

    def net_uj(stage: str) -> float:
        row = table.row(stage, point)
        return (row.energy_nj - table.idle_reference_uw * row.time_ns / 1e6) / 1000

    little, big = (net_uj(stage.name) for stage in bundle.manifest.stages)
    escalated = document["adaptive"]["shares"]["big"]
    assert document["adaptive"]["net_uj"] == pytest.approx(little + escalated * big)
    assert document["plain"]["net_uj"] == pytest.approx(net_uj("classic"))
    assert document["clock_khz"] == 1_500_000


def test_where_it_does_not_pay_the_plain_net_is_kept(noisy: Path, tmp_path: Path) -> None:
    table = write_dear_table(tmp_path)
    asked = (PAIR, "--calibration", noisy, "--allow", 3, "--cost-table", table)
    document = tune(*asked, "-o", tmp_path / "out")
    assert not document["pays"]
    assert document["adaptive"]["net_uj"] > document["plain"]["net_uj"]
    assert document["plain"]["net_uj"] == pytest.approx(document["exits"][0]["net_uj"])
    plain, pair = open_bundle(tmp_path / "out"), open_bundle(PAIR)
    assert plain.manifest.kinds == ("single",)
    assert plain.manifest.provenance["tuning"]["pays"] is False
    frames = np.load(noisy)["frames"][:50]
    alone = run_all(load_stages(plain, open_backend()), frames)
    assert np.array_equal(alone[0], run_all(load_stages(pair, open_backend()), frames)[1])
    assert "does not pay" in invoke(*asked, "--dry-run").stdout


def test_a_little_net_that_suffices_alone_is_named(noisy: Path) -> None:
    told = "simpler       every input leaves at little"
    asked = (PAIR, "--calibration", noisy, "--dry-run", "--allow")
    assert told in invoke(*asked, 49).stdout
    assert told not in invoke(*asked, 3).stdout


def write_dear_table(folder: Path) -> Path:
    """Write a measured cost table by which the little net costs what the big one does."""
    bundle = open_bundle(PAIR)
    document = json.loads(board_table(bundle, "sim:raspberry-pi-5").to_json())
    big = [row for row in document["rows"] if row["stage"] == "big"]
    document["rows"] = [row | {"stage": stage} for row in big for stage in ("little", "big")]
    manifest = bundle.manifest
    document |= {"bundle": f"{manifest.name} {manifest.version}"}
    document |= {"backend": str(open_backend().info)}
    path = folder / "table.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("criterion", ["top-score", "entropy"])
def test_other_criteria_are_written_in_their_units(
    criterion: str, noisy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    document = tune(
        EARLY, "--calibration", noisy, "--allow", 5, "-o", out, "--criterion", criterion
    )
    thresholds = open_bundle(out).manifest.thresholds["1.0"]
    assert thresholds.criterion == criterion
    if criterion == "entropy":
        assert all(-1 <= value <= np.log(10) for value in document["thresholds"])
    arrays = np.load(noisy)
    scores = run_all(load_stages(open_bundle(out), open_backend()), arrays["frames"])
    judged = scored_bundle(open_bundle(out), scores, arrays["labels"])
    shares = list(document["adaptive"]["shares"].values())
    assert judged.exit_shares == pytest.approx(shares, abs=0.03)  # those it learned on are new


def test_the_promise_can_be_checked(noisy: Path) -> None:
    document = tune(PAIR, "--calibration", noisy, "--check-promise", 2, schema="tune-check-promise")
    assert len(document["rows"]) == 12
    assert all(row["draws"] == 2 for row in document["rows"])
    hopeless = [row for row in document["rows"] if row["inputs"] * row["allowed_points"] < 299]
    assert hopeless
    assert all(row["none_percent"] == 100 for row in hopeless)
    assert any(row["energy_percent"] < 100 for row in document["rows"])


def test_a_plot_wants_its_extra(
    noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = invoke(
        PAIR, "--calibration", noisy, "--allow", 3, "--dry-run", "--plot", tmp_path / "a.png"
    )
    assert "edge-infer[plot]" in str(result.exception)
    assert not (tmp_path / "a.png").exists()


def test_the_plot_is_written(noisy: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")
    tune(PAIR, "--calibration", noisy, "--allow", 3, "--dry-run", "--plot", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_what_a_recipe_held_back_is_found_again(noisy: Path) -> None:
    pytest.importorskip("sklearn", reason="the train extra is not installed: no digits")
    bundle = open_bundle(EARLY)
    frames, labels = held_back_images(bundle, "digits")
    assert len(frames) == bundle.manifest.provenance["images"]["held_back"]
    scores = run_all(load_stages(bundle, open_backend()), list(frames))
    right = float((scores[-1].argmax(axis=1) == labels).mean())
    assert 100 * right == pytest.approx(
        bundle.manifest.provenance["nets"]["exit3"]["held_back"], abs=0.3
    )


def test_held_back_images_are_not_guessed(tmp_path: Path) -> None:
    bundle = write_single(tmp_path)
    with pytest.raises(RunError, match="names no recipe"):
        held_back_images(bundle, "digits")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run the whole command; return its exit code and its one line."""
    code = run_line(["tune", *map(str, arguments)])
    said = capsys.readouterr().err.strip().splitlines()
    return code, said[-1]


def test_what_cannot_be_tuned_is_refused_in_one_line(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = dict(np.load(noisy))
    np.savez("unlabelled.npz", frames=arrays["frames"])
    np.savez("other.npz", frames=arrays["frames"], labels=arrays["labels"] + 5)
    some = {"few": [0, 0, 1], "one": [0] * 40}
    for name, classes in some.items():
        rows = [np.flatnonzero(arrays["labels"] == c)[i] for i, c in enumerate(classes)]
        np.savez(f"{name}.npz", **{key: values[rows] for key, values in arrays.items()})
    random = np.random.default_rng(0)
    np.savez("wrong.npz", frames=arrays["frames"], labels=random.permutation(arrays["labels"]))
    samples = open_bundle(EARLY).path / "samples.npz"
    single = write_single(tmp_path)
    cases: list[tuple[int, str, tuple[object, ...]]] = [
        (2, "900 inputs have no label", (EARLY, "--calibration", "unlabelled.npz")),
        (2, "labels from 5 to 14, the bundle's go from 0 to 9",
         (EARLY, "--calibration", "other.npz")),
        (1, "3 calibration inputs of 2 classes tell nothing of a net: give 10 or more",
         (EARLY, "--calibration", "few.npz")),
        (1, "40 calibration inputs of 1 classes tell nothing",
         (EARLY, "--calibration", "one.npz")),
        (1, "at chance", (EARLY, "--calibration", "wrong.npz")),
        (1, "450 of 450 inputs are test samples of the bundle", (EARLY, "--calibration", samples)),
        (1, "it takes 3744 ", (EARLY, "--calibration", noisy, "--allow", 0.1)),
        (1, "9 calibration inputs of 1 classes", (single.path, "--calibration", "fits.npz")),
        (2, "there is no input nothing.npz", (EARLY, "--calibration", "nothing.npz")),
        (2, "standard input has frames without labels", (EARLY, "--calibration", "-")),
        (2, "--frame-size is for raw frames",
         (EARLY, "--calibration", noisy, "--frame-size", "8x8")),
        (2, "--plot a.jpg: the name ends with .png or .svg or .pdf",
         (EARLY, "--calibration", "nothing.npz", "--plot", "a.jpg")),
        (2, "--plot none/a.png: there is no folder none",
         (EARLY, "--calibration", "nothing.npz", "--plot", "none/a.png")),
        (2, "--calibration is missing", (EARLY,)),
        (2, "sim:raspberry-pi-5", (EARLY, "--calibration", noisy, "--board", "sim:nothing")),
        (2, "has no clock of 1234 MHz; it has 1500",
         (EARLY, "--calibration", noisy, "--clock", 1234)),
        (1, "host has no cost table", (EARLY, "--calibration", noisy, "--board", "host")),
        (2, "there is no cost table none.json",
         (EARLY, "--calibration", noisy, "--cost-table", "none.json")),
    ]  # fmt: skip
    np.savez("fits.npz", frames=np.zeros((9, 8, 8, 1), np.uint8), labels=np.zeros(9, int))
    before = sorted(tmp_path.iterdir())
    for code, words, arguments in cases:
        found, line = refused(capsys, *arguments)
        assert (found, words in line) == (code, True), (arguments, line)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_in_the_way_is_left_alone(noisy: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "note").write_text("keep me")
    result = invoke(EARLY, "--calibration", noisy, "--allow", 3, "-o", out)
    assert result.exit_code == 2
    assert "exists already" in result.output
    assert [path.name for path in out.iterdir()] == ["note"]


def test_raw_files_are_calibrated_on_like_arrays(noisy: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(noisy))
    lines = []
    for number, (frame, label) in enumerate(zip(arrays["frames"], arrays["labels"], strict=True)):
        padded = np.pad(frame[..., 0], [(0, 0), (0, 8)])
        (tmp_path / f"{number:04}.bin").write_bytes(padded.tobytes())
        lines.append(f"{number:04}.bin,10,{label}")
    (tmp_path / "y_labels.csv").write_text("\n".join(lines))
    options = ("--allow", 3, "--dry-run")
    raw = ("--frame-format", "gray", "--frame-stride", 16)
    ours = tune(EARLY, "--calibration", tmp_path, *raw, *options)
    theirs = tune(EARLY, "--calibration", noisy, *options)
    assert ours["thresholds"] == theirs["thresholds"] and ours["exits"] == theirs["exits"]
    assert ours["input"]["kind"] == "raw files" and ours["input"]["stride"] == 16

import json
from functools import partial
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tests.fakes.backbones import CLASSES, LABELS_TEXT, backbone, picture, residual, write_pictures
from tests.fakes.odd_models import ODD, two_inputs
from tests.fakes.tiny_models import early_exit_model

from edge_infer.commands.adapt import adapt_command
from edge_infer.commands.root import run_line
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.lint import lint_bundle
from edge_infer.models_tflite.self_test import self_test
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.errors import InputError, RunError
from edge_infer.runtime.exit_criterion import exit_criteria

SCHEMAS = Path(__file__).parents[2] / "tools" / "commands" / "schemas"
LOOSE = ("--loss", 10, "--confidence", 0.8)
"""A promise that few pictures can keep: 16 of them, 20 with a path to learn."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures", (50, 50, 50))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(backbone())
    Path("labels.txt").write_text(LABELS_TEXT)
    return tmp_path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(adapt_command, [str(argument) for argument in arguments])


def adapted(*arguments: object, schema: str = "adapt") -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    document = json.loads(result.stdout)
    fastjsonschema.validate(json.loads((SCHEMAS / f"{schema}.schema.json").read_text()), document)
    return document


def fails(kind: type[Exception], *arguments: object) -> str:
    result = invoke(*arguments)
    assert isinstance(result.exception, kind), f"{result.output}{result.exception!r}"
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An adapted int8 net of three exits: the folder that all lies in, and its document."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "net.tflite").write_bytes(backbone())
    document = adapted(folder / "net.tflite", "--data", data, "-o", folder / "out", *LOOSE)
    return folder, document


def test_a_net_gets_exits_for_the_folders(made: tuple[Path, Any]) -> None:
    folder, document = made
    found, rows = document["adapt"], document["adapt"]["exits"]
    assert found["classes"] == list(CLASSES) and found["arithmetic"] == "int8"
    assert (found["fitted_on"], found["calibrated_on"], found["groups"]) == (75, 75, None)
    assert [row["name"] for row in rows] == ["exit1", "exit2", "exit3"]
    assert rows[-1]["accuracy"] > 0.8  # chance is a third
    assert document["self_test_passed"] and document["input"]["left_out"] == {}
    assert document["alone"] == [str(folder / f"out-exit{n}") for n in (1, 2, 3)]
    assert document["tuning"]["pays"]  # else the rest says nothing
    bundle = open_bundle(folder / "out")
    assert tuple(bundle.manifest.labels) == CLASSES
    assert self_test(bundle, open_backend(), partial(exit_criteria, bundle.manifest)).passed
    assert not [f for f in lint_bundle(bundle) if "TFLite Micro" in f.what]
    frames = [picture(k % 3, np.random.default_rng(k)) for k in range(6)]
    scores = run_all(load_stages(bundle, open_backend()), frames)
    for index in range(3):
        alone = run_all(load_stages(open_bundle(folder / f"out-exit{index + 1}"), open_backend()),
                        frames)  # fmt: skip
        np.testing.assert_array_equal(alone[0], scores[index])


def test_the_adaptive_net_saves_what_the_thresholds_say(made: tuple[Path, Any]) -> None:
    found = made[1]["adapt"]
    shares = [row["share"] for row in found["exits"]]
    macs = sum(s * row["macs"] for s, row in zip(shares, found["exits"], strict=True))
    assert found["macs"]["adaptive"] == pytest.approx(macs)
    assert found["macs"]["saving_percent"] == pytest.approx(
        100 * (1 - macs / found["macs"]["plain"])
    )
    assert found["macs"]["saving_percent"] > 5


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_heads_are_in_the_arithmetic_of_the_net(dtype: str, data: Path, place: Path) -> None:
    Path("net.tflite").write_bytes(backbone(dtype))
    result = invoke("net.tflite", "--data", data, "-o", "out", "--at", "map1", *LOOSE)
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    assert f"net.tflite ({dtype}), 3 classes" in result.stdout
    assert "fitted on 75 pictures, calibrated on 75 others" in result.stdout
    assert "out-exit1" in result.stdout and "self-test passed" in result.stdout
    assert ("its arithmetic is float32" in result.output) == (dtype == "float32")
    for number in (1, 2):
        [stage] = open_bundle(f"out-exit{number}").manifest.stages
        assert stage.scores.dtype == dtype and stage.arithmetic == dtype


def test_what_stands_in_the_way_is_said_at_once(data: Path, made: tuple[Path, Any]) -> None:
    folder, net = made[0], made[0] / "net.tflite"
    again = invoke(net, "--data", data, "-o", folder / "out", *LOOSE)
    assert again.exit_code == 2 and "out exists already" in again.output
    (folder / "other-exit2").mkdir()
    beside = invoke(net, "--data", data, "-o", folder / "other", *LOOSE)
    assert beside.exit_code == 2 and "other-exit2 exists already" in beside.output
    assert not (folder / "other").exists()


def test_the_same_seed_gives_the_same_net(
    data: Path, made: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, first = made
    out = tmp_path / "out"
    second = adapted(folder / "net.tflite", "--data", data, "-o", out, "--replace", *LOOSE)
    assert second["adapt"] == first["adapt"]
    for file in ("exit1.tflite", "exit2.tflite", "exit3.tflite"):
        assert (out / file).read_bytes() == (folder / "out" / file).read_bytes()


def test_points_are_listed(place: Path) -> None:
    document = adapted("net.tflite", "--list", schema="adapt-list")
    assert [p["tensor"] for p in document["points"]] == ["map0", "map1", "map2"]
    assert [p["number"] for p in document["points"]] == [1, 2, 3]
    assert document["last"]["tensor"] == "map3" and document["macs"] > document["last"]["macs"]
    Path("residual.tflite").write_bytes(residual())
    text = invoke("residual.tflite", "--list").stdout
    assert "block" in text and "no exit at:" in text and "inside a block" in text


def test_the_net_s_own_head_is_kept_to_the_bit_for_its_own_classes(
    data: Path, made: tuple[Path, Any], place: Path
) -> None:
    net = made[0] / "out-exit3" / "net.tflite"
    document = adapted(
        net, "--data", data, "--labels", "labels.txt", "-o", "out", "--at", "map1", *LOOSE
    )
    found = document["adapt"]
    assert found["exits"][-1]["head"] == "own" and found["classes"] == list(CLASSES)
    assert found["exits"][0]["name"] == "exit1"
    frames = [picture(k % 3, np.random.default_rng(k)) for k in range(9)]
    bundles = (open_bundle(made[0] / "out-exit3"), open_bundle("out-exit2"))
    rows = [run_all(load_stages(bundle, open_backend()), frames)[0] for bundle in bundles]
    np.testing.assert_array_equal(rows[0], rows[1])


def test_a_head_that_cannot_be_kept_says_why(data: Path, place: Path) -> None:
    asked = ("net.tflite", "--data", data, "--head", "own", "-o", "out", *LOOSE)
    assert "its labels are not known: give --labels" in fails(RunError, *asked)
    Path("labels.txt").write_text("columns\ndot\nwaves\n")
    told = fails(RunError, *asked, "--labels", "labels.txt")
    assert "'rows' is no class of the bundle" in told
    Path("labels.txt").write_text(LABELS_TEXT + "waves\n")
    told = fails(BundleError, *asked, "--labels", "labels.txt")
    assert "4 labels for 3 scores" in told


def test_frames_of_one_video_stay_together_and_count_once(place: Path) -> None:
    data = write_pictures(place / "videos", (120, 120, 120), below=[f"v{n}" for n in range(60)])
    document = adapted("net.tflite", "--data", data, "-o", "o", "--at", 3, "--at", "map1", *LOOSE)
    assert [row["reads"] for row in document["adapt"]["exits"]] == ["map1", "map2", "map3"]
    assert document["adapt"]["groups"] == 60
    assert document["tuning"]["calibration"]["tested_on"] == 24  # 30 groups, a fifth for the path
    groups = place / "groups.csv"
    groups.write_text("dot,a\nrows,b\ncolumns,c\n")
    text = fails(RunError, "net.tflite", "--data", data, "-o", "x", "--groups", groups, *LOOSE)
    assert "all pictures of 'columns', 'dot', 'rows' are in one group" in text


def test_classes_of_unlike_size_and_odd_files(place: Path) -> None:
    data = write_pictures(place / "data", (90, 60, 12))
    (data / "notes.txt").write_text("none")
    (data / "dot" / "broken.png").write_bytes(b"\x89PNG no more")
    (data / "rows" / "copy.png").write_bytes((data / "rows" / "0000.png").read_bytes())
    mirrored = np.asarray(Image.open(data / "rows" / "0001.png"))[:, ::-1]
    Image.fromarray(mirrored).save(data / "rows" / "mirrored.png")
    document = adapted("net.tflite", "--data", data, "-o", "out", "--at", "map1", *LOOSE)
    left_out = document["input"]["left_out"]
    assert left_out[".txt"] == 1 and left_out["unreadable"] == 1 and left_out["duplicate"] == 1
    assert set(document["adapt"]["exits"][0]["by_class"]) == set(CLASSES)
    assert document["tuning"]["calibration"]["skipped"] == [] or "broken.png" in str(document)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((30, 30, 4), "classes with fewer than 10 pictures: 'rows' 4"),
        ((30,), "one class only, 'columns'"),
        ((12, 12, 12), "36 pictures leave no part to promise a loss of at most 1 points"),
    ],
)
def test_pictures_that_are_too_few(counts: tuple[int, ...], told: str, place: Path) -> None:
    data = write_pictures(place / "data", counts)
    assert told in fails(RunError, "net.tflite", "--data", data, "-o", "out")
    assert not Path("out").exists()


def test_a_picture_in_two_classes_is_named(place: Path) -> None:
    data = write_pictures(place / "data", (30, 30, 30))
    (data / "rows" / "same.png").write_bytes((data / "dot" / "0003.png").read_bytes())
    told = fails(RunError, "net.tflite", "--data", data, "-o", "out", *LOOSE)
    assert "1 pictures stand in two classes" in told
    assert "dot/0003.png" in told and "rows/same.png" in told
    (data / "rows" / "same.png").unlink()
    image = Image.open(data / "dot" / "0003.png")
    image.save(data / "rows" / "same.bmp")  # another file of the same pixels
    told = fails(RunError, "net.tflite", "--data", data, "-o", "out", *LOOSE)
    assert "dot/0003.png" in told and "rows/same.bmp" in told


def test_backbones_that_cannot_be_adapted(data: Path, place: Path) -> None:
    Path("several.tflite").write_bytes(early_exit_model())
    told = fails(BundleError, "several.tflite", "--data", data)
    assert "3 outputs (exit_1 [1, 5] int8" in told and "bundle cut" in told
    Path("two.tflite").write_bytes(two_inputs())
    assert "2 inputs (frame [1, 4] int8" in fails(BundleError, "two.tflite", "--data", data)
    told = fails(RunError, "net.tflite", "--data", data, "-o", "out", "--exits", 9, *LOOSE)
    assert "--exits 9" in told and "3 points" in told


@pytest.mark.parametrize(
    "name",
    ["detector", "segmentation", "class index", "text", "batch of 4", "open height", "no output",
     "custom operator", "several graphs", "int16 activations", "untouched", "nothing", "cut off"],
)  # fmt: skip
def test_odd_models_end_in_one_line(name: str, data: Path, place: Path) -> None:
    Path("odd.tflite").write_bytes(ODD[name]())
    fails(Exception, "odd.tflite", "--data", data, "-o", "out", *LOOSE)
    assert not Path("out").exists()


def test_folders_that_are_none(place: Path) -> None:
    told = fails(InputError, "net.tflite", "--data", "nowhere", "-o", "out")
    assert "nowhere: there is no such folder" in told
    empty = place / "empty"
    empty.mkdir()
    assert "has no subfolder" in fails(InputError, "net.tflite", "--data", empty, "-o", "out")
    (empty / "train").mkdir()
    assert "sides of a data set" in fails(InputError, "net.tflite", "--data", empty, "-o", "out")
    flat = place / "flat"
    write_pictures(flat, (3, 3))
    Image.new("RGB", (4, 4)).save(flat / "loose.png")
    assert "1 of 7 images lie in no class" in fails(
        InputError, "net.tflite", "--data", flat, "-o", "out"
    )
    assert invoke("net.tflite").exit_code == 2


def test_the_command_line_ends_with_the_right_codes(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(["adapt", "net.tflite", "--data", "nowhere"]) == 2
    write_pictures(place / "data", (30,))
    assert run_line(["adapt", "net.tflite", "--data", "data"]) == 2
    assert run_line(["adapt", "missing.tflite", "--list"]) == 2
    assert capsys.readouterr().err.count("error: ") == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--board", "nonsense"), "no board nonsense"),
        (("--board", "sim:raspberry-pi-5", "--clock", 7), "has no clock of 7 MHz"),
    ],
)
def test_a_board_that_is_none_is_told_before_the_work(
    given: tuple[object, ...], told: str, data: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_infer.commands.adapt.adapt", None)  # it is not come to
    assert told in fails(Exception, "net.tflite", "--data", data, "-o", "out", *given, *LOOSE)
    assert list(place.glob("*out*")) == []


def test_copies_do_not_make_a_class(place: Path) -> None:
    data = write_pictures(place / "data", (30, 30))
    for path in (data / "dot").iterdir():
        path.write_bytes((data / "dot" / "0000.png").read_bytes())
    told = fails(RunError, "net.tflite", "--data", data, "-o", "out", *LOOSE)
    assert "'dot' 1; 29 copies of others were left out" in told
